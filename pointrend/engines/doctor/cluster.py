"""Slurm, and whether its nodes see the checkout."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import psutil

from pointrend.engines.doctor.finding import Finding, ask

NETWORK = re.compile("nfs|lustre|gpfs|beegfs|ceph|glusterfs|cifs|smb|afs|panfs|orangefs|wekafs|9p")  # file systems
MIN_JOB_AGE = 60  # seconds that squeue must remember a finished job: three times the profile's interval of 20


def slurm_version() -> str | None:
    """The version that `sinfo` prints; None where no Slurm answers."""
    if ask("sinfo", "--noheader", "--format=%P") is None:
        return None
    return (ask("sinfo", "--version") or "").strip()


def check_slurm(version: str | None) -> list[Finding]:
    """Partitions, GPUs, accounting, and the times that matter when a training is stopped."""
    if version is None:
        return [Finding("slurm", "note", "no Slurm answers on this machine", "only --profile slurm needs it")]
    listed = ask("sinfo", "--noheader", "--format=%P %D %G %l") or ""
    partitions = [
        f"{name} ({nodes} nodes, {gres.replace('(null)', 'no GPUs')}, at most {limit})"
        for name, nodes, gres, limit in (line.split()[:4] for line in listed.splitlines())
    ]
    settings = dict(re.findall(r"^(\w+)\s*= (.*?)\s*$", ask("scontrol", "show", "config") or "", re.MULTILINE))
    return [
        Finding("slurm", "ok", f"{version}: {'; '.join(partitions)}"),
        _status_command(settings),
        _requeue(settings),
    ]


def _status_command(settings: dict[str, str]) -> Finding:
    if settings.get("AccountingStorageType", "").endswith("slurmdbd") and ask("sacct", "--version"):
        do = "set slurm-status-command: sacct in workflow/profiles/slurm/config.yaml; it is more reliable than squeue"
        return Finding("status", "note", "sacct: Slurm has an accounting database", do)
    age = re.match(r"\d+", settings.get("MinJobAge", ""))
    if age and int(age[0]) < MIN_JOB_AGE:
        found = f"squeue, but it forgets finished jobs after {age[0]} s (MinJobAge)"
        do = f"ask the administrators for a MinJobAge of {MIN_JOB_AGE} s or for accounting"
        return Finding("status", "missing", found, do)
    return Finding("status", "ok", "squeue: no accounting database, as the profile expects")


def _requeue(settings: dict[str, str]) -> Finding:
    wait = settings.get("KillWait", "unknown")
    found = f"{wait} from SIGTERM to SIGKILL (KillWait), in which a checkpoint is written"
    seconds = re.match(r"\d+", wait)
    if seconds and int(seconds[0]) < 20:
        return Finding("preemption", "note", found, "this is short: set checkpoint_minutes low to lose little work")
    return Finding("preemption", "ok", found)


def check_shared(root: Path, version: str | None) -> Finding:
    """Whether all nodes see the checkout, as far as this machine can know."""
    kind = file_system(root)
    if NETWORK.search(kind):
        return Finding("shared folder", "ok", f"{root} is on a network file system ({kind})")
    found = f"{root} is on a local file system ({kind})"
    if version is None:
        return Finding("shared folder", "ok", f"{found}; fine without Slurm")
    hosts = set(re.findall(r"NodeHostName=(\S+)", ask("scontrol", "show", "nodes") or ""))
    others = sorted(hosts - {socket.gethostname(), socket.gethostname().split(".")[0]})
    if not others:
        return Finding("shared folder", "ok", f"{found}, and this machine is the only node")
    do = "move the checkout and its environment to a folder that all nodes share, for example $HOME or scratch"
    return Finding("shared folder", "missing", f"{found}: {', '.join(others[:3])} will not see it", do)


def file_system(path: Path) -> str:
    """The type of the file system that the absolute ``path`` is on; ``unknown`` where the system does not report it."""
    types = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    return next((types[folder] for folder in (path, *path.parents) if folder in types), "unknown")
