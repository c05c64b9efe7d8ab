# Eq. (A.1) and time against slice thickness, sampling and projection: how fine is fine enough? No part
# of `all`; ask for it with `snakemake convergence`.


rule measure_convergence:
    input:
        databases=convergence_databases,
    output:
        errors="results/convergence/errors.csv",
        summary="results/convergence/summary.json",
        wave="results/convergence/wave.npz",
    log:
        "results/logs/convergence/all.log",
    benchmark:
        "results/benchmarks/convergence/all.tsv"
    conda:
        "../../envs/exitwave.yaml"
    threads: 16
    resources:
        gpu=0,
    params:
        spec=specs.convergence_spec(CONFIG),
    shell:
        "exitwave convergence --spec {params.spec:q} --output results/convergence"
        " --workers {threads} --gpu {resources.gpu} 2>&1 | tee {log:q}"


rule plot_convergence:
    input:
        errors="results/convergence/errors.csv",
        summary="results/convergence/summary.json",
        wave="results/convergence/wave.npz",
    output:
        directory("results/convergence/figures"),
    log:
        "results/logs/plot_convergence/all.log",
    benchmark:
        "results/benchmarks/plot_convergence/all.tsv"
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    params:
        version=specs.ALGORITHM_VERSIONS["plot"],
    shell:
        "exitwave plot convergence results/convergence --output {output:q} 2>&1 | tee {log:q}"


rule convergence:
    input:
        "results/convergence/figures",
    log:
        "results/logs/convergence/figures.log",
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    shell:
        "echo The figures and their captions: $(realpath {input:q}) | tee {log:q}"
