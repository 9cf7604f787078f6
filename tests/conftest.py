"""What all tests share: log handlers, markers, and the distribution over processes."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: several tests run in parallel

import pytest

from pointrend.logs import ROOT

# No setting of whoever runs the tests is one of theirs, and nothing is sent to a server of theirs.
OURS = ("POINTREND_TESTS_MAY_NOT_SKIP", "POINTREND_FUZZ")
for setting in os.environ.keys() - OURS:
    if setting.startswith(("POINTREND_", "MLFLOW_")) or setting == "DVC_STAGE":
        del os.environ[setting]
# A shell starts what it puts into the background with Ctrl-C ignored, which engines started by tests would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
TESTS = Path(__file__).parent
# What tests need, by the beginning of their path; `make test-fast` leaves these out, and those that need an engine.
MARKERS = {
    "slurm": ("slurm/",),
    "browser": ("results/page/test_browser",),
    "slow": (
        *("trust/", "test_demo_learns", "tracking/test_server", "commands/test_released"),
        *("commands/test_verify_released", "training/test_by_hand", "training/test_instruction_sets"),
        *("training/test_mutations", "model/test_norm"),
    ),
}


@pytest.fixture(autouse=True)
def _own_log_handlers():
    """A verb run inside a test sends its messages to that test's screen and log file, and not to the next test's."""
    handlers, level = list(ROOT.handlers), ROOT.level
    yield
    for handler in set(ROOT.handlers) - set(handlers):
        handler.close()
    ROOT.handlers[:] = handlers
    ROOT.setLevel(level)


def pytest_configure(config: pytest.Config) -> None:
    """Distribute tests by the fixtures that they share, where pytest-xdist is active."""
    if config.pluginmanager.hasplugin("xdist"):
        from tests import scheduling

        config.pluginmanager.register(scheduling)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need, and begin with those on Slurm, which mostly wait.

    Tests that take a checkout in which an engine has run, or whose module imports ``Checkout``, run engines.
    """
    for item in items:
        path = item.path.relative_to(TESTS).as_posix()
        for marker, beginnings in MARKERS.items():
            if path.startswith(beginnings):
                item.add_marker(marker)
        if hasattr(getattr(item, "module", None), "Checkout") or {"by_snakemake", "by_dvc"} & {*item.fixturenames}:
            item.add_marker("engine")
    items.sort(key=lambda item: "slurm" not in item.path.parts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let what a test printed pass between processes as UTF-8, even a file name that is not valid UTF-8."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
