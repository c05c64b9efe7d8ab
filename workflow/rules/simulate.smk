# Build the specimens of one shard and compute their exit waves over Dask workers.
rule simulate_exit_waves:
    input:
        manifest=manifest,
    output:
        store=ensure(ask.path(layout.STORE), non_empty=True),
        summary=ask.path(layout.STORE_SUMMARY),
    log:
        ask.log("simulate", "{dataset}.{shard}"),
    benchmark:
        ask.benchmark("simulate", "{dataset}.{shard}")
    conda:
        ENVIRONMENT
    threads: 16
    resources:
        gpu=0,
        # More than the job's own cores, see profiles/slurm.
        worker_jobs=0,
    params:
        spec=ask.simulate_spec,
    shell:
        "exitwave simulate --spec {params.spec:q} --manifest {input.manifest:q}"
        " --output {output.store:q} --workers {threads} --worker-jobs {resources.worker_jobs}"
        " --gpu {resources.gpu}"
        " 2>&1 | tee {log:q}"
