# Hold one network's exit waves against the true ones of a data set's validation samples.
rule evaluate_network:
    input:
        model="results/networks/{network}/model.keras",
        network="results/networks/{network}/network.json",
        epochs=evaluated_epochs,
    output:
        samples="results/evaluations/{network}/{dataset}/samples.csv",
        summary="results/evaluations/{network}/{dataset}/summary.json",
        examples="results/evaluations/{network}/{dataset}/examples.npz",
    log:
        "results/logs/evaluate/{network}.{dataset}.log",
    benchmark:
        "results/benchmarks/evaluate/{network}.{dataset}.tsv"
    conda:
        "../../envs/exitwave.yaml"
    threads: 8
    resources:
        gpu=0,
    params:
        spec=evaluate_spec,
    shell:
        "exitwave evaluate --spec {params.spec:q} --network results/networks/{wildcards.network}"
        " --output results/evaluations/{wildcards.network}/{wildcards.dataset}"
        " {input.epochs:q} 2>&1 | tee {log:q}"
