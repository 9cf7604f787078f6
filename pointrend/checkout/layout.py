"""The folders and files of a checkout, from its root and the scale; nothing is read or written here."""

from __future__ import annotations

from pathlib import Path

STORE_PARTS = ("pictures.bin", "labels.bin", "index.json")
STORE_FILES = tuple(f"{split}.{part}" for split in ("train", "val") for part in STORE_PARTS)
DATABASE = "mlflow.db"  # MLflow's database where no server is named


class Layout:
    """Where the stages of one scale read and write. A subclass provides ``root`` and ``scale_name``."""

    root: Path

    @property
    def scale_name(self) -> str:
        """The scale, which is part of most paths."""
        raise NotImplementedError

    def relative(self, path: Path) -> str:
        """``path`` relative to the root."""
        return str(path.relative_to(self.root))

    def fetched(self, name: str) -> Path:
        """Manifest of what ``fetch name`` got for this scale."""
        return self.data_folder("archives") / f"{name}.json"

    def fetched_file(self, name: str, file: str) -> Path:
        """A file that ``fetch name`` got, linked to where the stages of this scale look for it."""
        return self.data_folder("archives") / name / file

    def data_folder(self, dataset: str) -> Path:
        """The prepared form of a dataset; ``archives`` holds what the datasets are prepared from."""
        return self.root / "data" / self.scale_name / dataset

    def manifest(self, dataset: str) -> Path:
        """Manifest of the prepared form."""
        return self.data_folder(dataset) / "manifest.json"

    @property
    def runs_folder(self) -> Path:
        """Outputs of all runs of this scale."""
        return self.root / "runs" / self.scale_name

    def run_folder(self, run: str, seed: int) -> Path:
        """Outputs of training and scoring a run."""
        return self.runs_folder / f"{run}-s{seed}"

    def released_folder(self, run: str) -> Path:
        """Outputs of scoring the released weights of a run."""
        return self.runs_folder / f"{run}-released"

    def audited_folder(self, run: str) -> Path:
        """Outputs of auditing the published log and config of a run."""
        return self.runs_folder / f"{run}-published"

    @property
    def checkpoints_folder(self) -> Path:
        """Checkpoints of all runs of this scale."""
        return self.root / "checkpoints" / self.scale_name

    def checkpoint_folder(self, run: str, seed: int, fingerprint: str) -> Path:
        """Checkpoints of one run under one fingerprint."""
        return self.checkpoints_folder / f"{run}-s{seed}" / fingerprint[:16]

    @property
    def results_folder(self) -> Path:
        """results.json and the pages of this scale."""
        return self.root / "results" / self.scale_name

    @property
    def published_folder(self) -> Path:
        """The published table and recipe, and the table of mirrors."""
        return self.root / "published"

    @property
    def first_seen_file(self) -> Path:
        """Checksums that were never published, as the first download found them."""
        return self.published_folder / "released.lock.json"

    @property
    def mirrors_file(self) -> Path:
        """The table of mirrors: where each file can be downloaded."""
        return self.published_folder / "mirrors.json"

    def log_file(self, job: str) -> Path:
        """Log of one job of the DAG, for example ``train-voc_r50-s0``."""
        return self.root / "logs" / self.scale_name / f"{job}.log"
