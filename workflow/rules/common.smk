# Which runs and seeds are wanted, and the command that every rule calls.

import os
import shlex
import signal
import sys
import uuid

from pointrend.engines.environment import check_folder, check_params_variable
from pointrend.engines.records import Records
from pointrend.engines.slurm import (
    TRAIN_RESOURCES,
    SlurmJobs,
    check_slurm,
    evaluate_gpus,
    train_memory_mb,
    train_resources,
)
from pointrend.engines.stages import ANYTHING_FETCHED, STAGES
from pointrend.engines.startup import hold_checkout, hold_workspace, start_following
from pointrend.errors import PointrendError
from pointrend.engines.summary import FAILED, summary
from pointrend.engines.workflow import Workflow, stage_fields
from pointrend.jobs.attempts import COMMAND, SEEDS
from snakemake.dag import DAG
from snakemake_interface_executor_plugins.settings import DeploymentMethod

try:
    check_folder(Path.cwd(), Path(str(workflow.current_basedir)).parents[1])
    check_params_variable(Path.cwd())
    WANTED = Workflow.from_config(config, Path.cwd())
    if workflow.is_main_process:
        WANTED.check_targets(sys.argv[1:])
except PointrendError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
SCALE = WANTED.scale
POINTREND = WANTED.command()
PROJECT = WANTED.project
SLURM = SlurmJobs(WANTED)
RECORDS = Records(PROJECT)

if workflow.is_main_process:
    os.environ[COMMAND] = uuid.uuid4().hex
    os.environ[SEEDS] = ",".join(map(str, WANTED.seeds))
else:
    # Slurm warns every process of a job that its time is nearly over; this one has to outlive its training.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


onstart:
    try:
        if workflow.executor_plugin.name == "slurm":
            check_slurm()
        if WANTED.cluster:
            hold_checkout(Path.cwd())
        hold_workspace(
            Path.cwd(),
            " ".join(["snakemake", *map(shlex.quote, sys.argv[1:])]),
        )
    except PointrendError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    start_following(PROJECT, shlex.split(POINTREND)[1:])


onsuccess:
    print(summary(WANTED, WANTED.whole_command()), file=sys.stderr)


onerror:
    print(FAILED, summary(WANTED), sep="\n", file=sys.stderr)


# The environment that runs this workflow also runs its jobs, whether or not it was activated; but with conda they run
# in the one that was made for them. `exec` leaves no shell that a signal to all processes of a job would end before its
# command.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    shell.prefix("export POINTREND_ENGINE=snakemake; exec ")
else:
    shell.prefix(
        f'export POINTREND_ENGINE=snakemake PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; exec '
    )


# Every box of `--dag` names its run; Snakemake leaves out what a box before it has.
DAG.new_wildcards = lambda dag, job: set(job.wildcards.items())

RULES = {**STAGES, "fetch": ANYTHING_FETCHED}


def files(stage):
    """The files that `stage` writes, by name: the record first, with wildcards for all but the scale."""
    outs = RULES[stage].outs.items()
    return {name: path.replace("{scale}", SCALE) for name, path in outs}


def log_of(stage, ending="log"):
    """The log of a job of `stage`."""
    return f"logs/{SCALE}/{RULES[stage].job}.{ending}"


def command(stage):
    """The shell command of a job of `stage`."""
    words = RULES[stage].command.replace("{", "{wildcards.")
    return f"{POINTREND} {words}"


def digest(stage):
    """What a job of `stage` follows from besides its input files."""
    return lambda wildcards: WANTED.digest(stage, **fields_of(wildcards))


def fields_of(wildcards):
    """The wildcards that identify a job; the seeds of a run share their digest."""
    return {name: value for name, value in wildcards.items() if name != "seed"}


REPORTED = set()  # what is out of date may be so for several results


def records(stage):
    """An input function: the records of what a job of `stage` reads. Its own result is made again where that is not the
    one wanted now.
    """

    def inputs(wildcards):
        result = next(iter(files(stage).values())).format(**dict(wildcards.items()))
        if workflow.is_main_process and Path(result).exists():
            if fault := RECORDS.fault(stage, *wildcards):
                if fault not in REPORTED:
                    print(f"out of date: {fault}", file=sys.stderr)
                REPORTED.add(fault)
                workflow.dag.forcefiles.add(result)
        return [record_for(need, stage, wildcards) for need in RULES[stage].needs]

    return inputs


def record_for(need, stage, wildcards):
    """The record of `need`, as an input of `stage`. Where data have to be made again as they were, a result that is the
    wanted one neither waits for that nor follows from it.
    """
    fields = {
        **stage_fields(PROJECT, **fields_of(wildcards)),
        **dict(wildcards.items()),
    }
    path = next(iter(STAGES[need].outs.values())).format(**fields)
    if need != "prepare" and not need.startswith("fetch"):
        return path
    data = (
        ("prepare", fields["dataset"])
        if need == "prepare"
        else ("fetch", Path(path).stem)
    )
    restored = (
        workflow.is_main_process
        and Path(path).exists()
        and RECORDS.fault(*data)
        and not RECORDS.fault(stage, *wildcards)
    )
    return before_update(path) if restored else path


def files_of(runs):
    """All files that the scores of some runs rest on: what is missing is made again, whether or not a job waits for it."""
    chosen = [PROJECT.setting(run) for run in runs]
    fetched = [
        name for each in chosen for name in (each.dataset, f"backbone_{each.backbone}")
    ]
    return [
        *expand(rules.fetch.output, name=sorted(set(fetched))),
        *expand(
            rules.prepare.output, dataset=sorted({each.dataset for each in chosen})
        ),
        *expand(rules.train.output, run=runs, seed=WANTED.seeds),
        *expand(rules.evaluate.output, run=runs, seed=WANTED.seeds),
    ]


def recipe(wildcards):
    """The recipe of a job's run."""
    return PROJECT.setting(wildcards.run).recipe


def train_resource(key):
    return lambda w: train_resources(recipe(w))[key]


def threads(wildcards):
    """CPU threads of training and scoring."""
    return recipe(wildcards).threads or workflow.cores or 1


wildcard_constraints:
    name="[A-Za-z0-9_]+",
    dataset="|".join(PROJECT.params.datasets),
    run="|".join(PROJECT.params.runs),
    seed="[0-9]+",
