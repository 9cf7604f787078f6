"""Logs and configs that nobody would publish, for `audit`."""

from __future__ import annotations

from collections.abc import Callable

from tests.trust.cases import Case
from tests.trust.ground import Ground

RECORD = (
    "2021-08-01 00:00:00 INFO     [EPOCH]: 1/60, [BATCH]: 50/661, [LEARNING_RATE]: 0.002, [DATASET]: voc\n"
    "\t[LOSS]: loss_cls 1.0000, loss_aux 1.0000, total 2.0000, \n"
)
AUDIT = "--scale paper audit voc_r50"


def file(name: str, text: str) -> Callable[[Ground], None]:
    return lambda ground: ground.path(name).write_text(text) and None


def endless(name: str) -> Callable[[Ground], None]:
    """A file that has no end, and no size on the disk."""
    return lambda ground: ground.path(name).symlink_to("/dev/zero")


def log(name: str, spoil: Callable[[Ground], None], *words: str, code: int = 2, more: str = "") -> Case:
    return Case(name, "bare", spoil, f"{more}{AUDIT} --log x.log", code, words)


def changed(old: str, new: str) -> Callable[[Ground], None]:
    return file("x.log", RECORD.replace(old, new))


def config(name: str, spoil: Callable[[Ground], None], *words: str, code: int = 2) -> Case:
    return Case(name, "bare", spoil, f"{AUDIT} --cfg c.py", code, words)


UNKNOWN = ("x.log line", "of no known form")
RUNS_CODE = """X = f'{__import__("os").mkdir("canary")}'"""
CASES = (
    log("log without end", endless("x.log"), "x.log is larger than 100000000 bytes"),
    log("log that is a folder", lambda g: g.path("x.log").mkdir(), "Is a directory"),
    log("log that is not UTF-8", lambda g: g.path("x.log").write_bytes(b"\xff") and None, "is not a text"),
    log("log with a terminal's commands", file("x.log", f"\x1b[2J\x07{RECORD}"), *UNKNOWN, r"\x1b[2J\x07"),
    log("rate of 400 digits", changed("0.002", "9" * 400), *UNKNOWN),
    log("loss of 400 digits", changed("total 2.0000", f"total {'9' * 400}.0000"), *UNKNOWN),
    log("epochs of no batches", changed("661", "0"), "iterations per epoch 0", "ours 661", code=3),
    log("rate of zero", changed("50/", "1/"), "does not agree", code=3, more="--set warmup_ratio=0 "),
    log("rate next to zero", changed("50/", "1/"), "does not agree", code=3, more="--set lr=5.0e-324 "),
    config("config without end", endless("c.py"), "c.py is larger than 1000000 bytes"),
    config("config that would run code", file("c.py", RUNS_CODE), "c.py line 1 is of"),
    config("config nested without end", file("c.py", f"X = {'-' * 90_000}1"), "cannot be read as Python"),
    config("config of half a character", file("c.py", "X = {'a': '\\ud800'}"), "does not agree", code=3),
    config(
        "config with a number of 9000 digits", file("c.py", f"X = 0x{'f' * 9000}"), "c.py line 1 is of no known kind"
    ),
)
