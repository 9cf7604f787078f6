"""Compare the published training log and config of a run with our recipe, without a GPU and without running either.

Without --log and --cfg both are those that `fetch log_RUN` and `fetch cfg_RUN` got; with one of them only that file
is compared. Exit code 3: something does not agree; the first record or value that differs is named. Lines of a log that
are no records are counted and left out. A value that a config does not state is no difference.

--record writes what was found to runs/<scale>/RUN-published/ instead, for the results, and exits with 0: there, what
does not agree is one finding among others.

examples:
  pointrend --scale paper audit voc_r50
  pointrend --scale paper audit voc_r50 --log tests/golden/logs/sample_s21.log
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pointrend.commands.arguments import add_run
from pointrend.errors import ParamsError
from pointrend.logs import log_to_file
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    parser.add_argument("--log", metavar="FILE", type=Path, help="a training log of your own")
    parser.add_argument("--cfg", metavar="FILE", type=Path, help="a config of your own, base_cfg.py beside it")
    parser.add_argument("--strict", action="store_true", help="refuse a log with lines of no known form (exit code 2)")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--record", action="store_true", help="write the record of both fetched files, for the results")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Print what was found; CheckFailed where it does not agree."""
    from pointrend.results.audit.audits import audit, audit_text, fetched_files, record_audit
    from pointrend.results.audit.logs import read_log

    setting = project.setting(arguments.run)
    project.check_published("log", setting.run)
    log_file, config_file = arguments.log, arguments.cfg
    if arguments.record:
        if log_file or config_file or arguments.json or arguments.strict:
            raise ParamsError(
                "--record cannot be combined with --log, --cfg, --json or --strict", "leave one of them out"
            )
        log_to_file(project.log_file(f"audit-{setting.run}"))
        record_audit(project, setting)
        return
    if not (log_file or config_file):
        log_file, config_file = fetched_files(project, setting.run)
    log = read_log(log_file, arguments.strict) if log_file else None
    found = audit(project, setting, log, config_file)
    print(json.dumps(found.as_json(), indent=2) if arguments.json else audit_text(found))
    found.check()
