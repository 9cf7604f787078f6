"""Starts the processes of one training: torchrun once per node, and on several nodes under srun."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence

from pointrend.errors import MachineError, ParamsError
from pointrend.settings.recipe import Recipe

SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"  # what torchrun passes on to the trainers
RUNNING = "WORLD_SIZE"  # variable of the processes that torchrun has started


def start_processes(recipe: Recipe) -> None:
    """Replace this process by the launcher of ``recipe.gpus`` processes that run the same command.

    Raises:
        ParamsError: the setting has several nodes and this is no Slurm job.
        MachineError: the environment names a network interface that does not exist.
    """
    words = ["-m", "pointrend", *sys.argv[1:]]
    job = os.environ.get("SLURM_JOB_ID")
    check_interfaces(recipe.device != "cpu")
    if recipe.nodes > 1 and not (job or "").isdecimal():
        command = launcher(recipe.gpus, recipe.nodes, "FIRST_NODE", None, words)
        do = f"or type on every node: {shlex.join(command[command.index(sys.executable) :])}"
        raise ParamsError(f"nodes: {recipe.nodes} needs a Slurm job", do)
    command = launcher(recipe.gpus, recipe.nodes, socket.gethostname(), job, words)
    os.execvp(command[0], command)  # noqa: S606 our own interpreter or srun, no shell


def check_numbers(params_file: str) -> None:
    """Run ``pointrend check`` in this Slurm job unless such a machine has been checked; exit as it does if it fails.

    A process of its own leaves no memory on the GPU.
    """
    words = [sys.executable, "-m", "pointrend", "--params", params_file, "check", "--unless-checked"]
    if code := subprocess.run(words, check=False).returncode:  # noqa: S603 our own interpreter, no shell
        sys.exit(code)


def check_interfaces(gpus: bool) -> None:
    """Check the network interfaces that the environment names, before every process fails for itself.

    Raises:
        MachineError: one of them does not exist.
    """
    known = [name for _, name in socket.if_nameindex()]
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME") if gpus else ("GLOO_SOCKET_IFNAME",):
        value = os.environ.get(variable, "")
        gloo, names = variable.startswith("GLOO"), value.lstrip("=").split(",")
        if not value or (not gloo and value.startswith("^")):  # NCCL: all but these
            continue
        exact = gloo or value.startswith("=")  # NCCL takes the beginning of a name, too
        found = [any(one == name if exact else one.startswith(name) for one in known) for name in names]
        if not (all(found) if gloo else any(found)):
            do = f"name one of {', '.join(known)}, or unset {variable}"
            raise MachineError(f"{variable}={value} names a network interface that does not exist", do)


def launcher(gpus: int, nodes: int, first_node: str, job: str | None, words: Sequence[str]) -> list[str]:
    """The command that starts ``python *words`` ``gpus`` times in all; with several nodes it is run on the first.

    ``job`` is the number of the Slurm job, None where it is not known yet.
    """
    torchrun = [sys.executable, "-m", "pointrend.jobs.torchrun"]
    options = [f"--nproc-per-node={gpus // nodes}", f"--signals-to-handle={SIGNALS}", *words]
    if nodes == 1:
        return [*torchrun, "--standalone", *options]
    # Above what services use, below the ephemeral ports; different for jobs that share the first node.
    port = 20000 + int(job or 0) % 10000
    meeting = [f"--nnodes={nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={first_node}:{port}"]
    meeting.append(f"--rdzv-id={job or 'pointrend'}")
    # One task per node: torchrun. Without --cpus-per-task a step has all CPUs of its nodes; the default binding would
    # pin it to one of them.
    srun = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--cpu-bind=none"]
    return [*srun, *torchrun, *meeting, *options]
