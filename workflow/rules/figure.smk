# Draw the figures that the configuration asks for by name, those of the paper among them. Each has a
# folder of its own with PNG and SVG files and their captions.
rule draw_figure:
    input:
        ask.figure_inputs,
    output:
        directory(ask.path(layout.FIGURE)),
    log:
        ask.log("draw_figure", "{figure}"),
    benchmark:
        ask.benchmark("draw_figure", "{figure}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        spec=ask.figure_spec,
        sources=ask.figure_sources,
    shell:
        "exitwave figure --spec {params.spec:q} --output {output:q} {params.sources:q}"
        " 2>&1 | tee {log:q}"
