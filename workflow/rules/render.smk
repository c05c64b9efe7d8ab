# Image every sample of one side of a data set once: one pre-generated epoch.
rule render_epoch:
    input:
        stores=stores,
    output:
        ensure(
            "results/{dataset}/epochs/{images}_images/{split}/{epoch}.nc",
            non_empty=True,
        ),
    log:
        "results/logs/render/{dataset}.{images}_images.{split}.{epoch}.log",
    benchmark:
        "results/benchmarks/render/{dataset}.{images}_images.{split}.{epoch}.tsv"
    conda:
        "../../envs/exitwave.yaml"
    threads: 8
    params:
        spec=render_spec,
    shell:
        "exitwave render --spec {params.spec:q} --output {output:q} --workers {threads}"
        " {input.stores:q} 2>&1 | tee {log:q}"
