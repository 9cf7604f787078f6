# Training.

MODEL = f"runs/{SCALE}/{{run}}-s{{seed}}/model.safetensors"


rule train:
    input:
        checked("train", f"runs/{SCALE}/{{run}}-s{{seed}}/train.json"),
        data=data_of("train"),
        backbone=fetched_for(
            "train", lambda w: f"backbone_{PROJECT.setting(w.run).backbone}"
        ),
    output:
        record=f"runs/{SCALE}/{{run}}-s{{seed}}/train.json",
        model=MODEL,
        metrics=f"runs/{SCALE}/{{run}}-s{{seed}}/metrics.jsonl",
        curve=report(
            f"runs/{SCALE}/{{run}}-s{{seed}}/curve.csv",
            caption="../report/curve.rst",
            category="Runs",
            labels={"run": "{run}", "seed": "{seed}", "what": "training curve"},
        ),
    log:
        f"logs/{SCALE}/train-{{run}}-s{{seed}}.log",
    benchmark:
        f"logs/{SCALE}/train-{{run}}-s{{seed}}.tsv"
    group:
        WANTED.group
    conda:
        "../envs/pointrend.yaml"
    threads: lambda w: PROJECT.setting(w.run).recipe.threads or workflow.cores or 1
    resources:
        **{key: train_resource(key) for key in TRAIN_RESOURCES},
        mem_mb=lambda w: WANTED.train_memory_mb(w.run),
        slurm_extra=lambda w: WANTED.train_options(w.run, w.seed),
    params:
        setting=lambda w: WANTED.train_digest(w.run),
    shell:
        f"{POINTREND} train {{wildcards.run}} --seed {{wildcards.seed}}"


rule trained:
    input:
        rules.data.input,
        expand(rules.train.output, run=WANTED.runs, seed=WANTED.seeds),
    localrule: True
