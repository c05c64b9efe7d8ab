# Measure how far a network's waves are off and how well its series can be refined, on its own
# validation samples. What is refined, in an evaluation or by `exitwave reconstruct`, needs it.
rule calibrate_network:
    input:
        model=ask.path(layout.MODEL),
        network=ask.path(layout.DESCRIPTION),
        epochs=ask.validation_epochs,
    output:
        ask.path(layout.CALIBRATION),
    log:
        ask.log("calibrate", "{network}"),
    benchmark:
        ask.benchmark("calibrate", "{network}")
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        gpu=0,
    params:
        spec=ask.calibrate_spec,
    shell:
        "exitwave calibrate --spec {params.spec:q} --network results/networks/{wildcards.network}"
        " --output {output:q} --workers {threads} {input.epochs:q} 2>&1 | tee {log:q}"
