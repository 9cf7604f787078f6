"""Several processes on one node and on two: every GPU is used, and the weights are the same but for rounding."""

import json

import pytest
import torch
from safetensors.torch import load_file

from tests.slurm.checkouts import ClusterCheckout

GPUS = 4


def tiny(checkout: ClusterCheckout, epochs: int) -> None:
    """Make voc_r50 two iterations an epoch and leave a checkpoint after every one."""
    params = checkout.params()
    params["scales"]["demo"]["datasets"]["voc"]["epochs"] = epochs
    params["scales"]["demo"]["operation"] |= {"checkpoint_minutes": 0}
    checkout.write_params(params)


@pytest.fixture(scope="module")
def trained(prepared):
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


def test_the_record_says_who_trained(trained):
    for nodes, checkout in trained.items():
        record = json.loads((checkout.root / "runs/demo/voc_r50-s0/train.json").read_text())
        assert (record["gpus"], record["nodes"], record["images_per_gpu"]) == (GPUS, nodes, 1)
        assert (record["iterations"], len(record["attempts"])) == (4, 1)


def test_one_node_and_two_give_the_same_weights(trained):
    one, two = (load_file(trained[nodes].root / "runs/demo/voc_r50-s0/model.safetensors") for nodes in (1, 2))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], rtol=1e-6, atol=1e-6, msg=name)
