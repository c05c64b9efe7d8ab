# Draw the figures and explain everything in one page. The style of figures and the text of the report
# have versions of their own, so that a change of either reruns nothing else. All take seconds, and on a
# cluster stay where snakemake runs.
rule plot_dataset:
    input:
        epochs=ask.shown_epochs,
    output:
        directory(ask.path(layout.DATASET_FIGURES)),
    log:
        ask.log("plot_dataset", "{dataset}"),
    benchmark:
        ask.benchmark("plot_dataset", "{dataset}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        version=ALGORITHM_VERSIONS["plot"],
    shell:
        "exitwave plot dataset {input.epochs:q} --output {output:q} 2>&1 | tee {log:q}"


rule plot_network:
    input:
        history=rules.train_network.output.history,
        training=rules.train_network.output.training,
    output:
        directory(ask.path(layout.NETWORK_FIGURES)),
    log:
        ask.log("plot_network", "{network}"),
    benchmark:
        ask.benchmark("plot_network", "{network}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        version=ALGORITHM_VERSIONS["plot"],
    shell:
        "exitwave plot network results/networks/{wildcards.network} --output {output:q}"
        " 2>&1 | tee {log:q}"


rule plot_evaluation:
    input:
        samples=rules.evaluate_network.output.samples,
        summary=rules.evaluate_network.output.summary,
        examples=rules.evaluate_network.output.examples,
    output:
        directory(ask.path(layout.EVALUATION_FIGURES)),
    log:
        ask.log("plot_evaluation", "{network}.{dataset}"),
    benchmark:
        ask.benchmark("plot_evaluation", "{network}.{dataset}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        version=ALGORITHM_VERSIONS["plot"],
    shell:
        "exitwave plot evaluation results/evaluations/{wildcards.network}/{wildcards.dataset}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule plot_refinement:
    input:
        samples=rules.refine_samples.output.samples,
        examples=rules.refine_samples.output.examples,
    output:
        directory(ask.path(layout.REFINEMENT_FIGURES)),
    log:
        ask.log("plot_refinement", "{network}.{dataset}"),
    benchmark:
        ask.benchmark("plot_refinement", "{network}.{dataset}")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        version=ALGORITHM_VERSIONS["plot"],
    shell:
        "exitwave plot refinement"
        " results/evaluations/{wildcards.network}/{wildcards.dataset}/refinement"
        " --output {output:q} 2>&1 | tee {log:q}"


# All evaluations in one figure, as in Figs. 4 and 6 of the paper.
rule plot_comparison:
    input:
        samples=ask.evaluation_samples,
        summaries=ask.evaluation_summaries,
    output:
        directory(ask.path(layout.OVERVIEW)),
    log:
        ask.log("plot_comparison", "all"),
    benchmark:
        ask.benchmark("plot_comparison", "all")
    localrule: True
    conda:
        ENVIRONMENT
    params:
        version=ALGORITHM_VERSIONS["plot"],
        folders=ask.evaluations,
        labels=ask.evaluation_labels,
    shell:
        "exitwave plot comparison {params.folders:q} --labels {params.labels:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


# What a data set is and how to load it, beside its files.
rule dataset_card:
    input:
        stores=stores,
        epochs=ask.all_epochs,
    output:
        ask.path(layout.CARD),
    log:
        ask.log("dataset_card", "{dataset}"),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        spec=ask.card_spec,
    shell:
        "exitwave card --spec {params.spec:q} --dataset {wildcards.dataset} --results results"
        " --output {output:q} {input.epochs:q} 2>&1 | tee {log:q}"


rule report:
    input:
        unpack(ask.report_inputs),
    output:
        ask.path(layout.REPORT),
    log:
        ask.log("report", "all"),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        spec=ask.report_spec,
    shell:
        "exitwave report --spec {params.spec:q} --results results --output {output:q}"
        " 2>&1 | tee {log:q}"
