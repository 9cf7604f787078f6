# Which runs and seeds are wanted, and the command that every rule calls.

import shlex
import sys

from pointrend.engines.following import start_following
from pointrend.engines.workspace import hold_workspace
from pointrend.errors import PointrendError
from pointrend.project import STORE_FILES
from pointrend.workflow import Workflow

try:
    WANTED = Workflow.from_config(config, Path.cwd())
    WANTED.check_targets(sys.argv[1:])
except PointrendError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
SCALE = WANTED.scale
POINTREND = WANTED.command()
PROJECT = WANTED.project


onstart:
    try:
        hold_workspace(
            Path.cwd(),
            " ".join(["snakemake", *map(shlex.quote, sys.argv[1:])]),
        )
    except PointrendError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    start_following(PROJECT, shlex.split(POINTREND)[1:])


# The environment that runs this workflow also runs its jobs, whether or not it was activated.
shell.prefix(
    f'export POINTREND_ENGINE=snakemake PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; '
)


wildcard_constraints:
    name="[A-Za-z0-9_]+",
    dataset="|".join(PROJECT.params.datasets),
    run="|".join(PROJECT.params.runs),
    seed="[0-9]+",
