# Archives and the prepared form of the datasets.


localrules:
    fetch,
    data,


rule fetch:
    input:
        records("fetch"),
    output:
        manifest=files("fetch")["manifest"],
        files=directory(files("fetch")["files"]),
    log:
        log_of("fetch"),
    benchmark:
        log_of("fetch", "tsv")
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    params:
        follows=digest("fetch"),
    shell:
        command("fetch")


rule prepare:
    input:
        records("prepare"),
    output:
        files("prepare").values(),
    log:
        log_of("prepare"),
    benchmark:
        log_of("prepare", "tsv")
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=4000,
        cpus_per_task=2,
        slurm_extra=lambda w: SLURM.options("prepare", w.dataset),
    params:
        follows=digest("prepare"),
    shell:
        command("prepare")


rule data:
    input:
        expand(rules.prepare.output, dataset=WANTED.datasets),
