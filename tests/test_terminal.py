"""Long verbs on a terminal: bars with the time that is left, no colours, and lines of text that no bar overwrites."""

import contextlib
import os
import re
import sys
import termios
from concurrent.futures import ThreadPoolExecutor

import pytest

from pointrend.cli import main
from pointrend.files import write_bytes
from pointrend.logs import NO_BARS
from tests.workflow.checkout import Checkout

# The end of a bar: all of it, the time that it took and the time that is left.
BAR = r"100%\|[^|]*\| [^\[]*\[\d\d:\d\d<00:00, "
COLOUR = "\x1b[3"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout.of_voc(tmp_path_factory.mktemp("terminal") / "pointrend")


@pytest.fixture
def on_terminal(checkout, monkeypatch):
    """A function that runs ``pointrend WORDS`` and gives what it shows where standard error is a terminal."""
    monkeypatch.chdir(checkout.root)
    for name in ("POINTREND_ENGINE", "POINTREND_SCALE", "POINTREND_PARAMS", NO_BARS):
        monkeypatch.setenv(name, "")  # so that what a verb sets is taken back
        monkeypatch.delenv(name)

    def run(words: str, code: int = 0) -> str:
        reader, terminal = os.openpty()
        termios.tcsetwinsize(terminal, (40, 120))
        with ThreadPoolExecutor(1) as pool:
            shown = pool.submit(read_to_end, reader)
            with open(terminal, "w") as stream, monkeypatch.context() as screen:
                screen.setattr(sys, "stderr", stream)
                assert main(words.split()) == code
            return shown.result(timeout=60)

    return run


def read_to_end(reader: int) -> str:
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal ends
        while part := os.read(reader, 65536):
            shown += part
    os.close(reader)
    return shown.decode()


@pytest.mark.parametrize(
    ("words", "bars", "lines"),
    [
        ("fetch voc", ["VOCtrainval_11-May-2012.tar", "benchmark.tgz"], []),
        ("prepare voc", ["PASCAL VOC 2012 train", "PASCAL VOC 2012 val"], [r"PASCAL VOC 2012 val: 4 of 4 images, "]),
        (
            *("train voc_r50", ["train"]),
            [
                *("attempt 1", "training from iteration 0 to 4, 2 per epoch"),
                r"voc_r50 seed 0: was trained for 4 iterations, \d+ s on cpu x 1\r\nwritten to runs/demo/voc_r50-s0/",
            ],
        ),
        (
            *("evaluate voc_r50", ["evaluate"]),
            [
                r"IoU of 21 classes, %\r\nbackground +[\d.]+  [^\r]{58}\r\n",
                r"mIoU [\d.]+% of 4 images, .*\r\nboundary IoU .*%\r\nwritten to runs/demo/voc_r50-s0/\r\n$",
            ],
        ),
    ],
)
def test_a_long_verb_shows_a_bar(on_terminal, words, bars, lines):
    shown = on_terminal(words)
    for line in (*lines, *(f"{re.escape(bar)}: [^\r\n]*{BAR}" for bar in bars)):
        assert re.search(rf"(^|[\r\n]){line}", shown), shown
    assert ("loss=" in shown) == ("train" in bars)
    assert COLOUR not in shown


@pytest.mark.parametrize(("words", "engine"), [("--quiet ", ""), ("", "snakemake")])
def test_no_bar_where_there_must_be_none(on_terminal, words, engine, monkeypatch):
    """Snakemake's jobs run side by side on one terminal."""
    monkeypatch.setenv("POINTREND_ENGINE", engine)
    shown = [on_terminal(f"{words}{verb}") for verb in ("fetch voc", "prepare voc", "evaluate voc_r50")]
    assert not any("%|" in text for text in shown)
    named = "evaluate-voc_r50-s0: scored 4 of 4 images\r\nevaluate-voc_r50-s0: mIoU "
    assert (named in shown[-1]) == bool(engine)


def test_an_error_has_a_line_of_its_own(on_terminal, checkout):
    """Below a bar that stays where it was."""
    write_bytes(checkout.root / "photos/a.jpg", b"no image")
    weights = "runs/demo/voc_r50-s0/model.safetensors"
    shown = on_terminal(f"predict voc_r50 --weights {weights} --images photos --out labels", code=2)
    assert re.search(r"predict:   0%\|.*\r\nerror: photos/a.jpg: the image cannot be decoded; ", shown), shown
