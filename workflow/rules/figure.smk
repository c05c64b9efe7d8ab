# Draw the figures that the configuration asks for by name, those of the paper among them. Each has a
# folder of its own with PNG and SVG files and their captions.
rule draw_figure:
    input:
        figure_inputs,
    output:
        directory("results/figures/{figure}"),
    log:
        "results/logs/draw_figure/{figure}.log",
    benchmark:
        "results/benchmarks/draw_figure/{figure}.tsv"
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    params:
        spec=figure_spec,
        sources=figure_sources,
    shell:
        "exitwave figure --spec {params.spec:q} --output {output:q} {params.sources:q}"
        " 2>&1 | tee {log:q}"
