# Compare the disagreement of several networks on the same images with their errors.
rule judge_ensemble:
    input:
        models=ask.member_models,
        networks=ask.member_descriptions,
        epochs=ask.ensemble_epochs,
    output:
        samples=ask.path(layout.ENSEMBLE, "samples.csv"),
        calibration=ask.path(layout.ENSEMBLE, "calibration.csv"),
        summary=ask.path(layout.SUMMARIES["ensembles"]),
        examples=ask.path(layout.ENSEMBLE, "examples.npz"),
    log:
        ask.log("ensemble", "{ensemble}"),
    benchmark:
        ask.benchmark("ensemble", "{ensemble}")
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        gpu=0,
    params:
        spec=ask.ensemble_spec,
        networks=ask.member_networks,
    shell:
        "exitwave ensemble --spec {params.spec:q} --networks {params.networks:q}"
        " --output results/ensembles/{wildcards.ensemble} {input.epochs:q} 2>&1 | tee {log:q}"
