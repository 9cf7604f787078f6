"""The results page in a real browser: what its script does, and whether everybody can read and use it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from pointrend.datasets.registry import classes_of
from pointrend.files import sha256_file, write_json
from pointrend.results.compare import compare
from tests.needs import programs
from tests.results.page.inspection import CONTRASTS, FAULTS, OVERFLOWING
from tests.results.pages import page_of
from tests.results.runs import ASSUMED, RUNS, finish, published, released, selected, sheet

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
MILLISECONDS = 10_000  # that any step may take
A4_WIDTH = 718  # CSS pixels between margins of a centimetre
FIGURES = ".card table.headed"
ALL_OPEN = "() => document.querySelectorAll('details').forEach((each) => { each.open = true; })"
# what the curves' lines look like
LINES = "[...document.querySelectorAll('#curves .mark-line.role-mark path')].map((path) => path.getAttribute('d'))"
EVIL = "<b>&\"'"


def results_in(folder: Path, *reasons: str) -> dict[str, Any]:
    """Runs of which the first two have pictures, the third and fourth were not run, and the others have none."""
    runs = [selected(folder, run, 0, *reasons) for run in RUNS]
    pictures = {f"{name} {EVIL}.png": sheet(seed) for seed, name in enumerate(("street", "horse", "boat"))}
    for number, run in enumerate(runs):
        if number not in (2, 3):
            finish(run, pictures if number < 2 else {})
    results = compare("demo" if reasons else "paper", runs, published(), ASSUMED)
    results["runs"][0]["provenance"] = {"lock": "a" * 64, "machine": {"gpus": ["H100"], "cores": 8}}
    return results


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or the one that the variable CHROMIUM names."""
    programs("chromium", package="chromium")
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS), timeout=60_000)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """URLs of pages: comparable and not, one where nothing was run, and one of a run with six seeds."""
    folder = tmp_path_factory.mktemp("pages")
    seeds = [selected(folder, "voc_r50", seed) for seed in range(6)]
    for seed in (0, 1, 4, 5):
        finish(seeds[seed])
    of_seeds = compare("paper", seeds, published(), ASSUMED)
    of_seeds["runs"] = [row for row in of_seeds["runs"] if row["kind"] == "trained"]
    of_seeds["runs"][1] |= {"miou": 9.5, "difference": 1.0}  # as texts they would come after 48.86 and before −20.98
    pages = {
        "seeds": page_of(of_seeds, folder),
        "paper": page_of(results_in(folder / "paper"), folder / "paper"),
        "demo": page_of(results_in(folder / "demo", "scale demo"), folder / "demo"),
        "empty": page_of(compare("paper", [selected(folder, run) for run in RUNS], published(), ASSUMED), folder),
    }
    for name, content in pages.items():
        (folder / f"{name}.html").write_text(content, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in pages}


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Any]:
    """Open a URL in a context of its own; no page may ask the network for anything or write to the console."""
    contexts, complaints = [], []

    def opened(url: str, width: int = 1280, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        context.set_default_timeout(MILLISECONDS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [each for each in complaints if not each.startswith(("file:", "data:"))] == []


def column(page: Page, number: int) -> list[str]:
    """Texts of a column of the table that is sorted."""
    return page.locator(f"{FIGURES} tbody tr > :nth-child({number})").all_inner_texts()


@pytest.mark.parametrize("name", ["paper", "demo", "empty"])
def test_the_page_opens_without_complaints_and_without_the_network(name: str, files: Any, open_page: Any) -> None:
    page = open_page(files[name], 360)
    assert page.title().startswith("PointRend: results at scale")
    page.evaluate(ALL_OPEN)
    page.wait_for_function("() => [...document.querySelectorAll('.plot')].every((plot) => plot.ariaLabel)")
    assert page.locator(".stage").count() == (0 if name == "empty" else 6)
    assert page.locator("main b").count() == 0
    assert page.evaluate(OVERFLOWING) == []  # nothing is wider than a phone
    assert page.evaluate(FAULTS) == []


def test_a_table_sorts_by_numbers_and_what_was_not_run_stays_last(files: Any, open_page: Any) -> None:
    page = open_page(files["seeds"])
    page.evaluate(ALL_OPEN)
    assert column(page, 4) == ["48.86%", "9.50%", "–", "–", "48.86%", "48.86%"]
    figures = page.locator(FIGURES).get_by_role("columnheader", name="mIoU")
    figures.get_by_role("button").click()
    assert figures.get_attribute("aria-sort") == "ascending"
    assert column(page, 4) == ["9.50%", "48.86%", "48.86%", "48.86%", "–", "–"]
    figures.get_by_role("button").click()
    assert figures.get_attribute("aria-sort") == "descending"
    assert column(page, 4) == ["48.86%", "48.86%", "48.86%", "9.50%", "–", "–"]
    difference = page.locator(FIGURES).get_by_role("columnheader", name="Difference")
    difference.get_by_role("button").click()
    assert figures.get_attribute("aria-sort") == "none"
    assert column(page, 5) == [*["−20.98 ± 0.84"] * 3, "+1.00 ± 0.84", "–", "–"]


def test_a_table_sorts_by_words_with_the_keyboard(files: Any, open_page: Any) -> None:
    page = open_page(files["seeds"])
    page.evaluate(ALL_OPEN)
    page.locator(f"{FIGURES} thead button").nth(1).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert column(page, 2) == list("543210")
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert column(page, 6) == [*["below"] * 4, "not run", "not run"]
    page.keyboard.press("Enter")
    assert column(page, 6) == [*["below"] * 4, "not run", "not run"]


@pytest.mark.parametrize("width", [390, 800, 1440])
def test_the_answer_and_the_tables_fit(width: int, files: Any, open_page: Any) -> None:
    page = open_page(files["paper"], width)
    page.evaluate(ALL_OPEN)
    for each in page.locator(".answer dd, .card h3, .stacked, .hashes, .classes, .plot svg, .key, .chart form").all():
        box = each.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert page.locator(".card").all_inner_texts()[2].split("\n")[:1] == ["ADE20K, ResNet-50 ade20k_r50"]
    titles = page.locator(".published td").first.evaluate("(cell) => getComputedStyle(cell, '::before').content")
    assert titles == ('"Crop Size: "' if width == 390 else "none")


def test_panels_are_shown_one_by_one_and_compared_by_a_slider(files: Any, open_page: Any) -> None:
    page = open_page(files["paper"], 390)
    figure = page.locator(".pictures figure").first
    slider, panel = figure.get_by_role("slider"), figure.get_by_role("combobox", name="Panel")
    assert figure.locator("canvas").evaluate_all("(all) => all.map((each) => each.className)") == ["coarse", "refined"]
    clipped = "(canvas) => getComputedStyle(canvas).clipPath"
    assert figure.locator(".refined").evaluate(clipped) == "inset(0px 0px 0px 50%)"
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert figure.locator(".refined").evaluate(clipped) == "inset(0px 0px 0px 1%)"
    panel.focus()
    page.keyboard.type("label")
    page.keyboard.press("Enter")
    assert [each.get_attribute("aria-label") for each in figure.locator("canvas").all()] == [
        f"voc_r50 (seed 0), best image, street {EVIL}, mIoU 90.00%: label"
    ]
    assert not slider.is_visible()
    # The label drawn by evaluation has five classes, whose colours the panel has exactly.
    colours = figure.locator("canvas").evaluate(
        "(canvas) => [...new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, 1e3, 1e3).data.buffer))]"
    )
    assert {colour & 0xFFFFFF for colour in colours} - {0} == {0x80, 0x8000, 0x8080, 0x800000}
    panel.select_option("all panels")
    assert figure.locator("img").is_visible()
    assert page.evaluate(OVERFLOWING) == []


def test_a_point_of_a_plot_gives_its_value(files: Any, open_page: Any) -> None:
    page = open_page(files["paper"])
    curves = page.locator("#curves .plot")
    curves.locator(".mark-symbol path").nth(3).hover(force=True)
    tooltip = page.locator(".vg-tooltip.visible")
    assert tooltip.locator("td.value").all_inner_texts() == ["cityscapes_r101 (seed 0)", "200", "1"]
    page.locator("#results .mark-symbol.role-mark path").first.hover()
    assert tooltip.locator("td.value").all_inner_texts()[1:4] == ["48.86%", "69.84%", "−20.98 ± 0.84"]


def test_curves_are_overlaid_on_a_linear_or_log_scale_and_smoothed(files: Any, open_page: Any) -> None:
    page = open_page(files["paper"], 390)
    page.locator("#curves .plot svg").wait_for()
    linear = page.evaluate(f"() => {LINES}")
    assert len(linear) == 4
    page.locator("[name=scale]").select_option("log")
    page.wait_for_function(f"() => {LINES}[0] !== {linear[0]!r}")
    log = page.evaluate(f"() => {LINES}")
    page.locator("[name=smoothing]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"() => {LINES}[0] !== {log[0]!r}")
    page.get_by_role("checkbox", name="voc_r101").uncheck()
    page.wait_for_function(f"() => {LINES}.length === 3")
    page.locator("[name=quantity]").select_option("learning rate")
    page.wait_for_function(f"() => {LINES}.length === 3 && {LINES}[0] !== {log[0]!r}")
    assert page.evaluate(OVERFLOWING) == []


@pytest.mark.parametrize("interface", [True, False], ids=["clipboard", "the old way"])
def test_a_hash_is_copied_and_that_is_said(interface: bool, files: Any, open_page: Any) -> None:
    page = open_page(files["paper"])
    if not interface:
        page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.evaluate(ALL_OPEN)
    button = page.get_by_role("button", name="Copy the sha256 of data_manifest").first
    button.focus()
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("Copied: sha256 of data_manifest").wait_for()
    assert button.evaluate("(element) => element === document.activeElement")
    page.evaluate(
        "() => { const field = document.createElement('textarea'); document.body.append(field); field.focus(); }"
    )
    page.keyboard.press("Control+V")
    assert page.locator("textarea").input_value() == "d" * 64


def test_dark_colours_follow_the_system_until_someone_chooses(files: Any, open_page: Any) -> None:
    background = "() => getComputedStyle(document.body).backgroundColor"
    page = open_page(files["demo"], color_scheme="dark")
    dark = page.evaluate(background)
    toggle = page.get_by_role("button", name="Light colours")
    toggle.click()
    light = page.evaluate(background)
    assert sum(map(int, light[4:-1].split(","))) > 600 > 150 > sum(map(int, dark[4:-1].split(",")))
    page.reload()
    assert page.evaluate(background) == light
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate(background) == dark
    assert open_page(files["demo"], color_scheme="light").evaluate(background) == light


def test_nothing_is_cut_off_on_paper(files: Any, open_page: Any) -> None:
    page = open_page(files["paper"], A4_WIDTH)
    page.evaluate(ALL_OPEN)
    page.emulate_media(media="print")
    assert page.evaluate(OVERFLOWING) == []


def test_eighteen_trainings_are_six_pages_on_paper(tmp_path: Path, open_page: Any) -> None:
    runs = [selected(tmp_path, run, seed) for run in RUNS for seed in range(3)]
    for run in runs:
        finish(run, {f"{number}.png": sheet(number) for number in range(4)})
    results = compare("paper", [*runs, *(released(tmp_path, run) for run in RUNS)], published(), ASSUMED)
    for row in results["runs"]:
        path = tmp_path / f"{row['run']}-s{row['seed']}/metrics.json"
        if row["kind"] == "trained":
            every = dict.fromkeys(classes_of(row["setting"]["dataset"]).names, 50.0)
            write_json(path, {"iou": every, "coarse_iou": every})
            row["hashes"]["metrics.json"] = sha256_file(path)
    (tmp_path / "index.html").write_text(page_of(results, tmp_path), encoding="utf-8")
    page = open_page((tmp_path / "index.html").as_uri())
    page.locator("#curves .plot svg").wait_for()
    assert len(re.findall(rb"/Type /Page\b", page.pdf(format="A4"))) <= 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out(scheme: str, files: Any, open_page: Any) -> None:
    for name in ("paper", "demo"):
        page = open_page(files[name], color_scheme=scheme)
        page.evaluate(ALL_OPEN)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 200
        assert [each for each in contrasts if each["ratio"] < 4.5] == []


def test_the_keyboard_comes_to_the_content_first(files: Any, open_page: Any) -> None:
    page = open_page(files["demo"])
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "content"


def test_without_script_the_page_can_be_read(files: Any, open_page: Any) -> None:
    page = open_page(files["demo"], java_script_enabled=False)
    assert page.locator("button").count() == 0
    assert page.locator(".answer dd").all_inner_texts()[1] == "48.86%"
    assert page.locator(".pictures img").first.is_visible()
    assert page.locator(".numbers td").first.is_visible()
    assert not page.locator(".chart").first.is_visible()
