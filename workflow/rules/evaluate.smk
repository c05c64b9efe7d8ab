# Compare one network's exit waves with the true ones of a data set's validation samples.
rule evaluate_network:
    input:
        model=ask.path(layout.MODEL),
        network=ask.path(layout.DESCRIPTION),
        epochs=ask.evaluated_epochs,
    output:
        samples=ask.path(layout.EVALUATION, "samples.csv"),
        summary=ask.path(layout.SUMMARIES["evaluations"]),
        examples=ask.path(layout.EVALUATION, "examples.npz"),
    log:
        ask.log("evaluate", "{network}.{dataset}"),
    benchmark:
        ask.benchmark("evaluate", "{network}.{dataset}")
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        gpu=0,
    params:
        spec=ask.evaluate_spec,
    shell:
        "exitwave evaluate --spec {params.spec:q} --network results/networks/{wildcards.network}"
        " --output results/evaluations/{wildcards.network}/{wildcards.dataset}"
        " {input.epochs:q} 2>&1 | tee {log:q}"
