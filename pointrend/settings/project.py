"""One checkout at one scale: its params, its folders, and what the environment adds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pointrend.errors import ParamsError, PointrendError
from pointrend.files import read_json, sha256_json
from pointrend.settings.archives import (
    DRAWN,
    OFFICIAL,
    PUBLISHED_KINDS,
    Archive,
    Home,
    Mirrors,
    load_home,
    load_mirrors,
    load_pins,
)
from pointrend.settings.params import Images, Params, RunSetting, ScaleParams, load_params

LOSSES = ("loss", "loss_point", "loss_coarse")  # keys of metrics.jsonl; the first is the sum of the others
STORE_PARTS = ("pictures.bin", "labels.bin", "index.json")
STORE_FILES = tuple(f"{split}.{part}" for split in ("train", "val") for part in STORE_PARTS)
DATABASE = "mlflow.db"  # MLflow's database where no server is named
BYTES_PER_PIXEL = {"raw": 4, "compact": 2}  # of the prepared form: 3 of the image and 1 of the label; about half of it


@dataclass(frozen=True)
class Project:
    """A checkout at one scale: its values, and where its stages read and write."""

    root: Path
    params: Params
    overrides: tuple[str, ...] = ()
    pins_file: Path | None = None
    archives_at_hand: str | None = None

    @classmethod
    def load(cls, params_file: Path, scale: str | None = None, overrides: tuple[str, ...] = ()) -> Project:
        """Read ``params_file`` and the environment (POINTREND_SCALE, POINTREND_PINS, POINTREND_ARCHIVES).

        The demo draws its own archives, so it ignores the last two. Raises ParamsError if params.yaml or the scale is
        wrong.
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
        # An engine asks several times for every job of a run.
        return {}

    @property
    def pretrained(self) -> bool:
        """Whether trainings start from an ImageNet backbone; the scale or an override decides."""
        return self.setting(next(iter(self.params.runs))).recipe.pretrained

    @property
    def store_form(self) -> str:
        """How ``prepare`` writes images, ``raw`` or ``compact``."""
        return self.setting(next(iter(self.params.runs))).recipe.store

    def expected_images(self, dataset: str) -> Images:
        """Full counts of a dataset's splits at this scale."""
        return self.scale.images or self.params.datasets[dataset].images

    def kept_images(self, dataset: str) -> dict[str, int]:
        """Images of each split that this scale uses."""
        counts = self.expected_images(dataset).model_dump()
        return {split: min(count, self.scale.limit or count) for split, count in counts.items()}

    def prepared_bytes(self, dataset: str, form: str | None = None) -> float:
        """About how much disk a prepared dataset takes, in the chosen form or in ``form``."""
        pixels = sum(self.kept_images(dataset).values()) * self.params.datasets[dataset].about_megapixels * 1e6
        return pixels * BYTES_PER_PIXEL[form or self.store_form]

    # -- archives

    @cached_property
    def pins(self) -> dict[str, Archive]:
        """Checksums that replace the official ones, by file name (POINTREND_PINS); empty without."""
        return {} if self.pins_file is None else load_pins(self.pins_file)

    @property
    def archive_set(self) -> str:
        """``official``, ``demo``, or ``pins-<hash8>``: which archives these are, by their checksums."""
        if self.scale.data == "drawn":
            return DRAWN
        if not self.pins:
            return OFFICIAL
        return "pins-" + sha256_json({name: pin.checksums for name, pin in self.pins.items()})[:8]

    @property
    def archives_folder(self) -> Path:
        """The downloaded archives of the current set."""
        return self.root / "data" / "archives" / self.archive_set

    def archives_of(self, name: str) -> tuple[Archive, ...]:
        """The files that ``fetch name`` gets, with the checksums that hold here.

        Raises ParamsError if nothing of that name can be fetched; the nearest name that can is given.
        """
        datasets, backbones, published = self.params.datasets, self.params.backbones, self.published_files()
        self.params.known("archive to fetch", name, [*datasets, *(f"backbone_{key}" for key in backbones), *published])
        if name in datasets:
            archives = datasets[name].archives
        elif name in published:
            self.check_published(*name.split("_", 1))
            archives = tuple(Archive(name=file) for file in published[name])
        else:
            archives = (backbones[name.removeprefix("backbone_")].pretrained,)
        return tuple(self.pins.get(archive.name, archive) for archive in archives)

    def published_files(self) -> dict[str, tuple[str, ...]]:
        """File names by what ``fetch`` calls them: ``log_<run>``, ``cfg_<run>``, ``released_<run>``, at any scale."""
        runs = self.params.published.items()
        return {f"{kind}_{run}": names for run, files in runs for kind, names in files}

    def check_published(self, kind: str, run: str) -> None:
        """Raise ParamsError if this scale has no published file of that kind; a scale that has one is named."""
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

    @property
    def audited_runs(self) -> tuple[str, ...]:
        """The runs whose published log and config are audited at this scale."""
        return tuple(self.params.published) if {"log", "cfg"} <= set(self.scale.published) else ()

    def released_weights(self, run: str) -> Archive:
        """The released weights of ``run``; raises as :meth:`check_published` does."""
        self.check_published("released", run)
        return self.archives_of(f"released_{run}")[0]

    @cached_property
    def _mirrors(self) -> dict[str, Mirrors]:
        archives = [archive for dataset in self.params.datasets.values() for archive in dataset.archives]
        archives += [backbone.pretrained for backbone in self.params.backbones.values()]
        files = [archive.name for archive in archives]
        files += [name for names in self.published_files().values() for name in names]
        return load_mirrors(self.published_folder / "mirrors.json", files)

    def urls(self, file: str) -> tuple[str, ...]:
        """URLs of a file, the official one first. Raises ParamsError if the table of mirrors is wrong or lacks one."""
        return self._mirrors[file].urls

    def home(self, dataset: str) -> Home:
        """The site, terms and paper of a dataset; raises ParamsError if published/mirrors.json lacks them."""
        return load_home(self.published_folder / "mirrors.json", dataset)

    def about_bytes(self, *files: Archive) -> float:
        """About how large these files are, or all files of the table of mirrors; raises as :meth:`urls` does."""
        if not files:
            return sum(mirrors.about_gb * 1e9 for mirrors in self._mirrors.values())
        return sum(file.bytes or self._mirrors[file.name].about_gb * 1e9 for file in files)

    def fetched_records(self, name: str, error: type[PointrendError]) -> dict[str, Any]:
        """Size, md5 and sha256, by file name, of what ``fetch name`` got; raises ``error`` if that is not known."""
        path, do = self.fetched(name), f"run: pointrend --scale {self.params.scale} fetch {name}"
        records = read_json(path, error, do, keys=("files",))["files"]
        found = records.values() if isinstance(records, dict) else [None]
        if not all(isinstance(record, dict) and {"bytes", "md5", "sha256"} <= record.keys() for record in found):
            raise error(f"{path} lacks bytes, md5 or sha256 of a file", do)
        return records

    # -- folders and files

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
        return self.root / "data" / self.params.scale / dataset

    def manifest(self, dataset: str) -> Path:
        """Manifest of the prepared form."""
        return self.data_folder(dataset) / "manifest.json"

    @property
    def runs_folder(self) -> Path:
        """Outputs of all runs of this scale."""
        return self.root / "runs" / self.params.scale

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
        return self.root / "checkpoints" / self.params.scale

    def checkpoint_folder(self, run: str, seed: int, fingerprint: str) -> Path:
        """Checkpoints of one run under one fingerprint."""
        return self.checkpoints_folder / f"{run}-s{seed}" / fingerprint[:16]

    @property
    def results_folder(self) -> Path:
        """results.json and the pages of this scale."""
        return self.root / "results" / self.params.scale

    @property
    def starts_folder(self) -> Path:
        """The record of starts of all trainings of this scale."""
        return self.results_folder / "starts"

    @property
    def published_folder(self) -> Path:
        """The published table and recipe, and the table of mirrors."""
        return self.root / "published"

    @property
    def first_seen_file(self) -> Path:
        """Checksums that were never published, as the first download found them."""
        return self.published_folder / "released.lock.json"

    def log_file(self, job: str) -> Path:
        """Log of one job of the DAG, for example ``train-voc_r50-s0``."""
        return self.root / "logs" / self.params.scale / f"{job}.log"
