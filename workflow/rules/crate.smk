# Describe a finished run as an RO-Crate, for an archive. No part of `all`: `snakemake crate`.
rule crate:
    input:
        "results/report.html",
    output:
        "results/ro-crate-metadata.json",
    log:
        "results/logs/crate/all.log",
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    params:
        configuration=CONFIG.model_dump_json(),
        checkout=workflow.basedir,
    shell:
        "exitwave crate --configuration {params.configuration:q}"
        " --checkout {params.checkout:q} --output {output:q} 2>&1 | tee {log:q}"
