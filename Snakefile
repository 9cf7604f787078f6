# Six PointRend runs, from archives to results tables. See README.md; params.yaml defines what is computed.

from snakemake.utils import min_version

min_version("9.0")


# What `snakemake --report build/report.html` begins with.
report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/results.smk"


rule all:
    default_target: True
    input:
        rules.compare.output,
        rules.report.output,
        rules.track.output,
        files_of(WANTED.runs),
        expand(rules.evaluate_released.output, run=WANTED.released),
        expand(rules.audit.output, run=WANTED.audited),
        expand(rules.fetch.output, name=WANTED.published),
    message:
        f"all results of scale {SCALE} are made"
