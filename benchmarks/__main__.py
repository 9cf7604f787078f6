"""Time what takes long, each figure beside the plain way to do it: ``python -m benchmarks loader``.

Writes benchmarks/<what>_<machine>_<date>.json and the table in docs/performance.md, and prints the table. ``verdicts``
simulates how often a verdict is wrong, and writes the tables in docs/verdicts.md.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import torch

from benchmarks import verdicts
from benchmarks.figures import record_of, save, table

FOLDER = Path(__file__).parent
BENCHES = {
    "loader": "training samples, from files as upstream makes them and from the prepared form",
    "step": "a training step at full width beside plain PyTorch, and that of every run; on a GPU if available",
    "inference": "the segmentation of an image at full width beside plain PyTorch, and the memory it takes",
}
VERDICTS = "how often a verdict is wrong, over simulated trainings (two minutes)"


def main() -> None:
    """Run one benchmark and keep its figures."""
    every = BENCHES | {"verdicts": VERDICTS}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=every, help="; ".join(f"{name}: {text}" for name, text in every.items()))
    what = parser.parse_args().what
    if what == "verdicts":
        print(verdicts.write())
        return
    device = torch.device("cuda" if what == "step" and torch.cuda.is_available() else "cpu")
    record = record_of(what, importlib.import_module(f"benchmarks.{what}").run(), device)
    save(record, FOLDER, FOLDER.parent / "docs" / "performance.md")
    print(table(record))


if __name__ == "__main__":
    main()
