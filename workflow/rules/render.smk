# Image every sample of one side of a data set once: one pre-generated epoch.
rule render_epoch:
    input:
        stores=stores,
    output:
        ensure(ask.path(layout.EPOCH), non_empty=True),
    log:
        ask.log("render", "{dataset}.{images}_images.{split}.{epoch}"),
    benchmark:
        ask.benchmark("render", "{dataset}.{images}_images.{split}.{epoch}")
    conda:
        ENVIRONMENT
    threads: 8
    params:
        spec=ask.render_spec,
    shell:
        "exitwave render --spec {params.spec:q} --output {output:q} --workers {threads}"
        " {input.stores:q} 2>&1 | tee {log:q}"
