"""``results.json``: every run compared with its published number, with the hashes that it rests on."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from pointrend.checkout.starts import Starts
from pointrend.errors import CheckFailed, ResultsError
from pointrend.files import read_json, sha256_json
from pointrend.results import verdict
from pointrend.results.audit.audits import with_audit
from pointrend.results.chain import METRICS, MODEL, RESULTS
from pointrend.results.chance import FIRST_LOOK
from pointrend.results.form import fault_of_form
from pointrend.results.intervals import miou_interval, paired_interval
from pointrend.results.published import Figure, Published
from pointrend.results.run_files import UNPUBLISHED, Score, SelectedRun, find_score
from pointrend.results.seeds import with_accounts
from pointrend.results.verdict import Reference, Spread, Verdict
from pointrend.settings.params import Params

log = logging.getLogger(__name__)

COMPARE_AGAIN = "run `pointrend compare`, or restore what it was made from"

Row = dict[str, Any]
# what a row has only with a score of a single set of weights
NO_SCORE: Row = {
    **dict.fromkeys(("image_interval", "paired_interval", "measures", "provenance", "curve", "sealed")),
    "pictures": {},
    "validation": [],
}


def compare(
    scale: str,
    selected: Sequence[SelectedRun],
    published: Published,
    references: Mapping[str, Reference],
    starts: Starts | None = None,
) -> dict[str, Any]:
    """The content of results.json and a hash over it all.

    It has a row of kind ``trained`` per selected run and seed, one of kind ``seeds`` after those of a run with enough
    comparable scores, and one of kind ``released`` per selected release. Figures are in percent. ``references`` holds
    what is known of the trainings behind each published number, by run. ``headline`` counts runs by verdict.
    ``interval`` is that of the difference over seeds, ``image_interval`` that of the mIoU over images,
    ``paired_interval`` that of the mIoU minus the released weights' over the same images; ``measures`` repeats what
    metrics.json has beside the mIoU, ``validation`` is that of :class:`.Score`, ``provenance`` what the figure follows
    from, and ``reasons`` why a row is not run, unverified or not comparable, and what in the published log or config
    differs from us. ``audit`` and ``curve`` are
    those of :func:`with_audit`, ``sealed`` is that of :class:`.seeds.Account`; without ``starts`` the seeds are not
    checked.

    Raises:
        ResultsError: a file of a run cannot be read.
    """
    found = [_row(run, published) for run in selected]
    released = {row["run"]: score for row, score in found if row["kind"] == "released"}
    rows = [
        with_audit(row | {"paired_interval": _paired(row, score, released.get(row["run"]))}, run.folder)
        for run, (row, score) in zip(selected, found, strict=True)
    ]
    for (run, seed), reason in copies(rows).items():
        (row,) = (row for row in rows if (row["run"], row["seed"]) == (run, seed))
        row |= {"comparable": False, "difference": None, "reasons": [reason, *row["reasons"]]}
    judged = judge(with_accounts(rows, starts) if starts else rows, references)
    headline = verdict.headline(judged)
    return sealed({"scale": scale, "published": published.hashes(), "headline": headline, "runs": judged})


def judge(rows: Sequence[Row], references: Mapping[str, Reference]) -> list[Row]:
    """Rows of kind ``trained`` and ``released`` with the verdicts that follow from their differences, and the rows of
    kind ``seeds``."""
    judged: list[Row] = []
    for name in dict.fromkeys(row["run"] for row in rows):
        of_run = [_judged(row, references) for row in rows if row["run"] == name]
        trained = [row for row in of_run if row["kind"] == "trained"]
        judged += [*trained, *_seeds_row(trained, references), *(row for row in of_run if row["kind"] == "released")]
    return judged


def check_verdicts(results: Mapping[str, Any], published: Published, references: Mapping[str, Reference]) -> None:
    """Raise CheckFailed unless differences, verdicts and headline follow from the figures in ``results``."""
    rows = results["runs"]
    judged = [row for row in rows if row["kind"] != "seeds"]
    for row in judged:
        expected = published.miou(row["run"])
        difference = None if expected is None or row["difference"] is None else row["miou"] - expected
        if (row["published_miou"], row["difference"]) != (expected, difference):
            raise CheckFailed(f"{RESULTS}: the difference of {row['run']} is not ours minus published", COMPARE_AGAIN)
    if judge(judged, references) != rows or results["headline"] != verdict.headline(rows):
        raise CheckFailed(f"{RESULTS}: its verdicts do not follow from its figures and params.yaml", COMPARE_AGAIN)


def references(params: Params, published: Published) -> dict[str, Reference]:
    """What is known of the trainings behind the published number, by run.

    One each, sigma as params.yaml states it; at scale demo several of the original, whose sigma they measure.
    """
    sigmas = {name: dataset.sigma for name, dataset in params.datasets.items()}
    spreads = {name: Spread(sigma.points, sigma.source, sigma.degrees) for name, sigma in sigmas.items()}
    return {name: _reference(published.figure(name), spreads[run.dataset]) for name, run in params.runs.items()}


def _reference(figure: Figure | None, stated: Spread) -> Reference:
    if figure is None or figure.spread is None:
        return Reference(stated)
    n = len(figure.mious)
    source = f"{n} trainings of the original, {n - 1} degrees of freedom"
    return Reference(Spread(figure.spread, source, n - 1), n, own=True, rounding=0.0)


def sealed(results: dict[str, Any]) -> dict[str, Any]:
    """``results`` with ``sha256``, the hash of the canonical JSON of everything else in it."""
    content = {key: value for key, value in results.items() if key != "sha256"}
    return content | {"sha256": sha256_json(content)}


def read_results(path: Path) -> dict[str, Any]:
    """Read a results.json.

    Raises:
        ResultsError: it is missing, no JSON object, or not of the form of today's results.
        CheckFailed: it was changed after it was written.
    """
    do = f"run: pointrend --scale {path.parent.name} compare"
    results = read_json(path, do=f"{do}; snakemake --cores all runs all that it needs, too")
    if not isinstance(results, dict):
        raise ResultsError(f"{path} is not a JSON object", do)
    if results != sealed(results):
        raise CheckFailed(f"{path} does not match its own sha256", do)
    if fault := fault_of_form(results):
        raise ResultsError(f"{path} does not have the form of results.json at {fault}", do)
    return results


def copies(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], str]:
    """Why a training does not count, by run and seed, if a different one has exactly the same weights: they are one.

    Two seeds never give equal weights; a copied folder or checkpoint does.
    """
    same: dict[str, list[tuple[str, int]]] = {}
    for row in rows:
        if row["kind"] == "trained" and row["miou"] is not None:
            same.setdefault(row["hashes"][MODEL], []).append((row["run"], row["seed"]))
    return {
        one: f"its weights are those of {', '.join(f'{run} seed {seed}' for run, seed in group if (run, seed) != one)}"
        for group in same.values()
        if len(group) > 1
        for one in group
    }


def scored(score: Score, published: Published) -> Row:
    """What a row states of a score; all of it follows from the run's files, so that ``verify`` can compute it again."""
    metrics, published_miou = score.metrics, published.miou(score.evaluation["run"])
    reasons = reasons_against(score, published)
    return {
        "miou": metrics["miou"],
        "difference": None if published_miou is None or reasons else metrics["miou"] - published_miou,
        "comparable": not reasons,
        "reasons": reasons,
        "evidence": "released" if score.train is None else "one-seed",
        "image_interval": list(miou_interval(score.counts)),
        "measures": {key: metrics[key] for key in ("all_accuracy", "boundary_iou", "coarse", "n_images")},
        "pictures": metrics["pictures"],
        "validation": score.validation,
        "provenance": score.provenance,
        "hashes": score.hashes,
        "setting": dict(score.made["setting"]),
    }


def reasons_against(score: Score, published: Published) -> list[str]:
    """Why a score cannot be compared with the published number, by its own records; empty where it can."""
    definition = published.definition
    reasons = [] if score.train is None else definition.training_reasons(score.train)
    if score.train is None or not reasons:
        reasons = [*reasons, *definition.scoring_reasons(score.evaluation)]
    if published.miou(score.evaluation["run"]) is None:
        reasons = [*reasons, UNPUBLISHED]
    return list(dict.fromkeys(reasons))


def _row(selected: SelectedRun, published: Published) -> tuple[Row, Score | None]:
    """A row and the score in it; where it has a difference, its verdict is not known yet."""
    row = {
        **NO_SCORE,
        "run": selected.run,
        "seed": selected.seed,
        "kind": "released" if selected.seed is None else "trained",
        "miou": None,
        "published_miou": published.miou(selected.run),
        "difference": None,
        "comparable": not selected.reasons,
        "evidence": "inputs",
        "reasons": [*selected.reasons],
        "hashes": {"fingerprint": selected.fingerprint} if selected.fingerprint else {},
        "setting": selected.setting,
        **_statistics(verdict.NOT_RUN),
    }
    try:
        score, reason = find_score(selected)
    except CheckFailed as contradiction:
        log.warning("%s", contradiction)
        return row | _statistics(verdict.UNVERIFIED) | {"reasons": [str(contradiction), *selected.reasons]}, None
    if score is not None:
        return row | scored(score, published), score
    return row | {"reasons": [*([reason] if reason else []), *selected.reasons]}, None


def _paired(row: Row, score: Score | None, released: Score | None) -> list[float] | None:
    """Interval of a training's mIoU minus that of the released weights, both on the same images."""
    if row["kind"] != "trained" or score is None or released is None:
        return None
    try:
        return list(paired_interval(score.counts, released.counts))
    except ValueError as problem:
        log.warning("%s seed %s and its released weights: %s", row["run"], row["seed"], problem)
        return None


def _statistics(judgement: Verdict) -> Row:
    return {
        "verdict": judgement.word,
        "n": judgement.n,
        "sigma": judgement.sigma,
        "sigma_source": judgement.source,
        "interval": None if judgement.interval is None else list(judgement.interval),
        "next": judgement.next,
        "p": judgement.p,
    }


def _judged(row: Row, references: Mapping[str, Reference]) -> Row:
    if row["miou"] is None:
        unverified = row["verdict"] == verdict.UNVERIFIED.word
        return row | _statistics(verdict.UNVERIFIED if unverified else verdict.NOT_RUN)
    if row["difference"] is None:
        return row | _statistics(verdict.NOT_COMPARABLE)
    if row["kind"] == "released":
        return row | _statistics(verdict.released(row["difference"]))
    return row | _statistics(verdict.one_seed(row["difference"], references[row["run"]]))


def _planned(rows: Sequence[Row]) -> list[Row | None]:
    """The rows of the seeds of one run in their planned order; None for a planned seed without a row."""
    sealed = next((row["sealed"] for row in rows if row["sealed"]), None)
    if sealed is None:
        return list(rows)
    of_seed = {row["seed"]: row for row in rows}
    return [of_seed.get(seed) for seed in sealed["seeds"]]


def _seeds_row(rows: Sequence[Row], references: Mapping[str, Reference]) -> list[Row]:
    """The row of a run as a whole; none if too few seeds count: those before the first without a comparable score."""
    planned = _planned(rows)
    counted = [row for row in takewhile(lambda row: row is not None and row["difference"] is not None, planned) if row]
    if len(counted) < FIRST_LOOK:
        return []
    differences, missing = [row["difference"] for row in counted], len(planned) - len(counted)
    row = {
        **counted[0],
        **NO_SCORE,
        "seed": None,
        "kind": "seeds",
        "miou": math.fsum(row["miou"] for row in counted) / len(counted),
        "difference": math.fsum(differences) / len(counted),
        "evidence": "seeds",
        "reasons": [f"{missing} of its {len(planned)} planned seeds have no score that counts yet"] if missing else [],
        "hashes": {f"{METRICS} of seed {row['seed']}": row["hashes"][METRICS] for row in counted},
        **_statistics(verdict.seeds(differences, len(planned), references[counted[0]["run"]])),
    }
    return [row]
