"""``results/<scale>/index.html``: the report as a single page that needs no other file and no network.

The markup is in ``templates/``; whatever is filled in there is escaped, a plot as JSON.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pointrend.results import tables
from pointrend.results.page.carried import Carried
from pointrend.results.page.charts import library, score_charts
from pointrend.results.page.classes import class_tables, matrices
from pointrend.results.page.curves import curves
from pointrend.results.page.sections import cards, gallery, plans
from pointrend.results.published import Published
from pointrend.settings.definition import DEMO

# CSS class by verdict; any other verdict is neutral
VERDICT_STYLES = {
    "not run": "pending",
    "not comparable": "aside",
    **dict.fromkeys(("insufficient", "consistent", "close"), "neutral"),
    **dict.fromkeys(("reproduced", "matches"), "good"),
    **dict.fromkeys(("below", "above", "differs", "unverified"), "bad"),
}


def render_page(results: Mapping[str, Any], published: Published, carried: Carried) -> str:
    """The whole results/<scale>/index.html.

    ``carried`` are the files of the runs that it shows, see :mod:`pointrend.results.page.carried`.

    Raises:
        CheckFailed: a carried file is not of its form.
    """
    scale, style = results["scale"], asset("style.css")
    scores, losses = score_charts(results), curves(results, published, carried)
    confusions = matrices(results, carried)
    scripts = [*([library()] if scores or losses or confusions else []), asset("script.js")]
    allowed = " ".join(f"'{digest(script)}'" for script in scripts)
    explained = tables.explained_tables(results, published)
    sources = [("results.json", "", results["sha256"]), (published.file, "", published.sha256), *plans(results)]
    sections = {
        "results": ("Results", cards(results, published, carried)),
        "published": (
            tables.of_theirs(scale, "Beside the published numbers"),
            tables.result_tables(results, published),
        ),
        **{name: (table.heading, table) for name, table in explained.items()},
        "curves": ("Training curves", losses),
        "classes": ("IoU per class", class_tables(results, published, carried)),
        "confusion": ("Confusion", confusions),
        "pictures": ("Images", gallery(results, carried)),
        "provenance": ("Evidence", sources),
    }
    return (
        environment()
        .get_template("page.html")
        .render(
            title=f"PointRend: results at scale {scale}",
            headline=tables.headline_sentence(results),
            comparable=tables.comparable(results),
            scale_sentence=tables.scale_sentence(results),
            sections={name: section for name, section in sections.items() if section[1]},
            theirs=tables.of_theirs(scale, "published").capitalize(),
            verdict_sentences=tables.verdict_sentences(results),
            reasons=tables.reason_lines(results),
            score_charts=scores,
            columns_sentence=tables.columns_sentence(results),
            stride_sentence="" if scale == DEMO else tables.STRIDE_SENTENCE,
            files_sentence=tables.files_sentence(results),
            links=(published.paper, *published.links),
            bibtex=published.bibtex,
            style=style,
            scripts=scripts,
            # Nothing may be loaded, and no other style or script may act, whatever a name in the results holds.
            policy=f"default-src 'none'; img-src data:; style-src '{digest(style)}'; script-src {allowed};"
            " base-uri 'none'; form-action 'none'",
        )
    )


@cache
def environment() -> Environment:
    """The templates of the page."""
    loader = PackageLoader("pointrend.results.page")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.globals |= {"percent": tables.percent, "verdict_styles": VERDICT_STYLES}
    made.tests["hash"] = lambda value: re.fullmatch(r"[0-9a-f]{40,64}", str(value)) is not None
    return made


@cache
def asset(name: str) -> str:
    """The style or the script of the page."""
    return "\n" + files("pointrend.results.page").joinpath(name).read_text(encoding="utf-8")


def digest(content: str) -> str:
    """How a Content-Security-Policy names a style or script that may act."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
