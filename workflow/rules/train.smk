# Training.


rule train:
    input:
        records("train"),
    output:
        record=files("train")["record"],
        model=files("train")["model"],
        metrics=files("train")["metrics"],
        curve=report(
            files("train")["curve"],
            caption="../report/curve.rst",
            category="Runs",
            labels={"run": "{run}", "seed": "{seed}", "what": "training curve"},
        ),
    log:
        log_of("train"),
    benchmark:
        log_of("train", "tsv")
    group:
        SLURM.group
    conda:
        "../envs/pointrend.yaml"
    threads: threads
    resources:
        **{key: train_resource(key) for key in TRAIN_RESOURCES},
        mem_mb=lambda w: train_memory_mb(recipe(w)),
        slurm_extra=lambda w: SLURM.train_options(w.run, w.seed),
    params:
        follows=digest("train"),
    shell:
        command("train")


rule trained:
    input:
        rules.data.input,
        expand(rules.train.output, run=WANTED.runs, seed=WANTED.seeds),
    localrule: True
