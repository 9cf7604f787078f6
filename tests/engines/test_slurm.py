"""What is requested from Slurm, compared with the executor's own command; and jobs that an earlier command has left."""

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from pointrend.cli import main
from pointrend.engines.slurm import SlurmJobs, queued_jobs, sbatch_words, train_options, train_resources
from pointrend.engines.workflow import Workflow
from pointrend.errors import ParamsError
from tests.tiny import ROOT, tiny_setting

PROFILE = ROOT / "workflow/profiles/slurm"


class Wanted(dict):
    """Resources as Snakemake hands them to the executor: those that are None are not there."""

    __getattr__ = dict.__getitem__


def submitted(resources: Any, memory_mb: int, options: str) -> set[str]:
    """The words of the executor's sbatch command, those that have a value joined with it."""
    wanted = Wanted({key: value for key, value in resources.items() if value is not None})
    wanted |= {"mem_mb": memory_mb, "slurm_extra": options}
    job = SimpleNamespace(resources=wanted, threads=1)
    names = ("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir")
    command = get_submit_command(job, dict.fromkeys(names, "")) + set_gres_string(job)
    return set(shlex.split(command.replace("--mem ", "--mem=")))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((), "--cpus-per-task=1 --ntasks=1"),
        (("gpus=4",), "--cpus-per-task=4 --nodes=1 --gpus=4"),
        (("gpus=4", "workers=3"), "--cpus-per-task=16 --nodes=1 --gpus=4"),
        (("gpus=4", "nodes=2"), "--cpus-per-task=2 --nodes=2 --ntasks=2 --gres=gpu:2 --ntasks-per-node=1"),
        (("device=cuda",), "--cpus-per-task=1 --nodes=1 --gpus=1"),
    ],
)
def test_the_executor_asks_for_what_the_plan_says(overrides, words):
    recipe = tiny_setting(*overrides).recipe
    options = train_options(recipe, waits_for=())
    planned = sbatch_words(train_resources(recipe), 2000, options)
    assert set(planned) == {"--mem=2000", "--signal=USR1@120", *words.split()}
    executor = submitted(train_resources(recipe), 2000, options)
    assert set(planned) <= executor
    geometry = {word for word in executor if word.startswith(("--n", "--g", "--cpus"))}
    assert geometry <= set(planned)


@pytest.mark.parametrize(("gpus", "nodes"), [(1, 1), (4, 1), (8, 1), (8, 2)])
def test_the_plan_prints_jobs_and_how_processes_start(gpus, nodes, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    params = ["--params", str(ROOT / "params.yaml"), "--scale", "paper"]
    assert main([*params, "--set", f"gpus={gpus}", "--set", f"nodes={nodes}", "plan", "--slurm"]) == 0
    printed = capsys.readouterr().out
    assert printed.count(", seed 0\n") == 6 + 6
    assert printed.count("released weights\n") == 6
    assert printed.count("\n  sbatch ") == 3 + 6 + 6 + 6
    assert printed.count(f"--nproc-per-node={gpus // nodes} ") == (6 if gpus > 1 else 0)
    assert printed.count("  srun --nodes=2 --ntasks=2 --ntasks-per-node=1 ") == (6 if nodes > 1 else 0)


def test_one_place_for_the_site_and_none_for_it_elsewhere():
    profile = yaml.safe_load((PROFILE / "config.yaml").read_text())
    assert profile["executor"] == "slurm"
    assert (ROOT / "slurm").readlink() == Path("workflow/profiles/slurm")
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    for word in ("partition", "account", "runtime", "qos"):
        assert word not in rules


def jobs(**config: Any) -> SlurmJobs:
    return SlurmJobs(Workflow.from_config(config, ROOT))


def test_the_profile_selects_the_published_recipe():
    config = yaml.safe_load((PROFILE / "config_defaults.yaml").read_text())
    assert (jobs(**config).wanted.scale, jobs(**config).wanted.cluster, jobs(**config).group) == ("paper", True, None)
    assert jobs(**config | {"scale": "demo"}).group == "{run}-s{seed}"
    assert jobs(**config | {"scale": "demo", "gpus": 2}).group is None
    assert jobs(scale="demo").group is None
    with pytest.raises(ParamsError, match="there is no cluster 'slrum'"):
        jobs(cluster="slrum")


def test_jobs_of_an_earlier_command_are_waited_for(tmp_path, monkeypatch):
    """In a queue with jobs of this checkout, of another one, and by hand."""
    lines = [
        f"7|RUNNING|None|rule_train_wildcards_voc_r50_0|{ROOT}",
        f"8|RUNNING|None|rule_train_wildcards_voc_r50_0|{ROOT}",
        f"9|RUNNING|None|rule_evaluate_wildcards_voc_r50_0|{ROOT}",
        f"10|RUNNING|None|rule_ade20k_r50-s2_evaluate_train|{ROOT}",
        f"13|RUNNING|None|rule_evaluate_released_wildcards_voc_r50|{ROOT}",
        "11|RUNNING|None|rule_train_wildcards_voc_r101_0|/elsewhere",
        f"12|RUNNING|None|(null)|{ROOT}",
    ]
    (tmp_path / "squeue").write_text("#!/bin/sh\ncat <<END\n" + "\n".join(lines) + "\nEND\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    two = jobs(scale="demo", gpus=2, cluster="slurm")
    assert two.train_options("voc_r50", "0") == "--signal=USR1@120 --dependency=afterany:7:8"
    assert two.train_options("voc_r101", "0") == "--signal=USR1@120"
    for words, options in {
        ("evaluate", "voc_r50", "0"): "--dependency=afterany:9",
        ("evaluate", "voc_r101", "0"): None,
        ("evaluate_released", "voc_r50"): "--dependency=afterany:13",
        ("evaluate_released", "voc_r101"): None,
        ("prepare", "voc"): None,
    }.items():
        assert two.options(*words) == options
    grouped = jobs(scale="demo", cluster="slurm")
    assert grouped.train_options("ade20k_r50", "2") == "--signal=USR1@120 --dependency=afterany:10"
    assert grouped.options("evaluate", "ade20k_r50", "2") == grouped.train_options("ade20k_r50", "2")
    assert jobs(scale="demo").train_options("voc_r50", "0") == "--signal=USR1@120"
    monkeypatch.setenv("PATH", "/nowhere")
    assert queued_jobs(ROOT) == {}
