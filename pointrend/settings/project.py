"""One checkout at one scale: its params, its folders, and what the environment adds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pointrend.errors import ParamsError, PointrendError
from pointrend.files import read_json, sha256_json
from pointrend.settings.params import (
    ArchivePin,
    Images,
    Md5,
    Params,
    RunSetting,
    ScaleParams,
    Sha256,
    load_params,
)
from pointrend.settings.validation import Strict, validated

STORE_PARTS = ("pictures.bin", "labels.bin", "index.json")
STORE_FILES = tuple(f"{split}.{part}" for split in ("train", "val") for part in STORE_PARTS)
LOSSES = ("loss", "loss_point", "loss_coarse")  # keys of metrics.jsonl; the first is the sum of the others
OFFICIAL = "official"
DRAWN = "demo"
DATABASE = "mlflow.db"
"""MLflow's own, in the checkout, where no server is named."""
WITH_ACCOUNT = "cityscapes"
"""The dataset whose archives only registered users can download."""
PUBLISHED_KINDS = {"log": "published log", "cfg": "published cfg", "released": "released weights"}
"""What may be offered beside a published number, in words."""


class FilePin(Strict):
    """What a replaced checksum says of one archive."""

    bytes: int | None = None
    md5: Md5 | None = None
    sha256: Sha256 | None = None


@dataclass(frozen=True)
class Project:
    """A checkout at one scale."""

    root: Path
    params: Params
    overrides: tuple[str, ...] = ()
    pins_file: Path | None = None
    archives_at_hand: str | None = None

    @classmethod
    def load(cls, params_file: Path, scale: str | None = None, overrides: tuple[str, ...] = ()) -> Project:
        """Read ``params_file`` and the environment (POINTREND_SCALE, POINTREND_PINS, POINTREND_ARCHIVES).

        The demo draws its own archives, so the last two do not touch it.

        Raises:
            ParamsError: params.yaml, the scale or the pins file are wrong.
        """
        params = load_params(params_file).at_scale(scale or os.environ.get("POINTREND_SCALE") or None)
        pins, at_hand = os.environ.get("POINTREND_PINS"), os.environ.get("POINTREND_ARCHIVES")
        if params.scales[params.scale].data == "drawn":
            pins = at_hand = None
        return cls(params_file.parent, params, overrides, Path(pins) if pins else None, at_hand or None)

    @property
    def scale(self) -> ScaleParams:
        """The current scale's params."""
        return self.params.scales[self.params.scale]

    def setting(self, run: str) -> RunSetting:
        """The resolved setting of ``run``, overrides included."""
        if run not in self._settings:
            self._settings[run] = self.params.setting(run, self.overrides)
        return self._settings[run]

    @cached_property
    def _settings(self) -> dict[str, RunSetting]:
        """Those asked for so far: an engine asks several times for every job of a run."""
        return {}

    @property
    def pretrained(self) -> bool:
        """Whether trainings start from an ImageNet backbone; the scale says so, or an override."""
        return self.setting(next(iter(self.params.runs))).recipe.pretrained

    @property
    def store_form(self) -> str:
        """How ``prepare`` writes pictures, ``raw`` or ``compact``."""
        return self.setting(next(iter(self.params.runs))).recipe.store

    # -- archives

    @cached_property
    def pins(self) -> dict[str, FilePin]:
        """Checksums that replace the official ones, by file name (POINTREND_PINS); empty without."""
        if self.pins_file is None:
            return {}
        do = 'POINTREND_PINS must name a JSON file {"files": {"<archive>": {"bytes", "md5", "sha256"}}}'
        found = read_json(self.pins_file, ParamsError, do)
        files = found.get("files") if isinstance(found, dict) else None
        if not isinstance(files, dict):
            raise ParamsError(f"{self.pins_file} has no mapping 'files'", do)
        return {name: validated(FilePin, pin, f"{self.pins_file}: files.{name}") for name, pin in files.items()}

    @property
    def archive_set(self) -> str:
        """``official``, ``demo``, or ``pins-<hash8>``: which archives these are, by their checksums."""
        if self.scale.data == "drawn":
            return DRAWN
        if not self.pins:
            return OFFICIAL
        return "pins-" + sha256_json({name: pin.model_dump() for name, pin in self.pins.items()})[:8]

    @property
    def first_seen_file(self) -> Path:
        """Checksums that were never published, as the first download found them."""
        return self.published_folder / "released.lock.json"

    def pinned(self, archive: ArchivePin) -> ArchivePin:
        """``archive`` with the checksums that hold here."""
        pin = self.pins.get(archive.name)
        return archive if pin is None else archive.model_copy(update={**pin.model_dump(), "sha256_prefix": None})

    def archives_of(self, name: str) -> tuple[ArchivePin, ...]:
        """The files that ``fetch name`` gets, with the checksums that hold here.

        Raises:
            ParamsError: nothing of that name can be fetched; the nearest name that can is given.
        """
        datasets, backbones, published = self.params.datasets, self.params.backbones, self.published_files()
        known = [*datasets, *(f"backbone_{backbone}" for backbone in backbones), *published]
        self.params.known("archive to fetch", name, known)
        if name in datasets:
            return tuple(self.pinned(pin) for pin in datasets[name].archives)
        if name in published:
            self.check_published(*name.split("_", 1))
            return tuple(self.pinned(ArchivePin(name=file)) for file in published[name])
        return (self.pinned(backbones[name.removeprefix("backbone_")].pretrained),)

    def published_files(self) -> dict[str, tuple[str, ...]]:
        """File names by what ``fetch`` calls them: ``log_<run>``, ``cfg_<run>``, ``released_<run>``, at any scale."""
        runs = self.params.published.items()
        return {f"{kind}_{run}": names for run, files in runs for kind, names in files}

    def check_published(self, kind: str, run: str) -> None:
        """Make sure that a published file of ``run`` belongs to this scale.

        Raises:
            ParamsError: it does not; a scale that has one is named.
        """
        if run not in self.params.published:
            raise ParamsError(f"nothing is published for {run}", f"choose from {', '.join(self.params.published)}")
        if kind not in self.scale.published:
            others = [scale for scale, params in self.params.scales.items() if kind in params.published]
            do = f"name another scale, for example pointrend --scale {others[0]}" if others else "add it to params.yaml"
            raise ParamsError(f"scale {self.params.scale} has no {PUBLISHED_KINDS[kind]} of {run}", do)

    @property
    def released_runs(self) -> tuple[str, ...]:
        """The runs whose released weights are scored at this scale."""
        return tuple(self.params.published) if "released" in self.scale.published else ()

    def released_weights(self, run: str) -> ArchivePin:
        """The released weights of ``run``, with the checksums that hold here.

        Raises:
            ParamsError: this scale has none; a scale that has them is named.
        """
        self.check_published("released", run)
        return self.pinned(ArchivePin(name=self.params.published[run].released[0]))

    def expected_images(self, dataset: str) -> Images:
        """Full counts of a dataset's splits at this scale."""
        return self.scale.images or self.params.datasets[dataset].images

    # -- folders

    @property
    def archives_folder(self) -> Path:
        """Where archives of the current set lie."""
        return self.root / "data" / "archives" / self.archive_set

    def fetched(self, name: str) -> Path:
        """Manifest of what ``fetch name`` got for this scale."""
        return self.data_folder("archives") / f"{name}.json"

    def fetched_records(self, name: str, error: type[PointrendError]) -> dict[str, Any]:
        """Size, md5 and sha256, by file name, of what ``fetch name`` got; raises ``error`` where that is not known."""
        path, do = self.fetched(name), f"run: pointrend --scale {self.params.scale} fetch {name}"
        records = read_json(path, error, do, keys=("files",))["files"]
        found = records.values() if isinstance(records, dict) else [None]
        if not all(isinstance(record, dict) and {"bytes", "md5", "sha256"} <= record.keys() for record in found):
            raise error(f"{path} does not name bytes, md5 and sha256 of every file", do)
        return records

    def fetched_file(self, name: str, file: str) -> Path:
        """A file that ``fetch name`` got, linked to where the stages of this scale look for it."""
        return self.data_folder("archives") / name / file

    def data_folder(self, dataset: str) -> Path:
        """The prepared form of a dataset; ``archives`` is what they are made from."""
        return self.root / "data" / self.params.scale / dataset

    def manifest(self, dataset: str) -> Path:
        """Manifest of the prepared form."""
        return self.data_folder(dataset) / "manifest.json"

    def store_files(self, dataset: str) -> list[str]:
        """The large files of the prepared form, relative to the root."""
        folder = self.relative(self.data_folder(dataset))
        return [f"{folder}/{file}" for file in STORE_FILES]

    def training_inputs(self, run: str) -> list[str]:
        """Manifests that a training depends on, relative to the root: those of its data and of its backbone."""
        chosen = self.params.runs[run]
        inputs = (self.manifest(chosen.dataset), self.fetched(f"backbone_{chosen.backbone}"))
        return [self.relative(path) for path in inputs]

    def relative(self, path: Path) -> str:
        """``path`` as seen from the root."""
        return str(path.relative_to(self.root))

    def run_folder(self, run: str, seed: int) -> Path:
        """What a trained run leaves behind."""
        return self.runs_folder / f"{run}-s{seed}"

    def released_folder(self, run: str) -> Path:
        """What scoring the released weights of a run leaves behind."""
        return self.runs_folder / f"{run}-released"

    def audited_folder(self, run: str) -> Path:
        """What the audit of a run's published log and config leaves behind."""
        return self.runs_folder / f"{run}-published"

    @property
    def audited_runs(self) -> tuple[str, ...]:
        """The runs whose published log and config are audited at this scale."""
        return tuple(self.params.published) if {"log", "cfg"} <= set(self.scale.published) else ()

    @property
    def runs_folder(self) -> Path:
        """What all runs of the current scale leave behind."""
        return self.root / "runs" / self.params.scale

    def checkpoint_folder(self, run: str, seed: int, fingerprint: str) -> Path:
        """Resumable state of one run under one fingerprint."""
        return self.checkpoints_folder / f"{run}-s{seed}" / fingerprint[:16]

    @property
    def checkpoints_folder(self) -> Path:
        """Resumable state of all runs of the current scale."""
        return self.root / "checkpoints" / self.params.scale

    @property
    def results_folder(self) -> Path:
        """results.json and the pages of the current scale."""
        return self.root / "results" / self.params.scale

    @property
    def published_folder(self) -> Path:
        """The published table and recipe as data."""
        return self.root / "published"

    def log_file(self, job: str) -> Path:
        """Log of one job of the DAG, ``job`` being for example ``train-voc_r50-s0``."""
        return self.root / "logs" / self.params.scale / f"{job}.log"
