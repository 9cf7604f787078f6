"""`snakemake --report` on a tiny checkout in which everything has run: what it holds, and that it needs no network."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

# Python imports a module of the name sitecustomize before anything else.
NO_NETWORK = """
import socket

def refuse(self, address):
    raise OSError(f"no network in this test: {address}")

socket.socket.connect = socket.socket.connect_ex = refuse
"""


@pytest.fixture(scope="module")
def page(by_snakemake, tmp_path_factory):
    """The report, made where no connection can be opened."""
    checkout = by_snakemake.copy(tmp_path_factory.mktemp("report") / "pointrend")
    (checkout.root / "sitecustomize.py").write_text(NO_NETWORK)
    (checkout.root / "build").mkdir()
    checkout.run("snakemake", "--report", "build/report.html")
    return (checkout.root / "build/report.html").read_text()


def embedded(page: str, name: str) -> Any:
    _, _, rest = page.partition(f'<script id="{name.replace("_", "-")}">')
    return json.JSONDecoder().raw_decode(rest.partition(f"var {name} = ")[2])[0]


def test_the_report_shows_results_scores_curves_and_pictures_with_captions(page, by_snakemake):
    shown: dict[str, dict[str, Any]] = embedded(page, "results")
    pages = {f"results/demo/{name}" for name in ("results.json", "README.md", "index.html")}
    runs = {f"runs/demo/{run}-s0/{name}" for run in ("voc_r50", "voc_r101") for name in ("metrics.json", "curve.csv")}
    root = by_snakemake.root
    pictures = [str(path.relative_to(root)) for path in sorted(root.glob("runs/demo/*/pictures/*.png"))]
    assert len(pictures) >= 2
    assert set(shown) == pages | runs | set(pictures)
    for name, result in shown.items():
        assert result["data_uri"].startswith("data:"), name
        assert result["caption"].startswith("<p>"), name
    scores = shown["runs/demo/voc_r50-s0/metrics.json"]
    assert "Scores of voc_r50, seed 0, on the validation images" in scores["caption"]
    labels = {"run": "voc_r101", "seed": "0", "what": "training curve"}
    assert shown["runs/demo/voc_r101-s0/curve.csv"]["labels"] == labels
    assert shown[pictures[-1]]["labels"] == {"seed": "0", "picture": Path(pictures[-1]).stem}


def test_the_report_begins_with_the_results_and_loads_nothing_from_elsewhere(page, by_snakemake):
    first = embedded(page, "workflow_desc")
    assert "figures cannot be compared with the published ones" in " ".join(first.split())
    for miou in json.loads((by_snakemake.root / "results/demo/metrics.json").read_text()).values():
        assert f"{miou:.2f}%</td>" in first
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=\"?(https?:)?//", page)
