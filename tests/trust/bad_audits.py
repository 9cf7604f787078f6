"""Logs and configs that nobody would publish, for `audit`."""

from tests.trust.cases import Spoil, cases, folder, link, write

RECORD = (
    "2021-08-01 00:00:00 INFO     [EPOCH]: 1/60, [BATCH]: 50/661, [LEARNING_RATE]: 0.002, [DATASET]: voc\n"
    "\t[LOSS]: loss_cls 1.0000, loss_aux 1.0000, total 2.0000, \n"
)
AUDIT = "--scale paper audit voc_r50 --log x.log"
UNKNOWN = ("x.log line", "of no known form")
NO_RECORD = "x.log has no complete training record"
UNKNOWN_KIND = "c.py line 1"
RUNS_CODE = """X = f'{__import__("os").mkdir("canary")}'"""


TERMINAL = write("x.log", f"\x1b[2J\x07{RECORD}")


def changed(old: str, new: str) -> Spoil:
    return write("x.log", RECORD.replace(old, new))


log = cases(command=AUDIT)
strict_log = cases(command=f"{AUDIT} --strict")
config = cases(command="--scale paper audit voc_r50 --cfg c.py")
DISAGREES = "does not agree|differs"
CASES = (
    log("log without end", link("x.log", "/dev/zero"), "x.log is larger than 100000000 bytes"),
    log("log that is a folder", folder("x.log"), "x.log", "Is a directory"),
    log("log that is not text", write("x.log", b"\xff"), NO_RECORD),
    log("log of half a character of UTF-16", write("x.log", b"\xff\xfe\x00"), NO_RECORD),
    log("rate of 400 digits", changed("0.002", "9" * 400), NO_RECORD),
    log("loss of 400 digits", changed("total 2.0000", f"total {'9' * 400}.0000"), NO_RECORD),
    log("log with a terminal's commands", TERMINAL, DISAGREES, code=3),
    strict_log("log that is not UTF-8, strict", write("x.log", b"\xff"), "x.log", "invalid start byte"),
    strict_log("log with a terminal's commands, strict", TERMINAL, *UNKNOWN, r"\x1b[2J\x07"),
    strict_log("rate of 400 digits, strict", changed("0.002", "9" * 400), *UNKNOWN),
    log("epochs of no batches", changed("661", "0"), "iterations per epoch 0", "ours 661", code=3),
    log("rate of zero", changed("50/", "1/"), DISAGREES, code=3, command=f"--set warmup_ratio=0 {AUDIT}"),
    log("rate next to zero", changed("50/", "1/"), DISAGREES, code=3, command=f"--set lr=5.0e-324 {AUDIT}"),
    config("config without end", link("c.py", "/dev/zero"), "c.py is larger than 1000000 bytes"),
    config("config that would run code", write("c.py", RUNS_CODE), UNKNOWN_KIND, "canary"),
    config("config nested without end", write("c.py", f"X = {'-' * 90_000}1"), UNKNOWN_KIND),
    config("config of half a character", write("c.py", "OPTIMIZER_CFG = {'type': '\\ud800'}"), DISAGREES, code=3),
    config("config that states nothing", write("c.py", "X = {'\\ud800': 1}"), "c.py states none of the values"),
    config("config with a number of 9000 digits", write("c.py", f"X = 0x{'f' * 9000}"), UNKNOWN_KIND, "0xfff"),
)
