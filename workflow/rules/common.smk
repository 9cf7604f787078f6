# Which runs and seeds are wanted, and the command that every rule calls.

import os
import shlex
import signal
import sys
import uuid

from pointrend.engines.failures import failures
from pointrend.engines.following import start_following
from pointrend.engines.slurm import TRAIN_RESOURCES
from pointrend.engines.targets import check_targets
from pointrend.engines.workspace import hold_checkout, hold_workspace
from pointrend.errors import PointrendError
from pointrend.project import STORE_FILES
from pointrend.summary import failure_summary, summary
from pointrend.training.attempts import COMMAND
from pointrend.workflow import Workflow
from snakemake_interface_executor_plugins.settings import DeploymentMethod

try:
    WANTED = Workflow.from_config(config, Path.cwd())
    if workflow.is_main_process:
        check_targets(WANTED.project, WANTED.runs, sys.argv[1:])
except PointrendError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
SCALE = WANTED.scale
POINTREND = WANTED.command()
PROJECT = WANTED.project

if workflow.is_main_process:
    os.environ[COMMAND] = uuid.uuid4().hex
else:
    # Slurm tells every process of a job that its time is nearly over; this one has to outlive its training.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


onstart:
    try:
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


def train_resource(key):
    return lambda w: WANTED.train_resources(w.run)[key]


wildcard_constraints:
    name="[A-Za-z0-9_]+",
    dataset="|".join(PROJECT.params.datasets),
    run="|".join(PROJECT.params.runs),
    seed="[0-9]+",
