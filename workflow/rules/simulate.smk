# Build the specimens of one shard and compute their exit waves over Dask workers.
rule simulate_exit_waves:
    input:
        manifest=manifest,
    output:
        store=ensure("results/{dataset}/exit_waves/{shard}.nc", non_empty=True),
        summary="results/{dataset}/exit_waves/{shard}.json",
    log:
        "results/logs/simulate/{dataset}.{shard}.log",
    benchmark:
        "results/benchmarks/simulate/{dataset}.{shard}.tsv"
    conda:
        "../../envs/exitwave.yaml"
    threads: 16
    resources:
        gpu=0,
        # More than the job's own cores, see profiles/slurm.
        worker_jobs=0,
    params:
        spec=simulate_spec,
    shell:
        "exitwave simulate --spec {params.spec:q} --manifest {input.manifest:q}"
        " --output {output.store:q} --workers {threads} --worker-jobs {resources.worker_jobs}"
        " --gpu {resources.gpu}"
        " 2>&1 | tee {log:q}"
