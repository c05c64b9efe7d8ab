# Hold the disagreement of several networks on the same images against their errors.
rule judge_ensemble:
    input:
        models=member_models,
        networks=member_descriptions,
        epochs=judged_epochs,
    output:
        samples="results/ensembles/{ensemble}/samples.csv",
        calibration="results/ensembles/{ensemble}/calibration.csv",
        summary="results/ensembles/{ensemble}/summary.json",
        examples="results/ensembles/{ensemble}/examples.npz",
    log:
        "results/logs/ensemble/{ensemble}.log",
    benchmark:
        "results/benchmarks/ensemble/{ensemble}.tsv"
    conda:
        "../../envs/exitwave.yaml"
    threads: 8
    resources:
        gpu=0,
    params:
        spec=ensemble_spec,
        networks=member_networks,
    shell:
        "exitwave ensemble --spec {params.spec:q} --networks {params.networks:q}"
        " --output results/ensembles/{wildcards.ensemble} {input.epochs:q} 2>&1 | tee {log:q}"
