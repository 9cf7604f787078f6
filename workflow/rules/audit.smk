# The published training logs and configs compared with our recipe, at scales that have them. No training waits for it.


localrules:
    audit,


rule audit:
    input:
        records("audit"),
    output:
        audit=report(
            files("audit")["audit"],
            caption="../report/audit.rst",
            category="Audits",
            labels={"run": "{run}", "what": "audit"},
        ),
        curve=files("audit")["curve"],
    log:
        log_of("audit"),
    benchmark:
        log_of("audit", "tsv")
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    params:
        follows=digest("audit"),
    shell:
        command("audit")
