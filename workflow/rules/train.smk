# Training. Big files are `ancient`: the small manifest beside them says whether they have changed.

MODEL = f"runs/{SCALE}/{{run}}-s{{seed}}/model.safetensors"


rule train:
    input:
        lambda w: PROJECT.training_inputs(w.run),
        store=lambda w: ancient(PROJECT.store_files(PROJECT.setting(w.run).dataset)),
        backbone=lambda w: ancient(
            f"data/{SCALE}/archives/backbone_{PROJECT.setting(w.run).backbone}"
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
        expand(rules.train.output.record, run=WANTED.runs, seed=WANTED.seeds),
    localrule: True
