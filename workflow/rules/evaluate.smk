# Scores on the val pictures.


rule evaluate:
    input:
        train=rules.train.output.record,
        data=lambda w: PROJECT.relative(
            PROJECT.manifest(PROJECT.setting(w.run).dataset)
        ),
        model=ancient(MODEL),
        store=lambda w: ancient(PROJECT.store_files(PROJECT.setting(w.run).dataset)),
    output:
        metrics=f"runs/{SCALE}/{{run}}-s{{seed}}/metrics.json",
        scores=f"runs/{SCALE}/{{run}}-s{{seed}}/scores.json",
        counts=f"runs/{SCALE}/{{run}}-s{{seed}}/confusion.parquet",
        pictures=directory(f"runs/{SCALE}/{{run}}-s{{seed}}/pictures"),
    log:
        f"logs/{SCALE}/evaluate-{{run}}-s{{seed}}.log",
    benchmark:
        f"logs/{SCALE}/evaluate-{{run}}-s{{seed}}.tsv"
    threads: lambda w: PROJECT.setting(w.run).recipe.threads or workflow.cores or 1
    group:
        WANTED.group
    resources:
        mem_mb=4000,
        gpu=lambda w: WANTED.evaluate_gpus(w.run),
        cpus_per_task=2,
        slurm_extra=lambda w: WANTED.evaluate_options(w.run, w.seed),
    params:
        setting=lambda w: WANTED.evaluate_digest(w.run),
    shell:
        f"{POINTREND} evaluate {{wildcards.run}} --seed {{wildcards.seed}}"


rule evaluated:
    input:
        expand(rules.evaluate.output.metrics, run=WANTED.runs, seed=WANTED.seeds),
    localrule: True
