# results.json, the pages, what is sent to MLflow, and a target for every run: `snakemake --cores all voc_r50`.


localrules:
    compare,
    report,
    track,


rule compare:
    input:
        records("compare"),
        metrics=expand(
            rules.evaluate.output.metrics, run=WANTED.runs, seed=WANTED.seeds
        ),
        released=expand(rules.evaluate_released.output.metrics, run=WANTED.released),
        records=expand(rules.evaluate.output.record, run=WANTED.runs, seed=WANTED.seeds),
        audits=expand(rules.audit.output, run=WANTED.audited),
        published=[
            path for path in STAGES["compare"].reads if path.startswith("published")
        ],
    output:
        report(
            files("compare")["results"],
            caption="../report/results.rst",
            category="Results",
            labels={"what": "figures and hashes"},
        ),
    log:
        log_of("compare"),
    benchmark:
        log_of("compare", "tsv")
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    params:
        follows=digest("compare"),
    shell:
        WANTED.compare_command()


rule report:
    input:
        records("report"),
        metrics=rules.compare.input.metrics,
        curves=expand(rules.train.output.curve, run=WANTED.runs, seed=WANTED.seeds),
        # results.json has their hashes, so their time stamps do not matter.
        pictures=ancient(
            expand(rules.evaluate.output.pictures, run=WANTED.runs, seed=WANTED.seeds)
        ),
    output:
        readme=report(
            files("report")["readme"],
            caption="../report/table.rst",
            category="Results",
            labels={"what": "tables"},
        ),
        page=report(
            files("report")["page"],
            caption="../report/page.rst",
            category="Results",
            labels={"what": "page"},
        ),
        table=files("report")["table"],
        classes=files("report")["classes"],
        miou=files("report")["miou"],
    log:
        log_of("report"),
    benchmark:
        log_of("report", "tsv")
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    params:
        follows=digest("report"),
    shell:
        command("report")


rule track:
    input:
        rules.compare.output,
        rules.report.output,
    output:
        files("track")["sent"],
    log:
        log_of("track"),
    benchmark:
        log_of("track", "tsv")
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    params:
        follows=digest("track"),
    shell:
        command("track")


# The results that need no training. Both commands read runs/, whichever engine wrote it.
rule released:
    input:
        expand(rules.evaluate_released.output, run=WANTED.released),
    log:
        rules.compare.log,
        rules.report.log,
    localrule: True
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    shell:
        # One command, because the prefix begins it with `exec`.
        f"bash -c {shlex.quote(f'{WANTED.compare_command()} && {POINTREND} report')}"


for run in WANTED.runs:

    rule:
        name:
            run
        input:
            files_of([run]),
        localrule: True
