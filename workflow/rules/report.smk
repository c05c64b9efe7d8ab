# Draw the figures and explain everything in one page. The style of figures and the text of the report
# have versions of their own, so that a change of either reruns nothing else. All take seconds, and on a
# cluster stay where snakemake runs.
rule plot_dataset:
    input:
        epochs=shown_epochs,
    output:
        directory("results/{dataset}/figures"),
    log:
        "results/logs/plot_dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/plot_dataset/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    params:
        version=specs.ALGORITHM_VERSIONS["plot"],
    shell:
        "exitwave plot dataset {input.epochs:q} --output {output:q} 2>&1 | tee {log:q}"


rule plot_network:
    input:
        history="results/networks/{network}/history.csv",
        training="results/networks/{network}/training.json",
    output:
        directory("results/networks/{network}/figures"),
    log:
        "results/logs/plot_network/{network}.log",
    benchmark:
        "results/benchmarks/plot_network/{network}.tsv"
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    params:
        version=specs.ALGORITHM_VERSIONS["plot"],
    shell:
        "exitwave plot network results/networks/{wildcards.network} --output {output:q}"
        " 2>&1 | tee {log:q}"


rule plot_evaluation:
    input:
        samples="results/evaluations/{network}/{dataset}/samples.csv",
        summary="results/evaluations/{network}/{dataset}/summary.json",
        examples="results/evaluations/{network}/{dataset}/examples.npz",
    output:
        directory("results/evaluations/{network}/{dataset}/figures"),
    log:
        "results/logs/plot_evaluation/{network}.{dataset}.log",
    benchmark:
        "results/benchmarks/plot_evaluation/{network}.{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    params:
        version=specs.ALGORITHM_VERSIONS["plot"],
    shell:
        "exitwave plot evaluation results/evaluations/{wildcards.network}/{wildcards.dataset}"
        " --output {output:q} 2>&1 | tee {log:q}"


# All evaluations in one figure, as in Figs. 4 and 6 of the paper.
rule plot_comparison:
    input:
        samples=[f"{folder}/samples.csv" for folder in EVALUATIONS],
        summaries=[f"{folder}/summary.json" for folder in EVALUATIONS],
    output:
        directory("results/comparison"),
    log:
        "results/logs/plot_comparison/all.log",
    benchmark:
        "results/benchmarks/plot_comparison/all.tsv"
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    params:
        version=specs.ALGORITHM_VERSIONS["plot"],
        folders=EVALUATIONS,
        labels=[entry.label or name for name, entry in CONFIG.evaluations.items()],
    shell:
        "exitwave plot comparison {params.folders:q} --labels {params.labels:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


# What a data set is and how to load it, beside its files.
rule dataset_card:
    input:
        stores=stores,
        epochs=card_epochs,
    output:
        "results/{dataset}/README.md",
    log:
        "results/logs/dataset_card/{dataset}.log",
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    params:
        spec=card_spec,
    shell:
        "exitwave card --spec {params.spec:q} --dataset {wildcards.dataset} --results results"
        " --output {output:q} {input.epochs:q} 2>&1 | tee {log:q}"


rule report:
    input:
        epochs=[
            path
            for name in CONFIG.datasets
            for path in results(layout.all_epochs(CONFIG, name))
        ],
        datasets=[f"results/{name}/figures" for name in CONFIG.datasets],
        cards=[f"results/{name}/README.md" for name in CONFIG.datasets],
        networks=[f"results/networks/{name}/figures" for name in CONFIG.networks],
        evaluations=[f"{folder}/figures" for folder in EVALUATIONS],
        comparison="results/comparison" if EVALUATIONS and not CONFIG.figures else [],
        ensembles=results(
            layout.ensemble(name) / "summary.json" for name in CONFIG.ensembles
        ),
        comparisons=[
            file
            for name in CONFIG.comparisons
            for file in results(
                [
                    layout.comparison(name) / "summary.json",
                    layout.comparison(name) / "examples.npz",
                ]
            )
        ],
        figures=results(layout.figure(name) for name in CONFIG.figures),
    output:
        "results/report.html",
    log:
        "results/logs/report/all.log",
    localrule: True
    conda:
        "../../envs/exitwave.yaml"
    params:
        spec=specs.report_spec(CONFIG),
    shell:
        "exitwave report --spec {params.spec:q} --results results --output {output:q}"
        " 2>&1 | tee {log:q}"
