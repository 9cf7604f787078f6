# Scores on the val pictures.


rule evaluate:
    input:
        checked("evaluate", f"runs/{SCALE}/{{run}}-s{{seed}}/evaluate.json"),
        train=rules.train.output.record,
        model=ancient(MODEL),
        data=data_of("evaluate"),
    output:
        metrics=report(
            f"runs/{SCALE}/{{run}}-s{{seed}}/metrics.json",
            caption="../report/metrics.rst",
            category="Runs",
            labels={"run": "{run}", "seed": "{seed}", "what": "scores"},
        ),
        scores=f"runs/{SCALE}/{{run}}-s{{seed}}/scores.json",
        record=f"runs/{SCALE}/{{run}}-s{{seed}}/evaluate.json",
        counts=f"runs/{SCALE}/{{run}}-s{{seed}}/confusion.parquet",
        pictures=report(
            directory(f"runs/{SCALE}/{{run}}-s{{seed}}/pictures"),
            patterns=["{picture}.png"],
            caption="../report/pictures.rst",
            category="Pictures",
            subcategory="{run}",
            labels={"seed": "{seed}", "picture": "{picture}"},
        ),
    log:
        f"logs/{SCALE}/evaluate-{{run}}-s{{seed}}.log",
    benchmark:
        f"logs/{SCALE}/evaluate-{{run}}-s{{seed}}.tsv"
    group:
        WANTED.group
    conda:
        "../envs/pointrend.yaml"
    threads: lambda w: PROJECT.setting(w.run).recipe.threads or workflow.cores or 1
    resources:
        mem_mb=4000,
        gpu=lambda w: WANTED.evaluate_gpus(w.run),
        cpus_per_task=2,
        slurm_extra=lambda w: WANTED.evaluate_options(w.run, w.seed),
    params:
        setting=lambda w: WANTED.evaluate_digest(w.run),
    shell:
        f"{POINTREND} evaluate {{wildcards.run}} --seed {{wildcards.seed}}"


rule evaluate_released:
    input:
        checked("evaluate_released", f"runs/{SCALE}/{{run}}-released/evaluate.json"),
        weights=fetched_for("evaluate_released", lambda w: f"released_{w.run}"),
        data=data_of("evaluate_released"),
    output:
        metrics=report(
            f"runs/{SCALE}/{{run}}-released/metrics.json",
            caption="../report/released.rst",
            category="Released weights",
            labels={"run": "{run}", "what": "scores"},
        ),
        scores=f"runs/{SCALE}/{{run}}-released/scores.json",
        record=f"runs/{SCALE}/{{run}}-released/evaluate.json",
        counts=f"runs/{SCALE}/{{run}}-released/confusion.parquet",
        pictures=directory(f"runs/{SCALE}/{{run}}-released/pictures"),
    log:
        f"logs/{SCALE}/evaluate-{{run}}-released.log",
    benchmark:
        f"logs/{SCALE}/evaluate-{{run}}-released.tsv"
    conda:
        "../envs/pointrend.yaml"
    threads: lambda w: PROJECT.setting(w.run).recipe.threads or workflow.cores or 1
    resources:
        mem_mb=4000,
        gpu=lambda w: WANTED.evaluate_gpus(w.run),
        cpus_per_task=2,
        slurm_extra=lambda w: WANTED.evaluate_released_options(w.run),
    params:
        setting=lambda w: WANTED.evaluate_released_digest(w.run),
    shell:
        f"{POINTREND} evaluate {{wildcards.run}} --released"


rule evaluated:
    input:
        rules.trained.input,
        expand(rules.evaluate.output, run=WANTED.runs, seed=WANTED.seeds),
    localrule: True
