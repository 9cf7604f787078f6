"""The recipe held against training logs: the samples agree, and whatever is changed in one is named."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pointrend.results.audit.check_log import LogFindings, check_log
from pointrend.results.audit.logs import read_log
from pointrend.settings.recipe import Recipe
from pointrend.training.schedule import learning_rate
from tests.results.audit.samples import FORM_2022, IMAGES, LOGS, ROOT, S21, among_other_lines, setting, text_of

PUBLISHED = Recipe.model_construct(lr=0.01, poly_power=0.9, min_lr_ratio=0.01, warmup_iterations=200, warmup_ratio=0.1)
RUN_OF = {S21: "voc_r50", FORM_2022: "cityscapes_r101"}


def check(path: Path, run: str, *overrides: str) -> LogFindings:
    chosen = setting(run, *overrides)
    return check_log(read_log(path), chosen, IMAGES[chosen.dataset])


def check_text(folder: Path, text: str, run: str = "voc_r50") -> LogFindings:
    (folder / "a.log").write_bytes(text.encode())
    return check(folder / "a.log", run)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (S21, {"images": 10582, "epochs": 60, "iterations_per_epoch": 661, "gpus": None, "records": 40}),
        (FORM_2022, {"images": None, "epochs": 220, "iterations_per_epoch": 372, "gpus": "several", "records": 20}),
    ],
)
def test_the_samples_agree(sample: str, expected: dict[str, object]) -> None:
    found = check(LOGS / sample, RUN_OF[sample])
    assert found.differences == []
    assert found.facts | expected == found.facts
    assert found.facts["max_lr_error"] is not None
    assert found.facts["max_lr_error"] <= 1e-12
    assert found.facts["seconds_per_iteration"] == 0.42
    assert (found.facts["resumed"], found.log.cut_lines) == (False, [])


RATE = "0.005442865854600155"
SECOND = f"[EPOCH]: 1/60, [BATCH]: 100/661, [LEARNING_RATE]: {RATE}, [DATASET]: voc"


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "ours", "theirs"),
    [
        ("Number of images: 10582", "Number of images: 10581", 1, "images", 10582, 10581),
        ("Backbone used: resnet50", "Backbone used: resnet101", 2, "backbone", "resnet50", "resnet101"),
        ("Model Used: pointrend", "Model Used: fcn", 2, "model", "pointrend", "fcn"),
        (RATE, RATE.replace("585", "586"), 8, "learning rate", float(RATE), float(RATE.replace("585", "586"))),
        (SECOND, SECOND.replace("1/60", "1/61"), 8, "epochs", 60, 61),
        (SECOND, SECOND.replace("/661", "/662"), 8, "iterations per epoch", 661, 662),
        (SECOND, SECOND.replace("voc", "coco"), 8, "dataset", "voc", "coco"),
        ("total 2.1047", "total 2.1147", 8, "total loss", "2.1047, the sum of the others", "2.1147"),
        ("total 2.1047", "total nan", 8, "total loss", "2.1047, the sum of the others", "nan"),
    ],
)
def test_one_changed_value_is_named(
    tmp_path: Path, old: str, new: str, line: int, key: str, ours: object, theirs: object
) -> None:
    text = text_of(S21)
    assert text.count(old) == 1
    (difference,) = check_text(tmp_path, text.replace(old, new)).differences
    assert (difference.line, difference.key, difference.ours, difference.theirs) == (line, key, ours, theirs)
    assert difference.records == 1
    assert difference.record in text.replace(old, new).split("\n")[line - 1]


def test_every_logged_rate_is_compared_to_1e_9() -> None:
    """One record after the other, off by a little less and a little more."""
    log, chosen = read_log(LOGS / S21), setting("voc_r50")
    for record in log.records:
        for factor, wrong in ((1 + 0.9e-9, 0), (1 - 0.9e-9, 0), (1 + 1.1e-9, 1), (1 - 1.1e-9, 1)):
            rate = record.learning_rate
            object.__setattr__(record, "learning_rate", rate * factor)
            assert len(check_log(log, chosen, IMAGES["voc"]).differences) == wrong
            object.__setattr__(record, "learning_rate", rate)


@pytest.mark.parametrize(
    "override",
    ["lr=0.02", "poly_power=1.0", "min_lr_ratio=0.02", "warmup_iterations=201", "warmup_ratio=0.2", "epochs=61"],
)
def test_another_recipe_does_not_agree(override: str) -> None:
    assert "learning rate" in [found.key for found in check(LOGS / S21, "voc_r50", override).differences]


def test_the_number_of_gpus_in_our_setting_is_no_difference() -> None:
    for gpus in (1, 2, 8):
        assert check(LOGS / FORM_2022, "cityscapes_r101", f"gpus={gpus}").differences == []


def made(iterations: int, batches: list[tuple[int, int]], headers: bool = False) -> str:
    """A log of Cityscapes with these (epoch, batch), rates by the recipe."""
    begin = "2022-09-10 10:00:{:02d} INFO     "
    lines = [f"{begin.format(0)}Config file path: x.py", f"{begin.format(0)}Resume from: "] if headers else []
    for number, (epoch, batch) in enumerate(batches):
        finished = (epoch - 1) * iterations + batch
        rate = learning_rate(PUBLISHED, finished - 1, 220 * iterations)
        place = f"[Epoch]: {epoch}/220, [Batch]: {batch}/{iterations}, [Segmentor]: pointrend-resnet101, "
        lines.append(f"{begin.format(number)}{place}[DATASET]: cityscapes, [LEARNING_RATE]: {rate!r}")
        lines.append("\t[LOSS]: loss_aux 0.5000, loss_cls 1.0000, total 1.5000, ")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("iterations", "gpus"), [(371, "one"), (372, "several")])
def test_iterations_per_epoch_tell_one_gpu_from_several(tmp_path: Path, iterations: int, gpus: str) -> None:
    batches = [(epoch, batch) for epoch in (1, 2) for batch in range(1, iterations + 1)]
    logged = [place for number, place in enumerate(batches, 1) if number % 50 == 0]
    found = check_text(tmp_path, made(iterations, logged, headers=True), "cityscapes_r101")
    assert (found.differences, found.facts["gpus"], found.facts["iterations_per_epoch"]) == ([], gpus, iterations)


def test_other_iterations_per_epoch_are_named(tmp_path: Path) -> None:
    found = check_text(tmp_path, made(373, [(1, 50), (1, 100)]), "cityscapes_r101")
    assert found.facts["gpus"] is None
    difference = found.differences[0]
    assert (difference.key, difference.ours, difference.theirs) == ("iterations per epoch", 372, 373)
    assert (difference.records, difference.line) == (2, 1)


@pytest.mark.parametrize(
    ("batches", "headers", "wrong"),
    [
        ([(1, 50), (1, 100)], True, None),
        ([(1, 50), (1, 150)], True, 150),
        ([(1, 50), (1, 50)], True, 50),
        ([(1, 51)], True, 51),
        ([(3, 6)], True, None),  # 750 iterations; a start from a checkpoint
        ([(3, 56)], True, 800),  # a start is never in the middle of an epoch
        ([(3, 56)], False, None),  # the beginning of the file is missing
        ([(3, 57)], False, 801),
    ],
)
def test_records_must_follow_each_other(
    tmp_path: Path, batches: list[tuple[int, int]], headers: bool, wrong: int | None
) -> None:
    found = check_text(tmp_path, made(372, batches, headers), "cityscapes_r101")
    keys = {difference.key: difference.theirs for difference in found.differences}
    assert keys.get("finished iterations") == wrong


@pytest.mark.parametrize(
    ("old", "new"), [("h]: 1/", "h]: 221/"), ("h]: 1/", "h]: 0/"), ("h]: 50/", "h]: 400/"), ("h]: 50/", "h]: 0/")]
)
def test_places_outside_the_training_are_named(tmp_path: Path, old: str, new: str) -> None:
    found = check_text(tmp_path, made(372, [(1, 50)]).replace(old, new), "cityscapes_r101")
    assert "place" in [difference.key for difference in found.differences]


def test_a_resumed_log_agrees_and_a_difference_after_the_restart_is_named(tmp_path: Path) -> None:
    """A log, and after it the same training resumed from epoch 2."""
    text = text_of(S21)
    headers, second = (text.partition(f" INFO     Start epoch {epoch}") for epoch in (1, 2))
    restart = headers[0][:-19].replace("Checkpoints used: ", "Checkpoints used: ckpts/epoch_1.pth")
    resumed = text + restart + second[0][-19:] + "".join(second[1:])
    found = check_text(tmp_path, resumed)
    assert (found.differences, found.facts["resumed"], found.facts["records"]) == ([], True, 67)
    (difference,) = check_text(
        tmp_path, text + resumed[len(text) :].replace("images: 10582", "images: 10000")
    ).differences
    assert (difference.key, difference.line, difference.theirs) == ("images", 89, 10000)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sample", [S21, FORM_2022])
@pytest.mark.parametrize(
    ("old", "new"), [("", ""), (r"\]: 100/", "]: 101/"), (r"total 2\.", "total 3."), (r".*\]: 100/.*\n.*\n", "")]
)
def test_a_log_with_200_other_lines_is_judged_as_without_them(
    tmp_path: Path, sample: str, seed: int, old: str, new: str
) -> None:
    text = re.sub(old, new, text_of(sample), count=1)
    alone, among = (check_text(tmp_path, one, RUN_OF[sample]) for one in (text, among_other_lines(text, seed)))
    assert bool(alone.differences) == bool(old)
    assert (alone.facts["other_lines"], alone.facts["first_other_line"]) == (0, None)
    assert 150 < among.facts["other_lines"] <= 200
    assert among.facts["first_other_line"] is not None
    assert without_lines(alone) == without_lines(among)


def without_lines(found: LogFindings) -> dict[str, object]:
    facts = found.facts | {"other_lines": 0, "first_other_line": None}
    return {"facts": facts, "differences": [replace(difference, line=0) for difference in found.differences]}


@pytest.mark.parametrize(
    ("old", "new"), [("[BATCH]: 50/661", "[BATCH]: 50/"), ("[BATCH]: 100/661", "[BATCH]: 100/"), ("total 2.1047, ", "")]
)
def test_a_damaged_record_is_left_out_and_its_gap_is_no_difference(tmp_path: Path, old: str, new: str) -> None:
    found = check_text(tmp_path, text_of(S21).replace(old, new, 1))
    assert (found.differences, found.facts["records"], bool(found.log.cut_lines)) == ([], 39, True)


def test_a_gap_without_a_trace_and_a_step_back_are_differences(tmp_path: Path) -> None:
    lines = text_of(S21).splitlines(keepends=True)
    back = [*lines[:9], "\t[LOSS]: damaged\n", *lines[5:7], *lines[9:]]
    for text, ours, theirs in ((lines[:7] + lines[9:], 100, 150), (back, 150, 50)):
        (difference,) = check_text(tmp_path, "".join(text)).differences
        assert (difference.key, difference.ours, difference.theirs) == ("finished iterations", ours, theirs)


def test_records_that_were_written_twice_count_once(tmp_path: Path) -> None:
    lines = text_of(S21).splitlines(keepends=True)
    doubled = "".join(re.sub(r"(?m)^(.*BATCH.*\n\t.*\n)", r"\1\1", "".join(lines)))
    found = check_text(tmp_path, doubled)
    assert (found.differences, found.facts["records"], found.facts["other_lines"]) == ([], 40, 40)


def test_a_cut_log_agrees_and_says_so(tmp_path: Path) -> None:
    text = text_of(S21)
    found = check_text(tmp_path, text[: text.index("[BATCH]: 100/661") + 7])
    assert (found.differences, bool(found.log.cut_lines), found.facts["records"]) == ([], True, 1)
    assert found.facts["seconds_per_iteration"] is None


def test_totals_are_those_of_the_golden_schedule() -> None:
    """The sample's rates and the schedule's golden numbers are of the same total."""
    golden = json.loads((ROOT / "tests/golden/lr_schedule.json").read_text())["resnet50os32_voc"]
    assert golden["max_iters"] == 60 * check(LOGS / S21, "voc_r50").facts["iterations_per_epoch"]
