# The published training logs and configs held against our recipe, at scales that have them. No training waits for it.


localrules:
    audit,


rule audit:
    input:
        checked("audit", f"runs/{SCALE}/{{run}}-published/audit.json"),
        fetched=[
            f"data/{SCALE}/archives/{kind}_{{run}}.json" for kind in ("log", "cfg")
        ],
        files=[
            ancient(f"data/{SCALE}/archives/{kind}_{{run}}") for kind in ("log", "cfg")
        ],
    output:
        audit=report(
            f"runs/{SCALE}/{{run}}-published/audit.json",
            caption="../report/audit.rst",
            category="Audits",
            labels={"run": "{run}", "what": "audit"},
        ),
        curve=f"runs/{SCALE}/{{run}}-published/curve.json",
    log:
        f"logs/{SCALE}/audit-{{run}}.log",
    benchmark:
        f"logs/{SCALE}/audit-{{run}}.tsv"
    conda:
        "../envs/pointrend.yaml"
    resources:
        mem_mb=1000,
    params:
        setting=lambda w: WANTED.audit_digest(w.run),
    shell:
        f"{POINTREND} audit {{wildcards.run}} --record"
