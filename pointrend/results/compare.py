"""``results.json``: every run against its published number, with the hashes that it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pointrend.errors import CheckFailed, ResultsError
from pointrend.files import read_json, sha256_json, write_json
from pointrend.results.published import Published, published_miou
from pointrend.results.run_files import SelectedRun, find_score


def compare(scale: str, selected: Sequence[SelectedRun], published: Published) -> dict[str, Any]:
    """The content of results.json: one row per selected run and seed, and a hash over it all.

    Figures are in percent. ``measures`` repeats what metrics.json says beside the mIoU, and ``reasons`` says why a
    row is not comparable or not run.

    Raises:
        CheckFailed: files of a run contradict each other; the run and what to do again are named.
        ResultsError: a file of a run cannot be read, or nothing is published for a run.
    """
    return sealed(
        {
            "scale": scale,
            "published": {"file": published.file, "sha256": published.sha256},
            "runs": [_row(run, published_miou(published, run.run)) for run in selected],
        }
    )


def sealed(results: dict[str, Any]) -> dict[str, Any]:
    """``results`` with ``sha256``, the hash of the canonical JSON of everything else in it."""
    content = {key: value for key, value in results.items() if key != "sha256"}
    return content | {"sha256": sha256_json(content)}


def write_results(path: Path, results: dict[str, Any]) -> None:
    """Write results.json atomically."""
    write_json(path, results)


def read_results(path: Path) -> dict[str, Any]:
    """Read a results.json.

    Raises:
        ResultsError: it is missing or no JSON object.
        CheckFailed: it was changed after it was written.
    """
    do = "run `pointrend compare`"
    results = read_json(path, do=do)
    if not isinstance(results, dict):
        raise ResultsError(f"{path} is not a JSON object", do)
    if results != sealed(results):
        raise CheckFailed(f"{path} is not what its own sha256 stands for", do)
    return results


def _row(selected: SelectedRun, published: float) -> dict[str, Any]:
    score, reason = find_score(selected)
    row = {
        "run": selected.run,
        "seed": selected.seed,
        "kind": "trained",
        "miou": None,
        "published_miou": published,
        "difference": None,
        "comparable": selected.comparable,
        "evidence": "inputs",
        "verdict": "not run",
        "reasons": [*([reason] if reason else []), *selected.reasons],
        "interval": None,
        "n": 0,
        "sigma": None,
        "measures": None,
        "pictures": [],
        "hashes": {"fingerprint": selected.fingerprint} if selected.fingerprint else {},
        "setting": selected.setting,
    }
    if score is None:
        return row
    metrics = score.metrics
    return row | {
        "miou": metrics["miou"],
        "difference": metrics["miou"] - published if selected.comparable else None,
        "evidence": "one-seed",
        "verdict": "not judged" if selected.comparable else "not comparable",
        "n": 1,
        "measures": {key: metrics[key] for key in ("all_accuracy", "boundary_iou", "coarse", "n_images")},
        "pictures": metrics["pictures"],
        "hashes": score.hashes,
    }
