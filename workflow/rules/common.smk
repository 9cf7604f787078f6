# Which runs and seeds are wanted, and the command that every rule calls.

import os
import shlex
import signal
import sys
import uuid

from pointrend.engines.environment import check_folder, check_params_variable
from pointrend.engines.failures import failures
from pointrend.engines.following import start_following
from pointrend.engines.records import Records
from pointrend.engines.slurm import TRAIN_RESOURCES, check_slurm
from pointrend.engines.targets import check_targets
from pointrend.engines.workspace import hold_checkout, hold_workspace
from pointrend.errors import PointrendError
from pointrend.checkout.layout import STORE_FILES
from pointrend.engines.summary import failure_summary, summary
from pointrend.jobs.attempts import COMMAND
from pointrend.engines.workflow import Workflow
from snakemake_interface_executor_plugins.settings import DeploymentMethod

try:
    check_folder(Path.cwd(), Path(str(workflow.current_basedir)).parents[1])
    check_params_variable(Path.cwd())
    WANTED = Workflow.from_config(config, Path.cwd())
    if workflow.is_main_process:
        check_targets(WANTED.project, WANTED.runs, sys.argv[1:])
except PointrendError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
SCALE = WANTED.scale
POINTREND = WANTED.command()
PROJECT = WANTED.project
RECORDS = Records(PROJECT)

if workflow.is_main_process:
    os.environ[COMMAND] = uuid.uuid4().hex
else:
    # Slurm tells every process of a job that its time is nearly over; this one has to outlive its training.
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
    print(
        failure_summary(failures(log, Path.cwd())),
        summary(WANTED),
        sep="\n",
        file=sys.stderr,
    )


# The environment that runs this workflow also runs its jobs, whether or not it was activated; but with conda they run
# in the one that was made for them. `exec` leaves no shell that a signal to all processes of a job would end before its
# command.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    shell.prefix("export POINTREND_ENGINE=snakemake; exec ")
else:
    shell.prefix(
        f'export POINTREND_ENGINE=snakemake PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; exec '
    )


TOLD = set()  # what is out of date may be so for several results


def checked(stage, result):
    """An input function that names no file, but has `result` made again where its record is not the one wanted now."""

    def check(wildcards):
        path = result.format(**dict(wildcards.items()))
        if workflow.is_main_process and Path(path).exists():
            if fault := RECORDS.fault(stage, *wildcards):
                if fault not in TOLD:
                    print(f"out of date: {fault}", file=sys.stderr)
                TOLD.add(fault)
                workflow.dag.forcefiles.add(path)
        return []

    return check


def made_from(manifest, upstream, stage, wildcards):
    """`manifest` as an input of `stage`. Where it is there, and files beside it only have to be made again as they were,
    a result that is as wanted neither waits for that nor follows from it.
    """
    restored = (
        workflow.is_main_process
        and Path(manifest).exists()
        and RECORDS.fault(*upstream)
        and not RECORDS.fault(stage, *wildcards)
    )
    return before_update(manifest) if restored else manifest


def data_of(stage):
    """The manifest of the data of a run, as an input of `stage`."""

    def manifest(wildcards):
        dataset = PROJECT.setting(wildcards.run).dataset
        path = PROJECT.relative(PROJECT.manifest(dataset))
        return made_from(path, ("prepare", dataset), stage, wildcards)

    return manifest


def fetched_for(stage, name_of):
    """The manifest of what is fetched under the name that `name_of` gives, as an input of `stage`."""

    def manifest(wildcards):
        name = name_of(wildcards)
        path = PROJECT.relative(PROJECT.fetched(name))
        return made_from(path, ("fetch", name), stage, wildcards)

    return manifest


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


def train_resource(key):
    return lambda w: WANTED.train_resources(w.run)[key]


wildcard_constraints:
    name="[A-Za-z0-9_]+",
    dataset="|".join(PROJECT.params.datasets),
    run="|".join(PROJECT.params.runs),
    seed="[0-9]+",
