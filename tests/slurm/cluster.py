"""A private Slurm on this machine: munged, slurmctld and two slurmd, with GPUs that are symbolic links to /dev/null.

All daemons are children of this process, run in the foreground and die with it. Nothing outside one folder is touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NODES, GPUS, CPUS = 2, 4, 16
CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct")
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=3600
KillWait=20
SlurmctldTimeout=30
SlurmdTimeout=60
MessageTimeout=20
PropagateResourceLimits=NONE
PartitionName=gpu Nodes=n[1-{nodes}] Default=YES MaxTime=INFINITE DefaultTime=60 DefMemPerCPU=512 State=UP
"""
NODE = """\
NodeName=n{number} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=65536 Gres=gpu:{gpus}
"""


def until(condition: Callable[[], object], seconds: float = 60, what: str = "") -> None:
    """Return as soon as ``condition`` holds; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what or condition}"
        time.sleep(0.1)


class Cluster:
    """The daemons, and commands to talk to them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pointrend-slurm-"))
        self.folder.chmod(0o755)  # munged wants its socket to be within reach of everybody
        self._starter = ThreadPoolExecutor(1)
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.users: list[subprocess.Popen[str]] = []  # commands that send jobs here; none of them outlives the cluster
        self.env = {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        self._configure()

    def _configure(self) -> None:
        for name in ("munge", "state", "gpu", "bin", *(f"spool.n{number}" for number in range(1, NODES + 1))):
            (self.folder / name).mkdir(mode=0o755)
        for gpu in range(GPUS):
            (self.folder / f"gpu/nvidia{gpu}").symlink_to("/dev/null")
        key = self.folder / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        ports = free_ports(NODES + 1)
        values = {"host": socket.gethostname().split(".")[0], "user": getpass.getuser(), "folder": self.folder}
        text = CONFIG.format(port=ports[0], nodes=NODES, **values)
        for number in range(1, NODES + 1):
            text += NODE.format(number=number, port=ports[number], cpus=CPUS, gpus=GPUS, **values)
        (self.folder / "slurm.conf").write_text(text)
        gres = f"NodeName=n[1-{NODES}] Name=gpu File={self.folder}/gpu/nvidia[0-{GPUS - 1}]\n"
        (self.folder / "gres.conf").write_text(gres)
        for name in CLIENTS:  # the executor drops SLURM_CONF within jobs
            client = self.folder / "bin" / name
            client.write_text(f'#!/bin/sh\nSLURM_CONF={self.env["SLURM_CONF"]} exec {shutil.which(name)} "$@"\n')
            client.chmod(0o755)

    def start(self) -> None:
        """Start all daemons and return when the nodes are idle."""
        munge = self.folder / "munge"
        options = [f"--socket={munge}/socket", f"--key-file={munge}/key", f"--pid-file={munge}/pid"]
        self.start_daemon("munged", "--foreground", *options, f"--log-file={munge}/log", f"--seed-file={munge}/seed")
        until((munge / "socket").exists, what="munged has its socket")
        self.start_daemon("slurmctld", "-D")
        for number in range(1, NODES + 1):
            self.start_daemon("slurmd", "-D", "-N", f"n{number}", name=f"n{number}")
        idle = ("sinfo", "-hN", "-t", "idle", "-o", "%N")
        until(lambda: len(set(self.run(*idle).split())) == NODES, what="nodes are idle")

    def end_users(self) -> None:
        """Kill the commands that are still there."""
        for process in self.users:
            if process.poll() is None:
                process.kill()

    def stop(self) -> None:
        """End all commands, jobs and daemons, and whatever they left behind, and remove everything."""
        self.end_users()
        try:
            if "slurmctld" in self.daemons:
                self._cancel_jobs()
        finally:
            for name in reversed(list(self.daemons)):
                self.stop_daemon(name)
            self._starter.shutdown()
            until(self._kill_processes, 30, "no process of the cluster is left")
            shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self) -> list[int]:
        """Living processes that were started in this cluster: their environment names its folder.

        Slurm finds the processes of a job by their parents. It loses those whose parent has died of a signal, such as
        the engine of a job step whose shell was ended first.
        """
        own, found = str(self.folder).encode(), []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):  # another user's, or ended in the meantime
                    if own in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return found

    def _kill_processes(self) -> bool:
        """Kill what is left of the jobs; whether it is gone."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not self.processes()

    def _cancel_jobs(self) -> None:
        user = getpass.getuser()
        self.run("scancel", "--user", user)
        time.sleep(1)
        self.run("scancel", "--user", user, "--signal=KILL", "--full")
        until(lambda: not self.jobs(), 60, "no job is left")

    def run(self, *command: str) -> str:
        """What a client prints."""
        env = os.environ | self.env
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False).stdout

    def jobs(self) -> dict[str, str]:
        """Living jobs: state by job number."""
        lines = self.run("squeue", "--noheader", "--states=PD,R,CF,CG,S", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def start_daemon(self, program: str, *options: str, name: str | None = None) -> None:
        """Start one daemon."""
        path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert path is not None
        with open(self.folder / f"{name or program}.out", "ab") as output:
            how = {"env": os.environ | self.env, "stdout": output, "stderr": output, "start_new_session": True}
            # A daemon dies with the thread that has started it, so that has to be one that lasts.
            started = self._starter.submit(subprocess.Popen, [path, *options], preexec_fn=_die_together, **how)
            self.daemons[name or program] = started.result()

    def stop_daemon(self, name: str) -> None:
        """Stop one daemon; jobs continue without slurmctld."""
        process = self.daemons.pop(name)
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens at."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _die_together() -> None:
    """In a child: be killed when the parent ends, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
