# Choose the materials, split them, draw the list of samples, share it out over shards. It takes seconds,
# and what is to be submitted hangs on it, so it never waits in a queue.
checkpoint build_catalog:
    input:
        database=database,
    output:
        materials="results/{dataset}/catalog/materials.csv",
        samples="results/{dataset}/catalog/samples.csv",
        rejected="results/{dataset}/catalog/rejected.csv",
        summary="results/{dataset}/catalog/summary.json",
        shards=directory("results/{dataset}/catalog/shards"),
    log:
        "results/logs/catalog/{dataset}.log",
    benchmark:
        "results/benchmarks/catalog/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    params:
        spec=catalog_spec,
    shell:
        "exitwave catalog --spec {params.spec:q} --output results/{wildcards.dataset}/catalog"
        " 2>&1 | tee {log:q}"
