# Eq. (A.1) and time against slice thickness, sampling and projection: how fine is fine enough? No part
# of `all`; ask for it with `snakemake convergence`.


rule measure_convergence:
    input:
        databases=ask.convergence_databases,
    output:
        errors=ask.path(layout.CONVERGENCE, "errors.csv"),
        summary=ask.path(layout.CONVERGENCE, "summary.json"),
        wave=ask.path(layout.CONVERGENCE, "wave.npz"),
    log:
        ask.log("convergence", "all"),
    benchmark:
        ask.benchmark("convergence", "all")
    conda:
        ENVIRONMENT
    threads: 16
    resources:
        gpu=0,
    params:
        spec=ask.convergence_spec,
    shell:
        "exitwave convergence --spec {params.spec:q} --output results/convergence"
        " --workers {threads} --gpu {resources.gpu} 2>&1 | tee {log:q}"


rule plot_convergence:
    input:
        errors=rules.measure_convergence.output.errors,
        summary=rules.measure_convergence.output.summary,
        wave=rules.measure_convergence.output.wave,
    output:
        directory(ask.path(layout.CONVERGENCE_FIGURES)),
    log:
        ask.log("plot_convergence", "all"),
    benchmark:
        ask.benchmark("plot_convergence", "all")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        version=ALGORITHM_VERSIONS["plot"],
    shell:
        "exitwave plot convergence results/convergence --output {output:q} 2>&1 | tee {log:q}"


rule convergence:
    input:
        rules.plot_convergence.output,
    log:
        ask.log("convergence", "figures"),
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        "echo The figures and their captions: $(realpath {input:q}) | tee {log:q}"
