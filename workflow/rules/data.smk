# Archives and the prepared form of the datasets.


localrules:
    fetch,
    data,


rule fetch:
    input:
        checked("fetch", f"data/{SCALE}/archives/{{name}}.json"),
    output:
        manifest=f"data/{SCALE}/archives/{{name}}.json",
        files=directory(f"data/{SCALE}/archives/{{name}}"),
    log:
        f"logs/{SCALE}/fetch-{{name}}.log",
    benchmark:
        f"logs/{SCALE}/fetch-{{name}}.tsv"
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    params:
        source=lambda w: WANTED.fetch_digest(w.name),
    shell:
        f"{POINTREND} fetch {{wildcards.name}}"


rule prepare:
    input:
        checked("prepare", f"data/{SCALE}/{{dataset}}/manifest.json"),
        manifest=fetched_for("prepare", lambda w: w.dataset),
    output:
        manifest=f"data/{SCALE}/{{dataset}}/manifest.json",
        store=expand(f"data/{SCALE}/{{{{dataset}}}}/{{file}}", file=STORE_FILES),
    log:
        f"logs/{SCALE}/prepare-{{dataset}}.log",
    benchmark:
        f"logs/{SCALE}/prepare-{{dataset}}.tsv"
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=4000,
        cpus_per_task=2,
        slurm_extra=lambda w: WANTED.prepare_options(w.dataset),
    params:
        content=lambda w: WANTED.prepare_digest(w.dataset),
    shell:
        f"{POINTREND} prepare {{wildcards.dataset}}"


rule data:
    input:
        expand(rules.prepare.output, dataset=WANTED.datasets),
