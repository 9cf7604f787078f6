"""A second party's score of the weights in a crate: what it needs, and how it gets into the crate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pointrend.errors import ParamsError, ResultsError
from pointrend.files import canonical_json, sha256_file
from pointrend.results.chain import MODEL, SCORING
from pointrend.results.crate.build import read_crate, write_crate
from pointrend.results.crate.verify_crate import COUNTERSIGNED, Crate, manifest_text, sha256
from pointrend.settings.fingerprints import prepared
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.settings.validation import validated


def weights_here(project: Project, crate: Crate, runs: Sequence[str]) -> Iterator[tuple[str, RunSetting, Path]]:
    """Folder name, setting and weights file of every score of ``runs`` in a crate whose weights this checkout has.

    Raises:
        ParamsError: an unknown run, or the crate is of another scale.
        ResultsError: it has no weights of a run, or its weights, data or settings differ from those of the crate.
    """
    if crate.scale != project.params.scale:
        raise ParamsError(f"the crate is of scale {crate.scale}", f"write: pointrend --scale {crate.scale} countersign")
    for run in runs:
        setting = project.setting(run)
        scored = {Path(folder).name: known for folder, known in crate.counted.items() if f"/{run}-" in folder}
        found = {name: path for name in scored if (path := _weights(project, run, name)).is_file()}
        if not found:
            if not scored:
                raise ResultsError(f"the crate has no counts of {run}", "name a run whose counts it has")
            wanted = " or ".join(f"runs/{crate.scale}/{name}/{MODEL}" for name in scored)
            raise ResultsError(f"the weights of {run} in the crate were not found here", f"copy them to {wanted}")
        for name, path in found.items():
            _, _, weights, content = scored[name]
            theirs = validated(RunSetting, crate.json[f"runs/{crate.scale}/{name}/{SCORING}"]["setting"], name)
            if sha256_file(path) != weights:
                raise ResultsError(f"{path} differs from the weights that the crate has a score of", "copy it again")
            if prepared(project, setting.dataset)["content"] != content:
                what = f"the prepared data of {setting.dataset} differ from those of the crate"
                raise ResultsError(what, "prepare them from the archives that the crate names")
            if len({one.scoring_fingerprint(weights, content, "") for one in (setting, theirs)}) > 1:
                what = f"the crate has a score of {run} with a different setting"
                raise ResultsError(what, "use the params.yaml in the crate")
            yield name, setting, path


def add(path: Path, scores: dict[str, tuple[dict[str, Any], bytes]], key: Path | None, who: bytes) -> list[str]:
    """Add a record and a confusion.parquet for each folder name to the crate; raises as :func:`.write_crate` does.

    What another party has added stays, even if it is the same or was added meanwhile; what this one, or one without a
    key, has added is replaced by the same. ``who`` is the public key.
    """
    crate = read_crate(path)
    files = {f"{name}.json": canonical_json(record).encode() for name, (record, _) in scores.items()}
    files |= {f"{name}.parquet": counts for name, (_, counts) in scores.items()}
    listed = manifest_text(files).encode()
    unsigned, folder = (f"{crate.place}/{COUNTERSIGNED}/{sha256(listed + who)[:12]}/" for who in (b"", who))
    kept = {name: data for name, data in crate.files.items() if not name.startswith(unsigned)}
    return write_crate(path, kept | {folder + name: data for name, data in files.items()}, folder, key)


def _weights(project: Project, run: str, name: str) -> Path:
    if name.endswith("-released"):
        return project.fetched_file(f"released_{run}", project.released_weights(run).name)
    return project.runs_folder / name / MODEL
