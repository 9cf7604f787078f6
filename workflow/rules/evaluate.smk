# Scores on the val images.


rule evaluate:
    input:
        records("evaluate"),
        model=ancient(files("train")["model"]),
    output:
        metrics=report(
            files("evaluate")["metrics"],
            caption="../report/metrics.rst",
            category="Runs",
            labels={"run": "{run}", "seed": "{seed}", "what": "scores"},
        ),
        record=files("evaluate")["record"],
        counts=files("evaluate")["counts"],
        matrix=files("evaluate")["matrix"],
        pictures=report(
            directory(files("evaluate")["pictures"]),
            patterns=["{picture}.png"],
            caption="../report/pictures.rst",
            category="Pictures",
            subcategory="{run}",
            labels={"seed": "{seed}", "picture": "{picture}"},
        ),
    log:
        log_of("evaluate"),
    benchmark:
        log_of("evaluate", "tsv")
    group:
        SLURM.group
    conda:
        "../envs/pointrend.yaml"
    threads: threads
    resources:
        mem_mb=4000,
        gpu=lambda w: evaluate_gpus(recipe(w)),
        cpus_per_task=2,
        slurm_extra=lambda w: SLURM.options("evaluate", w.run, w.seed),
    params:
        follows=digest("evaluate"),
    shell:
        command("evaluate")


rule evaluate_released:
    input:
        records("evaluate_released"),
    output:
        metrics=report(
            files("evaluate_released")["metrics"],
            caption="../report/released.rst",
            category="Released weights",
            labels={"run": "{run}", "what": "scores"},
        ),
        record=files("evaluate_released")["record"],
        counts=files("evaluate_released")["counts"],
        matrix=files("evaluate_released")["matrix"],
        pictures=directory(files("evaluate_released")["pictures"]),
    log:
        log_of("evaluate_released"),
    benchmark:
        log_of("evaluate_released", "tsv")
    conda:
        "../envs/pointrend.yaml"
    threads: threads
    resources:
        mem_mb=4000,
        gpu=lambda w: evaluate_gpus(recipe(w)),
        cpus_per_task=2,
        slurm_extra=lambda w: SLURM.options("evaluate_released", w.run),
    params:
        follows=digest("evaluate_released"),
    shell:
        command("evaluate_released")


rule evaluated:
    input:
        rules.trained.input,
        expand(rules.evaluate.output, run=WANTED.runs, seed=WANTED.seeds),
    localrule: True
