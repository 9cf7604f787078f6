# results.json, the pages, and a target for every run: `snakemake --cores all voc_r50`.


localrules:
    compare,
    report,


rule compare:
    input:
        metrics=expand(
            rules.evaluate.output.metrics, run=WANTED.runs, seed=WANTED.seeds
        ),
        records=expand(rules.evaluate.output.record, run=WANTED.runs, seed=WANTED.seeds),
        audits=expand(rules.audit.output, run=WANTED.audited),
        published=["published/pointrend_table.json", "published/recipe.json"],
    output:
        f"results/{SCALE}/results.json",
    log:
        f"logs/{SCALE}/compare.log",
    benchmark:
        f"logs/{SCALE}/compare.tsv"
    resources:
        mem_mb=1000,
    params:
        rule=WANTED.compare_digest(),
    shell:
        WANTED.compare_command()


rule report:
    input:
        rules.compare.output,
    output:
        readme=f"results/{SCALE}/README.md",
        page=f"results/{SCALE}/index.html",
    log:
        f"logs/{SCALE}/report.log",
    benchmark:
        f"logs/{SCALE}/report.tsv"
    resources:
        mem_mb=1000,
    params:
        page=WANTED.report_digest(),
    shell:
        f"{POINTREND} report"


for run in WANTED.runs:

    rule:
        name:
            run
        input:
            expand(rules.evaluate.output.metrics, run=run, seed=WANTED.seeds),
        localrule: True
