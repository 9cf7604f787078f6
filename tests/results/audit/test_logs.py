"""Reading training logs: both forms, cut at any byte, resumed, joined; everything else is quoted."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pointrend.errors import AuditError
from pointrend.results.audit.logs import TrainingLog, read_log
from tests.results.audit.samples import FOREIGN, FORM_2022, LOGS, S21, text_of

CHANGING = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(folder: Path, text: str | bytes, strict: bool = True) -> TrainingLog:
    path = folder / "a.log"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_log(path, strict)


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(AuditError) as caught:
        read(folder, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_form_of_2021() -> None:
    log = read_log(LOGS / S21)
    assert (len(log.records), len(log.sessions), log.cut_lines) == (40, 1, [])
    assert log.headers[0].values == {"dataset": "voc", "images": "10582"}
    record = log.records[13]
    assert (record.line, record.epoch, record.epochs, record.batch, record.batches) == (33, 2, 60, 39, 661)
    assert record.finished == 700
    assert record.learning_rate == 0.009842823644832467
    assert record.losses == {"loss_aux": 0.5964, "loss_cls": 1.2142, "total": 1.8106}
    assert record.time == datetime(2021, 9, 13, 20, 4, 54)
    assert (record.dataset, record.model, record.backbone) == ("voc", None, None)


def test_the_form_of_2022() -> None:
    record = read_log(LOGS / FORM_2022).records[-1]
    assert (record.line, record.epoch, record.epochs, record.batch, record.batches) == (41, 3, 220, 256, 372)
    assert record.learning_rate == 0.009891171222637888
    assert (record.dataset, record.model, record.backbone) == ("cityscapes", "pointrend", "resnet101")


def test_dumped_configurations_and_notes_are_passed_over(tmp_path: Path) -> None:
    begin = "2022-09-10 10:00:00 INFO     "
    dump = f"{begin}DATASET_CFG: \n{{'type': 'voc', 'train': {{}}}}\n{begin}Saving state_dict in ckpts/epoch_1.pth\n"
    log = read(tmp_path, dump + text_of(FORM_2022))
    assert (len(log.records), log.cut_lines) == (20, [])


BOM = "\N{BYTE ORDER MARK}"
WINDOWS = text_of(S21).replace("\n", "\r\n")
ENCODED = {
    "byte order mark": (BOM + text_of(S21)).encode(),
    "UTF-16": (BOM + WINDOWS).encode("utf-16-le"),
    "UTF-16, the other order": (BOM + WINDOWS).encode("utf-16-be"),
    "colours": re.sub(r"(?m)^(.{19}) (INFO)", "\x1b[1;32m\\1\x1b[0m \x1b[34m\\2\x1b[0m", text_of(S21)).encode(),
}


def test_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, WINDOWS).records == read_log(LOGS / S21).records


@pytest.mark.parametrize("data", ENCODED.values(), ids=ENCODED)
def test_what_a_terminal_or_a_shell_made_of_a_log_is_read_unless_strict(tmp_path: Path, data: bytes) -> None:
    assert " is of no known form" in refusal(tmp_path, data) or " is not a text file" in refusal(tmp_path, data)
    log = read(tmp_path, data, strict=False)
    assert (log.records, log.other_lines) == (read_log(LOGS / S21).records, {})


@pytest.mark.parametrize("line", [*FOREIGN, b"/home/\xb5\xc4/a.py:1: UserWarning"])
def test_other_lines_are_counted_and_left_out_unless_strict(tmp_path: Path, line: str | bytes) -> None:
    """Three: before a record, within it, and after the last."""
    foreign = line if isinstance(line, bytes) else line.encode()
    lines = [*text_of(S21).encode().splitlines(), b""]
    for place in (7, 10, len(lines) + 1):
        lines.insert(place, foreign)
    refusal(tmp_path, b"\n".join(lines))
    log = read(tmp_path, b"\n".join(lines), strict=False)
    assert [record.losses for record in log.records] == [record.losses for record in read_log(LOGS / S21).records]
    assert (list(log.other_lines), log.cut_lines) == ([8, 11, len(lines) - 1], [])


def test_lines_that_a_launcher_labels_are_read_and_empty_ones_are_not_counted(tmp_path: Path) -> None:
    whole = read_log(LOGS / S21)
    assert read(tmp_path, re.sub("(?m)^", "0: ", text_of(S21)), strict=False).records == whole.records
    assert read(tmp_path, text_of(S21).replace("\n2021", "\n \n2021"), strict=False).other_lines == {}


@pytest.mark.parametrize("sample", [S21, FORM_2022])
@CHANGING
@given(share=st.floats(0.2, 1, exclude_max=True))
def test_a_log_cut_at_any_byte_keeps_its_whole_records(tmp_path: Path, sample: str, share: float) -> None:
    text = text_of(sample)
    kept = text[: int(share * len(text))]
    log, whole = read(tmp_path, kept), read_log(LOGS / sample)
    assert log.records == whole.records[: len(log.records)]
    assert len(log.records) == len(re.findall(r"total \d\.\d{4},", kept))
    awaits_losses = kept.endswith("\n") and "[LEARNING_RATE]" in kept.split("\n")[-2]
    ends_whole = kept.endswith("\n") or re.search(r"total \d\.\d{4}, ?$", kept)
    assert bool(log.cut_lines) == (awaits_losses or not ends_whole)


@CHANGING
@given(share=st.floats(0.2, 1))
@example(share=1.0)
def test_a_log_after_a_cut_one_is_another_session(tmp_path: Path, share: float) -> None:
    """Whatever byte the first one was cut at, the second is read whole."""
    text = text_of(S21)
    joined = text[: int(share * len(text))] + text.replace("Checkpoints used: ", "Checkpoints used: ckpts/epoch_3.pth")
    log = read(tmp_path, joined)
    assert len(log.sessions) == 2
    assert [record.finished for record in log.sessions[1].records] == [50 * i for i in range(1, 41)]
    assert log.sessions[1].headers[2].values == {"checkpoint": "ckpts/epoch_3.pth"}


BEGIN = "2021-09-13 20:00:42 INFO     "
PLACE = "[EPOCH]: 1/60, [BATCH]: 100/661, [LEARNING_RATE]: 0.005442865854600155, [DATASET]: voc"


@pytest.mark.parametrize(
    ("old", "new", "line", "quoted"),
    [
        (BEGIN + PLACE, f"{BEGIN}Evaluating...\n{BEGIN}{PLACE}", 8, f"{BEGIN}Evaluating..."),
        (BEGIN + PLACE, "Traceback (most recent call last):", 8, "Traceback (most recent call last):"),
        (BEGIN + PLACE, f"\n{BEGIN}{PLACE}", 8, "''"),
        ("[BATCH]: 100/661", "[BATCH]: 100", 8, "[BATCH]: 100, "),
        ("0.005442865854600155", "0.00544x", 8, "0.00544x"),
        ("0.005442865854600155", "-0.005", 8, "-0.005"),
        ("2021-09-13 20:00:42", "2021-19-13 20:00:42", 8, "2021-19-13"),
        ("loss_aux 0.6927", "loss_aux 0,6927", 9, "loss_aux 0,6927"),
        (", total 2.1047", "", 9, "loss_cls 1.4120, "),
        ("\t[LOSS]: loss_aux 0.6927, loss_cls 1.4120, total 2.1047, \n", "", 8, "[BATCH]: 100/661"),
        ("Start epoch 2...", "Start epoch two...", 32, "Start epoch two..."),
    ],
)
def test_any_other_line_is_quoted_with_its_number(tmp_path: Path, old: str, new: str, line: int, quoted: str) -> None:
    text = text_of(S21)
    assert old in text
    said = refusal(tmp_path, text.replace(old, new, 1))
    assert f"{tmp_path / 'a.log'} line {line} is of no known form: " in said
    assert quoted in said


@pytest.mark.parametrize("garbage", ["hello", "\t[LOSSES", "2021-09-13T20", "<html>"])
def test_a_last_line_that_no_record_begins_with_is_quoted(tmp_path: Path, garbage: str) -> None:
    assert "line 89 is of no known form" in refusal(tmp_path, text_of(S21) + garbage)


def test_files_that_are_no_logs(tmp_path: Path) -> None:
    assert "has no complete training record" in refusal(tmp_path, "")
    assert "has no complete training record" in refusal(tmp_path, f"{BEGIN}Start epoch 1...\n{BEGIN}[EP")
    (tmp_path / "a.pth").write_bytes(b"PK\x03\x04\xff\xfe")
    for path, words in ((tmp_path / "a.pth", "is not a text"), (tmp_path, "cannot read"), (tmp_path / "b", "No such")):
        with pytest.raises(AuditError, match=words):
            read_log(path, strict=True)
    with pytest.raises(AuditError, match="no complete training record"):
        read_log(tmp_path / "a.pth")


@CHANGING
@given(place=st.integers(0, 4460), new=st.text(max_size=3))
def test_whatever_is_changed_is_read_or_refused(tmp_path: Path, place: int, new: str) -> None:
    text = text_of(FORM_2022)
    changed = text[:place] + new + text[place + 1 :]
    with contextlib.suppress(AuditError):
        read(tmp_path, changed)
    assert len(read(tmp_path, changed, strict=False).records) >= 19
