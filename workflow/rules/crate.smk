# Describe a finished run as an RO-Crate, for an archive. No part of `all`: `snakemake crate`.
rule crate:
    input:
        rules.report.output,
    output:
        ask.path(layout.CRATE),
    log:
        ask.log("crate", "all"),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        configuration=ask.configuration,
        checkout=ask.checkout,
    shell:
        "exitwave crate --configuration {params.configuration:q}"
        " --checkout {params.checkout:q} --output {output:q} 2>&1 | tee {log:q}"
