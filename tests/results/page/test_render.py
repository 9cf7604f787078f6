from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

import pytest

from pointrend.files import canonical_json
from pointrend.results.compare import compare
from pointrend.results.page.render import VERDICT_STYLES, environment, render_page
from pointrend.results.tables import VERDICT_SENTENCES
from tests.results.pages import PageReader, page_of
from tests.results.runs import ASSUMED, PICTURES, RUNS, finish, published, results_of, selected, sheet


def test_the_page_is_whole_and_needs_nothing_beside_it(tmp_path: Path) -> None:
    page = PageReader(page_of(results_of(tmp_path), tmp_path))
    assert page.open == []
    assert not {"link", "iframe", "object", "base"} & set(page.tags)
    assert [base64.b64decode(source.partition("base64,")[2]) for source in page.pictures] == list(PICTURES.values())
    assert all(source.startswith("data:image/png;base64,") for source in page.pictures)


def test_every_style_and_script_has_its_hash_in_the_policy(tmp_path: Path) -> None:
    page = page_of(results_of(tmp_path), tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    for tag, count in (("style", 1), ("script", 2)):
        contents = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in contents]
        allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
        assert len(digests) == count
        assert f"{tag}-src {allowed};" in html.unescape(policy[1])
    assert html.unescape(policy[1]).startswith("default-src 'none'; img-src data:;")
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "style=" not in markup
    assert not re.search(r" on\w+=", markup)


def test_the_page_lists_every_hash(tmp_path: Path) -> None:
    results = results_of(tmp_path)
    page = PageReader(page_of(results, tmp_path))
    rows = [row for row in page.rows if len(row) == 2 and row != ["What", "sha256"]]
    assert rows == [[name, value] for row in results["runs"] for name, value in sorted(row["hashes"].items())]


def test_the_plan_of_the_seeds_is_shown_with_its_time_and_hash(tmp_path: Path) -> None:
    results = results_of(tmp_path)
    plan = {"seeds": [2, 0], "sha256": "a1" * 32, "time": "12:00 UTC", "starts": 3, "last": "", "other": 2}
    results["runs"][0]["sealed"] = plan
    page = page_of(results, tmp_path)
    words = "2, 0, planned at 12:00 UTC; starts since then: 3; trained with other settings, data or code: 2"
    assert f"<dt>seeds of {results['runs'][0]['run']}</dt><dd>{words} times" in page
    assert "a1" * 32 in page


def test_sections_are_those_that_have_something_to_show(tmp_path: Path) -> None:
    everything = ["results", "published", "certainty", "refinement", "curves", "classes", "confusion"]
    everything += ["pictures", "provenance"]
    assert re.findall(r'<section id="(\w+)"', page_of(results_of(tmp_path), tmp_path)) == everything
    nothing = [selected(tmp_path / "no", run, fingerprint="") for run in RUNS]
    page = page_of(compare("paper", nothing, published(), ASSUMED), tmp_path)
    assert re.findall(r'<section id="(\w+)"', page) == ["results", "published", "independent", "provenance"]
    assert page.count("Nothing has been made for this row yet.") == 6


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script> & \"q\""
    results = results_of(tmp_path, evil, [evil])
    facts = {"id": evil, "index": 0, "miou": None, "shown_as": ["best"], "bytes": 3}
    row = results["runs"][0]
    row |= {"pictures": {f"{evil}.png": facts}, "verdict": evil, "provenance": {evil: {evil: evil}}}
    row["hashes"] = {f"pictures/{evil}.png": "0" * 64, evil: "1" * 64}
    rendered = render_page(results, published(), {f"voc_r50-s0/pictures/{evil}.png": sheet(0)})
    page = PageReader(rendered)
    assert page.open == []
    assert page.tags.count("script") == 3
    assert rendered.count(evil) == 0
    assert sum(evil in cell for row in page.rows for cell in row) >= 3


def test_others_figures_are_beside_the_published_ones(tmp_path: Path) -> None:
    results = results_of(tmp_path, "paper", ())
    page = PageReader(page_of(results, tmp_path))
    rows = [row for row in page.rows if row[2:4] == ["detectron2", "78.9%"]]
    assert [row[:2] for row in rows] == [["cityscapes_r101", "78.80%"]]
    assert {one.url for one in published().independent} < set(page.links)
    assert "78.9" not in canonical_json(results)


def test_every_verdict_is_coloured() -> None:
    assert set(VERDICT_SENTENCES) <= set(VERDICT_STYLES)


def test_a_provenance_of_any_shape_is_shown() -> None:
    machine = {"cores": 8, "cuda": None, "gpus": ["H100", "H100"], "synchronised": True, "half": False}
    parts = environment().get_template("parts.html").module
    shown = parts.nested({"lock": "a" * 64, "machine": machine, "<rule>": 0.5, "notes": []})
    assert shown == (
        f'<dl><dt>lock</dt><dd><code class="hash">{"a" * 64}</code></dd><dt>machine</dt><dd><dl>'
        "<dt>cores</dt><dd>8</dd><dt>cuda</dt><dd>–</dd><dt>gpus</dt><dd>H100, H100</dd>"
        "<dt>synchronised</dt><dd>yes</dd><dt>half</dt><dd>no</dd></dl></dd>"
        "<dt>&lt;rule&gt;</dt><dd>0.5</dd><dt>notes</dt><dd>–</dd></dl>"
    )


def test_provenance_is_shown_where_there_is_one(tmp_path: Path) -> None:
    results = results_of(tmp_path)
    for number, row in enumerate(results["runs"]):
        row["provenance"] = {"batch_norm": "synchronised"} if number == 1 else None
    assert page_of(results, tmp_path).count("<dt>batch_norm</dt><dd>synchronised</dd>") == 1


def test_absent_classes_are_named_below_the_table(tmp_path: Path) -> None:
    page = page_of(results_of(tmp_path), tmp_path)
    assert "<caption>PASCAL VOC 2012, ResNet-50 (seed 0): 2 classes, 1 absent</caption>" in page
    rows = [row for row in PageReader(page).rows if row[0] in ("background", "aeroplane", "bicycle") and len(row) > 3]
    assert rows[:2] == [["background", "72.73%", "−0.27", "75.00%"], ["bicycle", "25.00%", "+5.00", "–"]]
    assert not [row for row in rows if row[0] == "aeroplane"]
    assert page.count("Absent: aeroplane.") == 4


def test_the_demo_compares_the_iou_with_the_original(tmp_path: Path) -> None:
    run = selected(tmp_path)
    finish(run)
    page = PageReader(page_of(compare("demo", [run], published("demo"), ASSUMED), tmp_path))
    assert ["Class", "IoU", "Minus original", "Gain", "Pixels"] in page.rows
    assert ["background", "72.73%", "−22.58", "−0.27", "75.00%"] in page.rows


@pytest.mark.parametrize("pictures", [1, 2])
def test_pictures_say_which_they_are(pictures: int, tmp_path: Path) -> None:
    run = selected(tmp_path)
    finish(run, dict(list(PICTURES.items())[:pictures]))
    page = page_of(compare("paper", [run], published(), ASSUMED), tmp_path)
    assert "<strong>best</strong> · mIoU 90.00% · 2007_000033" in page
    assert ("<strong>no. 2</strong> · mIoU 89.00% · a b#1" in page) == (pictures == 2)
    assert ("voc_r50 (seed 0): 1 more<" in page) == (pictures == 2)
