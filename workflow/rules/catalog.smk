# Choose the materials, split them, draw the list of samples, share it out over shards. It takes seconds,
# and what is to be submitted hangs on it, so it never waits in a queue.
checkpoint build_catalog:
    input:
        database=ask.database,
    output:
        materials=ask.path(layout.CATALOG, "materials.csv"),
        samples=ask.path(layout.CATALOG, "samples.csv"),
        rejected=ask.path(layout.CATALOG, "rejected.csv"),
        summary=ask.path(layout.CATALOG_SUMMARY),
        shards=directory(ask.path(layout.SHARDS)),
    log:
        ask.log("catalog", "{dataset}"),
    benchmark:
        ask.benchmark("catalog", "{dataset}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        spec=ask.catalog_spec,
    shell:
        "exitwave catalog --spec {params.spec:q} --output results/{wildcards.dataset}/catalog"
        " 2>&1 | tee {log:q}"
