"""The command line: parse, call one function, print. A known error is one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from pointrend import __version__
from pointrend.errors import ParamsError, PointrendError, lacks_memory
from pointrend.logs import NO_BARS, calling_engine, log_to_screen

log = logging.getLogger("pointrend")

VERBS = {
    "fetch": "download, resume and verify a dataset, a backbone, released weights, a published log or config",
    "prepare": "turn a dataset's archives into the prepared form",
    "describe": "count images and pixels of a prepared dataset",
    "train": "train a run, or resume it",
    "evaluate": "score a trained run, or released weights, on the val images",
    "predict": "label the images in a folder",
    "export": "write trained weights as one file, or as a folder for a model hub",
    "audit": "compare a run's published training log and config with our recipe",
    "compare": "write results.json: every run beside its published number",
    "report": "write the results pages, or check that they are up to date",
    "track": "send results and curves to MLflow, once (sync) or while trainings run (follow)",
    "verify": "recompute every hash and mIoU of a checkout or a crate; name the first that differs",
    "crate": "pack the results and the files behind them into one zip that anyone can check",
    "countersign": "add your own score of the same weights to a crate",
    "bridge": "record in one engine, dvc or snakemake, what the other has done",
    "status": "print the state of every training: waiting, running, failed or done",
    "diff": "compare two runs or seeds: settings, scores, classes, losses",
    "confusion": "list the pairs of classes that a run confuses most often",
    "plan": "print what a scale would run: iterations, hours, downloads, disk",
    "check": "compare this machine's arithmetic with numbers from the original",
    "doctor": "check what this machine lacks for a scale, and print what to do",
}
MOST_SHOWN = 900  # characters shown of an error message
EXAMPLES = "examples:\n"  # heading of the last part of every help text
NEW_BLOCK = re.compile(r"\n(?=\n|--|sync |follow )")  # a line break of a help text that starts a new paragraph
FIRST_STEPS = f"""{EXAMPLES}  pointrend plan
  pointrend --scale paper fetch voc
  pointrend train voc_r50 --seed 0
  pointrend VERB --help
"""


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments in one line, like all wrong input."""

    def error(self, message: str) -> NoReturn:
        raise ParamsError(f"{self.prog}: {message}", f"see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code is 0, 2 (wrong or missing input), 3 (a failed check) or 75 (stopped)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal's encoding lacks must not end the command.
            stream.reconfigure(errors="backslashreplace")
    log_to_screen()
    try:
        return _run(sys.argv[1:] if arguments is None else list(arguments))
    except BrokenPipeError:
        # The reader, for example `head`, has closed the pipe; Python must not complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if (line := _known(error)) is None:
            raise
        log.error("error: %s", _one_line(line))
        log.debug("traceback", exc_info=True)
        return error.exit_code if isinstance(error, PointrendError) else 2
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    top = top_parser()
    options = top.parse_args(arguments)
    if options.verb is None:
        top.print_help()
        return 2
    if options.verb not in VERBS:
        from pointrend.settings.params_file import nearest

        raise ParamsError(f"there is no verb {options.verb!r}{nearest(options.verb, VERBS)}", "see pointrend --help")
    module = importlib.import_module(f"pointrend.commands.{options.verb}")
    chosen = verb_parser(module).parse_args(options.rest, options)

    from pointrend.settings.project import Project

    log_to_screen(quiet=chosen.quiet)
    if chosen.quiet:
        os.environ[NO_BARS] = "1"
    if engine := calling_engine():
        from pointrend.engines.environment import check_stage

        check_stage(engine, Path.cwd())
    project = Project.load(Path(chosen.params), chosen.scale, tuple(chosen.set))
    return module.run(project, chosen) or 0


def verb_parser(module: ModuleType) -> argparse.ArgumentParser:
    """The parser of the words after a verb; its help is the module's docstring, which ends with the examples."""
    text, heading, examples = (module.__doc__ or "").partition(EXAMPLES)
    parser = _Parser(
        prog=f"pointrend {module.__name__.rpartition('.')[2]}",
        description="\n".join(_filled(block) for block in NEW_BLOCK.split(text)),
        epilog=heading + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    _add_options(parser, shown=False)
    return parser


def top_parser() -> argparse.ArgumentParser:
    """The parser of the words before a verb, which leaves those after it alone."""
    verbs = "\n".join(_filled(f"  {verb:<12}{text}", " " * 14) for verb, text in VERBS.items())
    parser = _Parser(
        prog="pointrend",
        description="Reproduces the six published PointRend results of SSSegmentation.",
        epilog=f"verbs:\n{verbs}\n\n{FIRST_STEPS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="pointrend [--params FILE] [--scale SCALE] [--set KEY=VALUE] VERB ...",
    )
    _add_options(parser, shown=True)
    parser.add_argument("--version", action="version", version=f"pointrend {__version__}")
    parser.set_defaults(params=os.environ.get("POINTREND_PARAMS") or "params.yaml", scale=None, set=[], quiet=False)
    parser.add_argument("verb", nargs="?", metavar="VERB", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _filled(text: str, indent: str = "") -> str:
    """A paragraph in lines that fit an 80-column terminal, after the empty line that it may begin with."""
    filled = textwrap.fill(text.lstrip("\n"), 79, subsequent_indent=indent, break_on_hyphens=False)
    return "\n" * text.startswith("\n") + filled


def _add_options(parser: argparse.ArgumentParser, shown: bool) -> None:
    """The options of every command, before or after the verb; those after it take precedence."""

    def add(option: str, text: str, **more: Any) -> None:
        parser.add_argument(option, default=argparse.SUPPRESS, help=text if shown else argparse.SUPPRESS, **more)

    add("--params", "default: POINTREND_PARAMS, then params.yaml", metavar="FILE")
    add("--scale", "demo, pilot or paper; default: POINTREND_SCALE, then params.yaml")
    add("--set", "override a recipe key for every run; can be repeated", metavar="KEY=VALUE", action="append")
    add("--quiet", "print only warnings and errors", action="store_true")


def _known(error: Exception) -> str | None:
    """The message of one of our errors, or of a failure of the machine, which can happen anywhere; None for a bug."""
    if isinstance(error, PointrendError):
        return str(error)
    if lacks_memory(error):
        do = "choose a smaller batch_size, crop_size or width, smaller images, or a machine with more"
        return f"not enough memory; {do}"
    if isinstance(error, OSError):
        # Full disks, missing permissions: the operating system's message names the file.
        return f"{error}; free space or correct permissions, then try again"
    named = [name for name in re.findall(r"[A-Z]+(?:_[A-Z0-9]+)+", str(error)) if name in os.environ]
    if isinstance(error, ValueError) and named:
        # torch and others read their variables at any time, and name an invalid one.
        return f"{error}; correct or unset {named[0]} in the environment"
    return None


def _one_line(text: str) -> str:
    """``text`` without control characters, and without the middle of an overlong message."""
    line = " ".join(text.split())
    if len(line) > MOST_SHOWN:
        line = f"{line[: MOST_SHOWN // 2]} ... {line[-MOST_SHOWN // 2 :]}"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


if __name__ == "__main__":
    sys.exit(main())
