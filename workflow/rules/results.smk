# results.json, the pages, what MLflow is told, and a target for every run: `snakemake --cores all voc_r50`.


localrules:
    compare,
    report,
    track,


rule compare:
    input:
        checked("compare", f"results/{SCALE}/results.json"),
        metrics=expand(
            rules.evaluate.output.metrics, run=WANTED.runs, seed=WANTED.seeds
        ),
        released=expand(rules.evaluate_released.output.metrics, run=WANTED.released),
        records=expand(rules.evaluate.output.record, run=WANTED.runs, seed=WANTED.seeds),
        audits=expand(rules.audit.output, run=WANTED.audited),
        published=[
            "published/pointrend_table.json",
            "published/definition.json",
            "published/code.json",
        ],
    output:
        report(
            f"results/{SCALE}/results.json",
            caption="../report/results.rst",
            category="Results",
            labels={"what": "figures and hashes"},
        ),
    log:
        f"logs/{SCALE}/compare.log",
    benchmark:
        f"logs/{SCALE}/compare.tsv"
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    params:
        rule=WANTED.compare_digest(),
    shell:
        WANTED.compare_command()


rule report:
    input:
        checked("report", f"results/{SCALE}/README.md"),
        results=rules.compare.output,
        metrics=rules.compare.input.metrics,
        curves=expand(rules.train.output.curve, run=WANTED.runs, seed=WANTED.seeds),
        # Their hashes stand in results.json, so that they need no time stamps.
        pictures=ancient(
            expand(rules.evaluate.output.pictures, run=WANTED.runs, seed=WANTED.seeds)
        ),
    output:
        readme=report(
            f"results/{SCALE}/README.md",
            caption="../report/table.rst",
            category="Results",
            labels={"what": "tables"},
        ),
        page=report(
            f"results/{SCALE}/index.html",
            caption="../report/page.rst",
            category="Results",
            labels={"what": "page"},
        ),
    log:
        f"logs/{SCALE}/report.log",
    benchmark:
        f"logs/{SCALE}/report.tsv"
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    params:
        page=WANTED.report_digest(),
    shell:
        f"{POINTREND} report"


rule track:
    input:
        rules.compare.output,
        rules.report.output,
    output:
        f"logs/{SCALE}/tracked.json",
    log:
        f"logs/{SCALE}/track.log",
    benchmark:
        f"logs/{SCALE}/track.tsv"
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    params:
        setting=WANTED.track_digest(),
    shell:
        f"{POINTREND} track sync"


# What can be said without any training. Both commands take what lies in runs/, whoever made it.
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
