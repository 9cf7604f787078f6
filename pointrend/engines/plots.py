"""A page around DVC's plots that needs no network: the drawing library comes from Snakemake's installation."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pointrend.files import write_text

SCRIPTS = ("vega/vega.js", "vega-lite/vega-lite.js", "vega-embed/vega-embed.js")
"""In this order; each builds on the one before it."""


def write_template(path: Path) -> None:
    """Write the page for ``dvc plots show --html-template``; DVC puts its plots where ``{plot_divs}`` stands."""
    assets = files("snakemake") / "assets" / "data"
    scripts = "\n".join(f"<script>{(assets / name).read_text(encoding='utf-8')}</script>" for name in SCRIPTS)
    head = f'<meta charset="utf-8"><title>Training curves</title>\n{scripts}'
    write_text(path, f"<!DOCTYPE html>\n<html><head>{head}</head>\n<body>{{plot_divs}}</body></html>\n")
