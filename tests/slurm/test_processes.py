"""Several processes on one node and on two: every GPU is used, and the weights are the same but for rounding.

One process of two that is killed costs an attempt and nothing else.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load_file

from pointrend.engines.slurm import sbatch_words, train_resources
from pointrend.files import sha256_file
from tests.ranks import kill_beside
from tests.slurm.checkouts import ClusterCheckout, attempts, freeze, thaw
from tests.slurm.cluster import Cluster, until
from tests.tiny import tiny_setting

GPUS = 4


def tiny(checkout: ClusterCheckout, epochs: int) -> None:
    """Make voc_r50 two iterations an epoch and leave a checkpoint after every one."""
    params = checkout.params()
    params["scales"]["demo"]["datasets"]["voc"]["epochs"] = epochs
    params["scales"]["demo"]["operation"] |= {"checkpoint_minutes": 0}
    checkout.write_params(params)


@pytest.fixture(scope="module")
def trained(prepared: Callable[[str], ClusterCheckout]) -> dict[int, ClusterCheckout]:
    """voc_r50 trained by four processes, on one node and on two, at the same time."""
    checkouts = {nodes: prepared(f"nodes{nodes}") for nodes in (1, 2)}
    started = {}
    for nodes, checkout in checkouts.items():
        tiny(checkout, epochs=2)
        command = ("snakemake", "trained", *checkout.command[1:])
        started[nodes] = checkout.start(*command, "runs=voc_r50", f"gpus={GPUS}", f"nodes={nodes}")
    for process in started.values():
        output, _ = process.communicate(timeout=400)
        assert process.returncode == 0, output[-5000:]
    return checkouts


def test_gpus_of_one_node_are_waited_for(cluster: Cluster) -> None:
    """Where two GPUs are free on each of two nodes, a training on four of one node does not begin."""
    holders = ["--nodes=2", f"--gres=gpu:{GPUS // 2}", "--mem=100", "--wrap=sleep 60"]
    holding = cluster.run("sbatch", "--parsable", "--output=/dev/null", *holders).strip()
    until(lambda: cluster.jobs().get(holding) == "RUNNING", 30, "half of the GPUs are taken")
    words = sbatch_words(train_resources(tiny_setting(f"gpus={GPUS}").recipe), 100, "")
    waiting = cluster.run("sbatch", "--parsable", "--output=/dev/null", *words, "--wrap=sleep 60").strip()
    asked = ("squeue", "--noheader", f"--jobs={waiting}")
    until(lambda: "(Resources)" in cluster.run(*asked, "--format=%R"), 30, "it waits")
    cluster.run("scancel", holding)
    until(lambda: cluster.jobs().get(waiting) == "RUNNING", 30, "it begins on one node")
    assert cluster.run(*asked, "--format=%D").strip() == "1"
    cluster.run("scancel", waiting)
    until(lambda: waiting not in cluster.jobs(), 30, "it is gone")


def test_the_record_says_who_trained(trained: dict[int, ClusterCheckout]) -> None:
    for nodes, checkout in trained.items():
        record = json.loads((checkout.root / "runs/demo/voc_r50-s0/train.json").read_text())
        assert (record["gpus"], record["nodes"], record["images_per_gpu"]) == (GPUS, nodes, 1)
        assert (record["iterations"], len(record["attempts"])) == (4, 1)


def test_one_node_and_two_give_the_same_weights(trained: dict[int, ClusterCheckout]) -> None:
    one, two = (load_file(trained[nodes].root / "runs/demo/voc_r50-s0/model.safetensors") for nodes in (1, 2))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], rtol=1e-6, atol=1e-6, msg=name)


def test_one_of_two_killed_ends_with_the_same_weights(
    cluster: Cluster, prepared: Callable[[str], ClusterCheckout]
) -> None:
    killed, quiet = (prepared(name) for name in ("killed", "quiet"))
    for checkout in (killed, quiet):
        tiny(checkout, epochs=4)
    command = ("snakemake", "trained", *quiet.command[1:], "runs=voc_r50", "gpus=2")
    one, other = (checkout.start(*command) for checkout in (killed, quiet))
    first = freeze(killed, "voc_r50", 2)
    kill_beside(first.holder["pid"], rank=1, number=signal.SIGKILL)
    thaw(first)
    until(lambda: first.holder["job"] not in cluster.jobs(), 40, "the process that is left ends, and its job with it")
    output = [process.communicate(timeout=300)[0] for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), "".join(output)[-5000:]
    assert "Traceback" not in output[0]
    logs = "".join(path.read_text() for path in (killed.root / ".snakemake/slurm_logs").rglob("*.log"))
    assert "error: process 1 of the training was killed by SIGKILL" in logs
    assert "Traceback" not in logs
    begun, again = attempts(killed, "voc_r50")
    assert begun["ended"].startswith("lost contact with the other processes: ")
    assert begun["job"] != again["job"]
    assert 2 <= again["iteration"] < 8
    assert [attempt["ended"] for attempt in attempts(quiet, "voc_r50")] == ["done"]
    weights = "runs/demo/voc_r50-s0/model.safetensors"
    assert sha256_file(killed.root / weights) == sha256_file(quiet.root / weights)
