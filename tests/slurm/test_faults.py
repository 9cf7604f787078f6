"""What happens to runs on a cluster, and that each ends with the weights of a run to which nothing has happened."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.slurm.checkouts import ClusterCheckout, attempts, checkpoints, freeze, iterations, thaw
from tests.slurm.cluster import Cluster, until
from tests.slurm.conftest import ITERATIONS, RUNS, hashes
from tests.workflow.checkout import Checkout

ONE = "voc_r50"
Story = Callable[[ClusterCheckout, Cluster], None]


def six_runs_and_six_faults(checkout: ClusterCheckout, cluster: Cluster) -> None:
    """One command; every run has a fault of its own."""
    requeued, cancelled, killed, late, noticed, quiet = RUNS
    with checkout.start(*checkout.command) as process:
        at_work = {run: freeze(checkout, run, 5) for run in RUNS}
        job = {run: found.holder["job"] for run, found in at_work.items()}
        cluster.run("scontrol", "update", f"jobid={job[late]}", "TimeLimit=1")  # it stays frozen until Slurm ends it
        cluster.stop_daemon("slurmctld")
        thaw(at_work[quiet])
        cluster.start_daemon("slurmctld", "-D")
        until(lambda: job[requeued] in cluster.jobs(), what="the controller is back")

        os.kill(at_work[killed].holder["pid"], signal.SIGKILL)
        cluster.run("scancel", job[cancelled])
        cluster.run("scontrol", "requeue", job[requeued])
        cluster.run("scancel", "--signal=USR1", job[noticed])  # as --signal=USR1@120 does before the end
        thaw(at_work[noticed])
        for number, iteration in ((2, 15), (3, 25)):
            again = freeze(checkout, requeued, iteration, number)
            assert cluster.run("scontrol", "requeue", again.holder["job"]) == ""
        output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output[-5000:]
    ended = {run: [attempt["ended"] for attempt in attempts(checkout, run)] for run in RUNS}
    by_term = r"stopped by SIGTERM at iteration \d+"
    assert [bool(re.fullmatch(by_term, end)) for end in ended[requeued]] == [True, True, True, False]
    assert re.fullmatch(by_term, ended[cancelled][0])
    assert ended[killed] == [None, "done"]
    assert re.match("stopped by SIG", ended[late][0])
    assert re.match("stopped by SIGUSR1", ended[noticed][0])
    assert [attempt["job"] for attempt in attempts(checkout, noticed)] == [job[noticed]] * 2
    assert ended[quiet] == ["done"]
    for run in RUNS:
        record = json.loads((checkout.root / f"runs/demo/{run}-s0/train.json").read_text())
        assert [attempt["ended"] for attempt in record["attempts"][:-1]] == ended[run][:-1]


def a_killed_snakemake(checkout: ClusterCheckout, cluster: Cluster) -> None:
    """The same command again waits for the job that was left behind, without a job of its own that does nothing."""
    with checkout.start(*checkout.command, f"runs={ONE}") as process:
        left = freeze(checkout, ONE, 5)
        process.kill()
    with checkout.start(*checkout.command, f"runs={ONE}") as again:
        until(lambda: waiting(cluster, left.holder["job"]), 120, "a job waits for the one that was left")
        thaw(left)
        output, _ = again.communicate(timeout=300)
    assert again.returncode == 0, output[-5000:]
    # The trainer that was left alone did all of it, and the next one found it done.
    did = [(attempt["iteration"], attempt["ended"]) for attempt in attempts(checkout, ONE)]
    assert did == [(0, "done"), (ITERATIONS, "done")]


def waiting(cluster: Cluster, job: str) -> bool:
    """Whether a job in the queue begins after ``job``."""
    return f"afterany:{job}(" in cluster.run("squeue", "--noheader", "--states=PD", "--format=%E")


def an_interrupted_snakemake(checkout: ClusterCheckout, cluster: Cluster) -> None:
    """Ctrl-C cancels the jobs, which leave checkpoints."""
    with checkout.start(*checkout.command, f"runs={ONE}") as process:
        found = freeze(checkout, ONE, 5)
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode != 0
    until(lambda: found.holder["job"] not in cluster.jobs(), what="the job is cancelled")
    assert iterations(checkout, ONE) >= 5
    checkout.run(*checkout.command, f"runs={ONE}")
    assert attempts(checkout, ONE)[1]["iteration"] >= 5


def a_full_disk(checkout: ClusterCheckout, cluster: Cluster) -> None:
    """No space for a checkpoint: the one before stays, nothing is tried again in vain, and the next command goes on."""
    (checkout.root / "sitecustomize.py").write_text(FULL_DISK)
    params = checkout.params()
    params["scales"]["demo"]["operation"] |= {"checkpoint_minutes": 0}
    checkout.write_params(params)
    output = checkout.run(*checkout.command, f"runs={ONE}", expect=1)
    assert "No space left on device" in output or "No space left" in slurm_logs(checkout)
    assert len(attempts(checkout, ONE)) == 1
    assert "not tried again: [Errno 28] No space left on device" in slurm_logs(checkout)
    folder = checkpoints(checkout, ONE)
    assert folder is not None
    assert sorted(path.name[:9] for path in folder.glob("0*.json")) == ["000000009", "000000010"]
    (checkout.root / "sitecustomize.py").unlink()
    checkout.run(*checkout.command, f"runs={ONE}")
    assert attempts(checkout, ONE)[1]["iteration"] == 10


FULL_DISK = """
import safetensors.torch

save = safetensors.torch.save_file

def save_file(tensors, path, *more):
    if "000000011" in str(path):
        raise OSError(28, "No space left on device")
    save(tensors, path, *more)

safetensors.torch.save_file = save_file
"""


def slurm_logs(checkout: Checkout) -> str:
    """What failed jobs have printed."""
    logs = (checkout.root / ".snakemake/slurm_logs").rglob("*.log")
    return "\n".join(path.read_text() for path in logs)


STORIES: dict[Story, tuple[str, ...]] = {
    six_runs_and_six_faults: RUNS,
    **dict.fromkeys((a_killed_snakemake, an_interrupted_snakemake, a_full_disk), (ONE,)),
}


@pytest.fixture(scope="module")
def told(
    cluster: Cluster, prepared: Callable[[str], ClusterCheckout]
) -> Iterator[dict[Story, tuple[ClusterCheckout, Future[None]]]]:
    """All stories at once, each in a checkout of its own: most of the time they wait for Slurm."""
    with ThreadPoolExecutor(len(STORIES)) as pool:
        checkouts = {story: prepared(story.__name__) for story in STORIES}
        yield {story: (checkout, pool.submit(story, checkout, cluster)) for story, checkout in checkouts.items()}
        cluster.end_users()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_it_ends_with_the_same_weights(
    told: dict[Story, tuple[ClusterCheckout, Future[None]]], undisturbed: Checkout, story: Story
) -> None:
    checkout, end = told[story]
    end.result(timeout=580)
    assert hashes(checkout, STORIES[story]) == hashes(undisturbed, STORIES[story])
