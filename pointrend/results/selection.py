"""Which runs are compared, and what their results must have been made with: that of params.yaml as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pointrend.errors import ResultsError, WeightsError
from pointrend.files import read_json
from pointrend.results.published import Published, published_miou
from pointrend.results.run_files import SelectedRun
from pointrend.settings.definition import wanted_reasons
from pointrend.settings.fingerprints import released_sha256, scoring_fingerprint, training_fingerprint
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project

UNPUBLISHED = "nothing was published for this run"


def selected_runs(project: Project, seeds: Sequence[int], published: Published) -> list[SelectedRun]:
    """All runs of params.yaml with these seeds, then the released weights that are scored at this scale."""
    trained = [selected_training(project, run, seed, published) for run in project.params.runs for seed in seeds]
    return trained + [selected_release(project, run) for run in project.released_runs]


def selected_training(project: Project, run: str, seed: int, published: Published) -> SelectedRun:
    """A run with a seed."""
    setting, folder = project.setting(run), project.run_folder(run, seed)
    unpublished = [] if published_miou(published, run) is not None else [UNPUBLISHED]
    fingerprint = scoring = stale = ""
    try:
        fingerprint = training_fingerprint(project, setting, seed)
        if (folder / "train.json").is_file():
            weights = read_json(folder / "train.json", keys=("model_sha256",))["model_sha256"]
            scoring = scoring_fingerprint(project, setting, str(weights))
    except (ResultsError, WeightsError) as missing:
        stale = f"stale: {missing.what}"
    reasons = (*wanted_reasons(project, setting), *unpublished)
    return SelectedRun(
        **_described(setting),
        seed=seed,
        reasons=reasons,
        folder=folder,
        fingerprint=fingerprint,
        scoring_fingerprint=scoring,
        stale=stale,
    )


def selected_release(project: Project, run: str) -> SelectedRun:
    """The released weights of a run."""
    setting = project.setting(run)
    fingerprint = stale = ""
    try:
        fingerprint = scoring_fingerprint(project, setting, released_sha256(project, setting))
    except (ResultsError, WeightsError) as missing:
        stale = f"stale: {missing.what}"
    return SelectedRun(
        **_described(setting),
        seed=None,
        reasons=tuple(wanted_reasons(project, setting, released=True)),
        folder=project.released_folder(run),
        fingerprint=fingerprint,
        scoring_fingerprint=fingerprint,
        stale=stale,
    )


def _described(setting: RunSetting) -> dict[str, Any]:
    return {
        "run": setting.run,
        "dataset": setting.dataset,
        "backbone": setting.backbone,
        "setting": setting.model_dump(mode="json"),
    }
