"""torchrun with the exit codes of the trainers and without a traceback.

``python -m pointrend.jobs.torchrun`` takes the arguments of torchrun.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.elastic.rendezvous import RendezvousError
from torch.distributed.run import parse_args, run

from pointrend.errors import CheckFailed, MachineError, PointrendError, TrainingStopped

KNOWN = (PointrendError.exit_code, CheckFailed.exit_code, TrainingStopped.exit_code)


def main(arguments: Sequence[str]) -> int:
    """Run the trainers of this node; the exit code is theirs."""
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # the trainers report their own errors
    options = parse_args(list(arguments))
    try:
        run(options)
    except ChildFailedError as error:
        report_killed(error.failures)
        return joint_exit_code(failure.exitcode for failure in error.failures.values())
    except SignalException:
        return TrainingStopped.exit_code
    except RendezvousError:
        what = f"the nodes cannot connect at {options.rdzv_endpoint}"
        do = "make sure that the first node can be reached and the port is free, then start all of them again"
        print(f"error: {MachineError(what, do)}", file=sys.stderr)
        return MachineError.exit_code
    return 0


def report_killed(failures: Mapping[int, ProcessFailure]) -> None:
    """Print which process, by rank, was the first to be killed by a signal, since it could report nothing itself.

    SIGTERM is left out: torchrun ends the other processes with it.
    """
    for rank, failure in sorted(failures.items(), key=lambda item: item[1].timestamp):
        if failure.exitcode < 0 and failure.exitcode != -signal.SIGTERM:
            what = f"process {rank} of the training was killed by {failure.signal_name()}"
            print(f"error: {what}; the same command resumes from the last checkpoint", file=sys.stderr)
            return


def joint_exit_code(codes: Iterable[int]) -> int:
    """The most informative code: a failure that would occur again, else a stop, else 1 (a crash or a kill)."""
    found = set(codes)
    return next((code for code in KNOWN if code in found), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
