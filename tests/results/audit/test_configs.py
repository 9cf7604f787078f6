"""Reading configs: the published kinds of statements, and nothing is ever run."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointrend.errors import AuditError
from pointrend.results.audit.configs import LARGEST_FILE, PUBLISHED, read_config
from tests.results.audit.samples import BASE, CITYSCAPES_R101, OLDER_BASE, OLDER_R101, REGISTERED, VOC_R50, write_config


def refusal(path: Path) -> str:
    with pytest.raises(AuditError) as caught:
        read_config(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "base"), [(VOC_R50, BASE), (CITYSCAPES_R101, BASE), (OLDER_R101, OLDER_BASE)], ids=["voc", "cs", "older"]
)
def test_it_reads_what_running_it_would_give(tmp_path: Path, text: str, base: str) -> None:
    """These configs are our own, so here they may be run for comparison."""
    names: dict[str, Any] = {}
    exec(base + text.replace("from .base_cfg import *", ""), names)  # noqa: S102 our own text
    ran, config = (
        {name: value for name, value in names.items() if name.endswith("_CFG")},
        read_config(write_config(tmp_path, text, base)),
    )
    for found in (ran, config):
        found["DATASET_CFG"].pop("rootdir", None)
        found["COMMON_CFG"].pop("work_dir", None)
    assert config == ran


def test_paths_have_no_value(tmp_path: Path) -> None:
    config = read_config(write_config(tmp_path, VOC_R50 + "WHERE = os.path.join('a', 'b')\n"))
    assert config["DATASET_CFG"]["rootdir"] is config["COMMON_CFG"]["work_dir"] is config["WHERE"] is None


def test_a_config_of_today_is_refused_in_a_line_that_names_the_commit_to_take(tmp_path: Path) -> None:
    said = refusal(write_config(tmp_path, REGISTERED))
    assert "line 2 is of no known kind: 'from .._base_ import REGISTERED_" in said
    assert said.endswith(f"; audit the config of upstream's commit {PUBLISHED}, which `fetch cfg_RUN` gets")


OTHER_STATEMENTS = """\
import sys
import os as path
from .other import *
from base_cfg import *
from .base_cfg import DATASET_CFG
print('hello')
open('made', 'w').write('x')
X = open('made', 'w')
X = __import__('os').system('touch made')
X = {'a': __import__('pathlib').Path('made').touch()}
SCHEDULER_CFG['max_epochs'] = int('60')
SCHEDULER_CFG[str('max_epochs')] = 60
SCHEDULER_CFG.update(max_epochs=60)
SCHEDULER_CFG.update({**OPTIMIZER_CFG})
SCHEDULER_CFG.update([('max_epochs', 60)])
SCHEDULER_CFG.pop('max_epochs')
SCHEDULER_CFG = OPTIMIZER_CFG.copy()
SCHEDULER_CFG = OPTIMIZER_CFG
A = B = 1
A, B = 1, 2
A += 1
A: int = 1
if True: pass
for i in (1, 2): pass
def f(): pass
class C: pass
del SCHEDULER_CFG
SCHEDULER_CFG['power'].update({'a': 1})
DATASET_CFG['train']['aug_opts'][0] = 1
NOWHERE['a'] = 1
SCHEDULER_CFG['nowhere']['a'] = 1
NOWHERE = NOWHERE.copy()
X = {[]: 1}
X = {}.x.path.join('a')
X = [1, 2][2]
X = [1, 2]['a']
X = NOWHERE[0]
"""


@pytest.mark.parametrize("statement", OTHER_STATEMENTS.splitlines())
def test_any_other_statement_is_quoted_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_config(tmp_path / "cfg", VOC_R50 + statement + "\n")
    line = VOC_R50.count("\n") + 1
    assert f"{path} line {line} is of no known kind: {statement[:300]!r}" in refusal(path)
    assert not (tmp_path / "made").exists()


def test_a_statement_in_the_base_is_named_there(tmp_path: Path) -> None:
    path = write_config(tmp_path, VOC_R50, BASE + "from .base_cfg import *\n")
    line = BASE.count("\n") + 1
    assert f"{tmp_path / 'base_cfg.py'} line {line} is of no known kind: 'from .base_cfg import *'" in refusal(path)


def test_the_line_within_a_long_statement_is_quoted(tmp_path: Path) -> None:
    path = write_config(tmp_path, VOC_R50.replace("    'num_classes': 21,", "    'num_classes': len('abc'),"))
    line = VOC_R50[: VOC_R50.index("    'num_classes'")].count("\n") + 1
    assert f"{path} line {line} is of no known kind: \"'num_classes': len('abc'),\"" in refusal(path)


def test_files_that_are_no_configs(tmp_path: Path) -> None:
    path = write_config(tmp_path, "SCHEDULER_CFG = {\n'a': 1\n")
    assert "line 1 is of no known kind: 'SCHEDULER_CFG = {'" in refusal(path)
    path.write_bytes(b"\xff\xfe")
    assert "cannot read" in refusal(path)
    for unreadable in ("X = 1\x00", "X = " + "-" * 100_000 + "1", "X = " + "[" * 300):
        path.write_text(unreadable)
        assert str(path) in refusal(path)
    path.write_text("#" * (LARGEST_FILE + 1))
    assert "larger than" in refusal(path)
    path.write_text(VOC_R50)
    (tmp_path / "base_cfg.py").unlink()
    assert "base_cfg.py does not exist; put the config and its base_cfg.py into one folder" in refusal(path)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(VOC_R50) - 1), new=st.text(max_size=3))
def test_whatever_is_changed_is_read_or_refused(tmp_path: Path, place: int, new: str) -> None:
    path = write_config(tmp_path, VOC_R50)
    path.write_text(VOC_R50[:place] + new + VOC_R50[place + 1 :])
    with contextlib.suppress(AuditError):
        read_config(path)
