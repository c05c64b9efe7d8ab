# Compare a network with classical reconstruction from a longer focal series.
rule compare_reconstructions:
    input:
        model=ask.compared_model,
        network=ask.compared_description,
        calibration=ask.compared_calibration,
        epochs=ask.compared_epochs,
    output:
        samples=ask.path(layout.COMPARISON, "samples.csv"),
        summary=ask.path(layout.SUMMARIES["comparisons"]),
        examples=ask.path(layout.COMPARISON, "examples.npz"),
    log:
        ask.log("compare", "{comparison}"),
    benchmark:
        ask.benchmark("compare", "{comparison}")
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        gpu=0,
    params:
        spec=ask.compare_spec,
        network=ask.compared_network,
    shell:
        "exitwave compare --spec {params.spec:q} --network {params.network:q}"
        " --output results/comparisons/{wildcards.comparison} --workers {threads}"
        " {input.epochs:q} 2>&1 | tee {log:q}"
