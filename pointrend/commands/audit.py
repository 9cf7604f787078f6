"""Hold the published training log and config of a run against our recipe, without a GPU and without running either.

Without --log and --cfg both are those that `fetch log_RUN` and `fetch cfg_RUN` got; with one of them only that file
is looked at. Exit code 3: something does not agree; the first record or value that differs is named.

--record writes what was found to runs/<scale>/RUN-published/ instead, for the results, and exits with 0: there, what
does not agree is a finding beside the others.

examples:
  pointrend --scale paper audit voc_r50
  pointrend --scale paper audit voc_r50 --log tests/golden/logs/sample_s21.log
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pointrend.commands.arguments import add_run
from pointrend.errors import AuditError, CheckFailed, ParamsError
from pointrend.logs import log_to_file
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    parser.add_argument("--log", metavar="FILE", type=Path, help="a training log at hand")
    parser.add_argument("--cfg", metavar="FILE", type=Path, help="a config at hand, base_cfg.py beside it")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--record", action="store_true", help="for the results; both files as they were fetched")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Print what was found; CheckFailed where it does not agree."""
    from pointrend.results.audit import report
    from pointrend.results.audit.check_config import check_config
    from pointrend.results.audit.check_log import check_log
    from pointrend.results.audit.configs import read_config
    from pointrend.results.audit.logs import read_log

    setting = project.setting(arguments.run)
    project.check_published("log", setting.run)
    log_file, config_file = arguments.log, arguments.cfg
    if arguments.record and (log_file or config_file or arguments.json):
        raise ParamsError("--record goes with neither --log, --cfg nor --json", "leave one of them out")
    if arguments.record:
        _record(project, setting, *_fetched(project, setting.run))
        return
    if log_file is None and config_file is None:
        log_file, config_file = _fetched(project, setting.run)

    images, sets = project.expected_images(setting.dataset).train, project.params.datasets[setting.dataset].sets
    log = check_log(read_log(log_file), setting, images) if log_file else None
    config = check_config(read_config(config_file), setting, sets) if config_file else None

    if arguments.json:
        print(json.dumps(report.as_json(setting.run, log, config), indent=2))
    else:
        texts = [report.log_text(log_file, log, setting, images)] if log else []
        texts += [report.config_text(config_file, config)] if config else []
        print("\n\n".join(texts))

    differences = report.differences(log, config, config_file)
    if differences:
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        raise CheckFailed(
            f"{setting.run} does not agree: {differences[0]}{more}",
            "find out which of the two is wrong: the recipe in params.yaml or what was published",
        )


def _record(project: Project, setting: RunSetting, log_file: Path, config_file: Path) -> None:
    from pointrend.results.audit.record import write_audit

    log_to_file(project.log_file(f"audit-{setting.run}"))
    write_audit(project, setting, log_file, config_file)


def _fetched(project: Project, run: str) -> tuple[Path, Path]:
    """The log and the config that were fetched.

    Raises:
        AuditError: one is missing; the command that gets it is named.
    """
    names = {kind: f"{kind}_{run}" for kind in ("log", "cfg")}
    published = project.published_files()
    files = {kind: project.fetched_file(name, published[name][0]) for kind, name in names.items()}
    missing = [kind for kind, file in files.items() if not file.is_file()]
    if missing:
        do = " && ".join(f"pointrend --scale {project.params.scale} fetch {names[kind]}" for kind in missing)
        raise AuditError(f"{files[missing[0]]} is not there", f"run: {do}")
    return files["log"], files["cfg"]
