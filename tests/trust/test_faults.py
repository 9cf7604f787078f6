"""Writes that fail while a training runs: the same command then gives the result of a calm machine."""

import errno

import pytest

from pointrend.cli import main
from pointrend.files import atomic_path, sha256_file
from tests.trust.faults import failing

NUMBERS = [errno.ENOSPC, errno.EIO]


@pytest.mark.parametrize("fails", [0, 3, 10, 15, 28])
def test_a_training_whose_disk_fails_is_finished_by_the_same_command(fails, ground_of, made, capfd):
    ground = ground_of("prepared")
    with failing(fails, NUMBERS[fails % 2]) as disk:
        code = main(["--quiet", "train", "voc_r50"])
    errors = [line for line in capfd.readouterr().err.splitlines() if "error: " in line]
    assert (code, len(errors)) == (2, 1), disk.calls
    assert disk.error().strerror in errors[0]
    assert main(["--quiet", "train", "voc_r50"]) == 0
    model = "runs/demo/voc_r50-s0/model.safetensors"
    assert sha256_file(ground.path(model)) == sha256_file(made("done").path(model))
    assert not list(ground.root.rglob(".*.tmp"))


def test_the_file_of_a_living_writer_is_no_leftover(tmp_path):
    with atomic_path(tmp_path / "file") as first:
        first.write_text("first")
        with atomic_path(tmp_path / "file") as second:
            second.write_text("second")
        assert first.read_text() == "first"
    assert (tmp_path / "file").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damaged", [b"", b'{"iteration": 99}\n' * 99])
def test_a_log_that_lost_or_gained_bytes_is_that_of_its_checkpoint_again(ground_of, damaged):
    ground = ground_of("done")
    (log,) = ground.root.glob("checkpoints/demo/voc_r50-s0/*/metrics.jsonl")
    whole = log.read_bytes()
    log.write_bytes(damaged)
    ground.path("runs/demo/voc_r50-s0/metrics.jsonl").unlink()
    assert main(["train", "voc_r50"]) == 0
    assert log.read_bytes() == ground.path("runs/demo/voc_r50-s0/metrics.jsonl").read_bytes() == whole
