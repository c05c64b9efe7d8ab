# Hold a network against classical reconstruction from a longer focal series.
rule compare_reconstructions:
    input:
        model=compared_model,
        network=compared_description,
        epochs=compared_epochs,
    output:
        samples="results/comparisons/{comparison}/samples.csv",
        summary="results/comparisons/{comparison}/summary.json",
        examples="results/comparisons/{comparison}/examples.npz",
    log:
        "results/logs/compare/{comparison}.log",
    benchmark:
        "results/benchmarks/compare/{comparison}.tsv"
    conda:
        "../../envs/exitwave.yaml"
    threads: 8
    resources:
        gpu=0,
    params:
        spec=compare_spec,
        network=compared_network,
    shell:
        "exitwave compare --spec {params.spec:q} --network {params.network:q}"
        " --output results/comparisons/{wildcards.comparison} --workers {threads}"
        " {input.epochs:q} 2>&1 | tee {log:q}"
