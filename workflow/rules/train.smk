# Train one network on the epochs of its data set. The checkpoints are no output, so they survive
# the deletion of a job's outputs, and a killed training goes on where it was.
rule train_network:
    input:
        training=ask.training_epochs,
        validation=ask.validation_epochs,
    output:
        model=ensure(ask.path(layout.MODEL), non_empty=True),
        network=ask.path(layout.DESCRIPTION),
        history=ask.path(layout.NETWORK, "history.csv"),
        training=ask.path(layout.NETWORK, "training.json"),
    log:
        ask.log("train", "{network}"),
    benchmark:
        ask.benchmark("train", "{network}")
    conda:
        ENVIRONMENT
    threads: 16
    resources:
        gpu=0,
    params:
        spec=ask.train_spec,
    shell:
        "exitwave train --spec {params.spec:q} --training {input.training:q}"
        " --validation {input.validation:q} --output results/networks/{wildcards.network}"
        " --gpu {resources.gpu} 2>&1 | tee {log:q}"
