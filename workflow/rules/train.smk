# Train one network on the epochs of its data set. The checkpoints are no output, so they survive
# the deletion of a job's outputs, and a killed training goes on where it was.
rule train_network:
    input:
        training=training_epochs,
        validation=validation_epochs,
    output:
        model=ensure("results/networks/{network}/model.keras", non_empty=True),
        network="results/networks/{network}/network.json",
        history="results/networks/{network}/history.csv",
        training="results/networks/{network}/training.json",
    log:
        "results/logs/train/{network}.log",
    benchmark:
        "results/benchmarks/train/{network}.tsv"
    conda:
        "../../envs/exitwave.yaml"
    threads: 16
    resources:
        gpu=0,
    params:
        spec=train_spec,
    shell:
        "exitwave train --spec {params.spec:q} --training {input.training:q}"
        " --validation {input.validation:q} --output results/networks/{wildcards.network}"
        " --gpu {resources.gpu} 2>&1 | tee {log:q}"
