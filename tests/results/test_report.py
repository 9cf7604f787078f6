from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pointrend.errors import CheckFailed, ResultsError
from pointrend.results.compare import compare, references
from pointrend.results.frames import miou_json
from pointrend.results.published import render_introduction
from pointrend.results.report import BEGIN, END, latex_table, render_readme, render_summary, terminal_table
from pointrend.settings.params import load_params
from tests.results.pages import PageReader, check, page_of, report, table_rows
from tests.results.runs import ASSUMED, PUBLISHED, RUNS, finish, published, results_of, selected

COLUMNS = [
    *("Backbone", "Crop Size", "Schedule", "Train/Eval Set", "mIoU", "Download"),
    *("mIoU (ours)", "Verdict"),
]


def readme_of(results: dict[str, Any]) -> str:
    return render_readme(results, published())


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Any]:
    """Those of the pilot, of which none is comparable."""
    return results_of(tmp_path, "pilot")


def section_rows(markdown: str, heading: str) -> list[list[str]]:
    return table_rows(markdown.partition(f"\n#### {heading}\n")[2].partition("\n\n")[0])


def test_readme_has_the_published_form(results: dict[str, Any]) -> None:
    readme = readme_of(results)
    assert f"\n\n{render_introduction(published())}\n" in readme
    for section in published().sections:
        heading, ruler, *rows = section_rows(readme, section.heading)
        assert heading == COLUMNS
        assert ruler == [":-:"] * len(COLUMNS)
        expected = [[rf"{row.backbone}\*", row.crop_size, row.schedule, row.sets, row.miou] for row in section.rows]
        assert [row[:5] for row in rows] == expected
        theirs = section_rows((PUBLISHED / "pointrend.md").read_text(), section.heading)
        assert theirs[0] == COLUMNS[:6]
        assert [row[5] for row in rows] == [row[5] for row in theirs[2:]]
    assert "](../../runs/" not in readme
    assert "makes them, in runs/pilot/: snakemake --cores all --config scale=pilot\n" in readme


def test_columns_of_every_table_are_aligned(results: dict[str, Any]) -> None:
    readme = readme_of(results)
    for table in re.findall(r"(?:^\|.*\n)+", readme, re.MULTILINE):
        assert len({tuple(match.start() for match in re.finditer(r"\|", line)) for line in table.splitlines()}) == 1


def overview_rows(readme: str) -> list[list[str]]:
    return table_rows(readme.partition("## Results")[2].partition("\n####")[0])[2:]


def figure_rows(readme: str) -> list[list[str]]:
    return table_rows(readme.partition("## Seeds")[2].partition("\n##")[0])[2:]


def test_our_columns_of_runs_that_are_scored_and_not_run(results: dict[str, Any]) -> None:
    readme = readme_of(results)
    assert section_rows(readme, "PASCAL VOC")[2][6:] == ["48.86%", "not comparable"]
    assert [row[6:] for row in section_rows(readme, "ADE20k")[2:]] == [["–", "not run"]] * 2
    assert figure_rows(readme)[0] == ["voc_r50", "0", "32", "48.86%", "–", "not comparable", "one-seed"]


@pytest.mark.parametrize(("difference", "words"), [(0.127, "+0.13 ± 0.84"), (-0.001, "+0.00 ± 0.84")])
def test_a_comparable_run_has_a_signed_difference_and_paper_says_how_much_is_scored(
    difference: float, words: str, tmp_path: Path
) -> None:
    results = results_of(tmp_path, "paper", ())
    readme = readme_of(results)
    assert overview_rows(readme)[0][1:] == ["69.84%", "48.86%", "−20.98 ± 0.84", "below", "one-seed"]
    assert "unless a row says otherwise. 4 of 6 runs are scored." in readme
    assert "cannot be compared" not in page_of(results, tmp_path)
    results["runs"][0]["difference"] = difference
    assert overview_rows(readme_of(results))[0][3] == words


def test_every_seed_has_a_row_and_unselected_runs_stay(tmp_path: Path) -> None:
    runs = [selected(tmp_path, "voc_r50", seed, "scale demo") for seed in (0, 4)]
    finish(runs[1])
    readme = render_readme(compare("pilot", runs, published(), ASSUMED), published())
    assert [row[6:] for row in section_rows(readme, "PASCAL VOC")[2:]] == [
        ["48.86%", "not comparable"],
        ["–", "not run"],
    ]
    assert [row[1:4] for row in figure_rows(readme)] == [["0", "32", "–"], ["4", "32", "48.86%"]]
    assert "## Refinement" in readme
    nothing = compare("pilot", runs[:1], published(), ASSUMED)
    assert "Refinement" not in readme_of(nothing)


@pytest.mark.parametrize("scale", ["demo", "pilot"])
def test_scales_that_are_not_comparable_say_so_first(scale: str, tmp_path: Path) -> None:
    results = results_of(tmp_path, scale, [f"scale {scale}"])
    first = "These figures cannot be compared with the published ones."
    assert readme_of(results).splitlines()[4].startswith(f"> **{first} The {scale} ")
    assert first in page_of(results, tmp_path).partition("<h2")[0]
    assert terminal_table(results, published()).startswith(first)


def test_reasons_are_given_once_with_their_runs(tmp_path: Path) -> None:
    readme = render_readme(results_of(tmp_path, "demo", ["scale demo", "archives demo"]), published())
    assert "- all runs – scale demo; archives demo\n" in readme
    assert "- ade20k_r50 (seed 0) – stale: trained with another setting, data or code\n" in readme


def test_the_published_label_has_a_footnote(results: dict[str, Any], tmp_path: Path) -> None:
    sentence = "* The published label. The code that made the published numbers has output stride 32"
    assert f"\n\\{sentence}" in readme_of(results)
    assert f">{sentence}" in page_of(results, tmp_path)


def test_refinement_shows_both_predictions(results: dict[str, Any], tmp_path: Path) -> None:
    readme = readme_of(results)
    expected = ["voc_r50", "0", "2", "50.00%", "48.86%", "30.00%", "40.00%", "75.00%"]
    assert table_rows(readme.partition("## Refinement")[2])[2] == expected
    assert expected in PageReader(page_of(results, tmp_path)).rows


def test_the_page_shows_the_same_tables(results: dict[str, Any], tmp_path: Path) -> None:
    page = PageReader(page_of(results, tmp_path))
    plain = [row for section in published().sections for row in section_rows(readme_of(results), section.heading)]
    markdown = [[cell.replace("\\", "") for cell in row[:5] + row[6:]] for row in plain if row[0] != ":-:"]
    shown = [row for row in page.rows if row[0] == "Backbone" or row[0].startswith("R-")]
    assert [row[:5] + row[6:] for row in shown] == markdown
    links = {link for section in published().sections for row in section.rows for link in (row.cfg, row.model, row.log)}
    assert links < set(page.links)
    assert not [link for link in page.links if "runs/" in link]


def test_names_are_escaped_in_the_readme(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script> & | *b* `c` [d](e)"
    results = results_of(tmp_path, evil, [evil])
    for row in results["runs"]:
        row["verdict"] = evil
    readme = readme_of(results)
    row = next(line for line in readme.splitlines() if line.startswith("| R-50"))
    assert r"\<script\>alert('x')\</script\> & \| \*b\* \`c\` \[d\](e)" in row


def test_the_terminal_table_is_compact(results: dict[str, Any]) -> None:
    above, table, below = terminal_table(results, published()).split("\n\n")
    lines = table.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["Run", "Published", "Seed", "Ours", "Difference", "Verdict"],
        ["voc_r50", "69.84%", "0", "48.86%", "–", "not", "comparable"],
        ["voc_r101", "72.31%", "0", "48.86%", "–", "not", "comparable"],
    ]
    assert lines[-1].split()[0] == "cityscapes_r101"
    assert max(map(len, [*above.splitlines(), *lines, *below.splitlines()])) < 90
    assert len({line.index("not ") for line in lines[1:]}) == 1
    assert [line.partition(":")[0] for line in below.splitlines() if ":" in line] == ["not run", "not comparable"]


def test_the_table_of_the_demo_has_the_original_beside_ours_in_80_columns(tmp_path: Path) -> None:
    runs = [selected(tmp_path, run, seed) for run in RUNS for seed in range(2)]
    for run in runs:
        finish(run)
    demo = published("demo")
    results = compare("demo", runs, demo, references(load_params(PUBLISHED.parent / "params.yaml"), demo))
    above, table, _ = terminal_table(results, demo).split("\n\n")
    assert "say nothing about the six published numbers" in " ".join(above.split())
    assert table.splitlines()[1].startswith("voc_r50          78.53 ± 7.36 (4)     0  48.86%  −29.66 ± 26.17  below")
    assert max(map(len, terminal_table(results, demo).splitlines())) <= 80
    readme = render_readme(results, demo)
    assert section_rows(readme, "PASCAL VOC")[0][:2] == ["Run", "mIoU (original)"]
    assert "Other implementations" not in readme


def test_the_mean_of_the_seeds_has_a_row_without_files_and_what_it_rests_on(tmp_path: Path) -> None:
    runs = [selected(tmp_path, "voc_r50", seed) for seed in range(3)]
    for run in runs:
        finish(run)
    results = compare("paper", runs, published(), ASSUMED)
    readme = readme_of(results)
    rows = section_rows(readme, "PASCAL VOC")[2:]
    assert [row[6:] for row in rows] == [["48.86%", "below"], ["–", "not run"]]
    assert [row[1] for row in figure_rows(readme)] == ["0", "1", "2", "mean of 3"]
    assert "3 of 3 runs are scored" in readme
    assert "- below – further below" in readme
    rows = table_rows(readme.partition("## How certain")[2].partition("## Ref")[0])
    columns = ["Trainings (n)", "Sigma", "Source of sigma", "Difference (seeds)", "mIoU (images)", "Verdict"]
    assert rows[0][2:] == columns
    source = "measured over 3 seeds; not pooled with 0.30 (assumed): F test"
    assert rows[5] == ["voc_r50", "mean of 3", "3", "0.00", source, "−21.57 to −20.38", "–", "below"]
    low, high = results["runs"][0]["image_interval"]
    assert rows[2][5:7] == ["−21.81 to −20.14", f"{low:.2f}% to {high:.2f}%"]
    assert rows[5] in PageReader(page_of(results, tmp_path)).rows


def test_a_report_that_was_just_written_holds(results: dict[str, Any], tmp_path: Path) -> None:
    files = report(results, tmp_path / "results", tmp_path)
    check(results, tmp_path / "results", tmp_path)
    assert set(files) == set((tmp_path / "results").iterdir())
    names = ["README.md", "classes.csv", "index.html", "results.csv"]
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == names


def test_the_csv_files_have_every_figure(results: dict[str, Any], tmp_path: Path) -> None:
    report(results, tmp_path / "results", tmp_path)
    figures = pd.read_csv(tmp_path / "results/results.csv")
    assert list(figures["run"]) == list(RUNS)
    assert figures["miou"].dropna().tolist() == [row["miou"] for row in results["runs"] if row["miou"] is not None]
    assert figures.loc[0, ["miou_low", "miou_high"]].tolist() == pytest.approx(results["runs"][0]["image_interval"])
    assert figures["seed"].tolist() == [0] * 6
    classes = pd.read_csv(tmp_path / "results/classes.csv").query("run == 'voc_r101'")
    assert classes[["kind", "seed", "class"]].values.tolist() == [
        ["trained", 0, name] for name in ("background", "aeroplane", "bicycle")
    ]
    assert classes["iou"].tolist() == pytest.approx([100 * 8 / 11, math.nan, 25.0], nan_ok=True)


def test_metrics_json_has_the_mean_over_the_scored_seeds_of_every_run(results: dict[str, Any]) -> None:
    first, scored = results["runs"][0], [row for row in results["runs"] if row["miou"] is not None]
    more = [first | {"seed": 1, "miou": 50.0}, first | {"kind": "released", "miou": 1.0}]
    expected = {row["run"]: row["miou"] for row in scored} | {"voc_r50": (first["miou"] + 50.0) / 2}
    assert json.loads(miou_json({"runs": [*results["runs"], *more]})) == expected


def test_the_latex_table_needs_no_unicode(tmp_path: Path) -> None:
    text = latex_table(results_of(tmp_path, "paper", ()), published())
    line = r"PASCAL VOC 2012, ResNet-50 & 69.84\% & 48.86\% & $-$20.98 $\pm$ 0.84 & below & one-seed \\"
    assert line in text.splitlines()
    assert text.isascii()


DRIFTS: list[Callable[[bytes], bytes]] = [
    lambda content: b" " + content,
    lambda content: content[:-1],
    lambda content: content.replace(b"\n", b"\r\n"),
]


@pytest.mark.parametrize("drift", [*DRIFTS, None], ids=["space", "end", "CRLF", "missing"])
@pytest.mark.parametrize("name", ["README.md", "index.html", "results.csv", "classes.csv"])
def test_drift_is_noticed_and_named(
    name: str, drift: Callable[[bytes], bytes] | None, results: dict[str, Any], tmp_path: Path
) -> None:
    report(results, tmp_path / "results", tmp_path)
    path = tmp_path / "results" / name
    content = path.read_bytes()
    path.unlink()
    if drift is not None:
        path.write_bytes(drift(content))
    with pytest.raises(CheckFailed, match=str(path)) as caught:
        check(results, tmp_path / "results", tmp_path)
    assert caught.value.exit_code == 3


def test_results_against_another_table_are_refused(results: dict[str, Any], tmp_path: Path) -> None:
    results["published"]["sha256"] = "0" * 64
    with pytest.raises(CheckFailed, match=r"pointrend\.md, table or recipe that has changed"):
        report(results, tmp_path / "results", tmp_path)
    assert not (tmp_path / "results").exists()


def readme_file(folder: Path, text: str = f"# Title\n\n{BEGIN}\nold\n{END}\n\nafter\n") -> Path:
    (folder / "README.md").write_bytes(text.encode())
    return folder / "README.md"


def test_the_top_readme_gets_its_table_and_nothing_else(tmp_path: Path) -> None:
    results, readme = results_of(tmp_path, "paper", ()), readme_file(tmp_path)
    everything = results, tmp_path / "results", tmp_path, readme
    report(*everything[:3])
    with pytest.raises(CheckFailed, match=str(readme)):
        check(*everything)
    for _ in range(2):
        report(*everything)
        assert readme.read_text() == f"# Title\n\n{BEGIN}\n{render_summary(results, published())}{END}\n\nafter\n"
    check(*everything)
    rows = table_rows(readme.read_text())
    columns = ["Run", "Published", "Trained", "Difference", "Verdict"]
    assert rows[0] == [*columns, "Evidence"]
    assert rows[2] == ["PASCAL VOC 2012, ResNet-50", "69.84%", "48.86%", "−20.98 ± 0.84", "below", "one-seed"]
    assert rows[5] == ["ADE20K, ResNet-101", "40.26%", "–", "–", "not run", "inputs"]
    readme.write_text(readme.read_text().replace("48.86%", "48.87%", 1))
    with pytest.raises(CheckFailed, match=str(readme)):
        check(*everything)


@pytest.mark.parametrize(
    "text",
    ["no markers", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}", f"{END}{BEGIN}{END}"],
)
def test_the_markers_must_occur_once(text: str, tmp_path: Path) -> None:
    readme = readme_file(tmp_path, text)
    with pytest.raises(ResultsError, match="markers"):
        report(results_of(tmp_path), tmp_path / "results", tmp_path, readme)
    assert readme.read_text() == text


def test_a_missing_top_readme_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"README\.md"):
        report(results_of(tmp_path), tmp_path / "results", tmp_path, tmp_path / "README.md")
