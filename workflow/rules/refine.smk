# Refine some series of an evaluation by their own images, all aberrations unknown, and compare wave and
# aberrations with the true ones.
rule refine_samples:
    input:
        model=ask.path(layout.MODEL),
        network=ask.path(layout.DESCRIPTION),
        calibration=rules.calibrate_network.output,
        epochs=ask.evaluated_epochs,
    output:
        samples=ask.path(layout.REFINEMENT, "samples.csv"),
        summary=ask.path(layout.SUMMARIES["refinements"]),
        examples=ask.path(layout.REFINEMENT, "examples.npz"),
    log:
        ask.log("refine", "{network}.{dataset}"),
    benchmark:
        ask.benchmark("refine", "{network}.{dataset}")
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        gpu=0,
    params:
        spec=ask.refine_spec,
    shell:
        "exitwave refine --spec {params.spec:q} --network results/networks/{wildcards.network}"
        " --calibration {input.calibration:q}"
        " --output results/evaluations/{wildcards.network}/{wildcards.dataset}/refinement"
        " --workers {threads} {input.epochs:q} 2>&1 | tee {log:q}"
