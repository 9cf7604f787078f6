"""The records of a workflow that is done, over empty files: what an engine reads to see that nothing is to be done."""

from __future__ import annotations

from pointrend.checkout.code_digest import code_digest
from pointrend.engines.records import PAGES
from pointrend.engines.workflow import Workflow
from pointrend.files import sha256_file, write_json, write_sealed, write_text
from pointrend.settings.fingerprints import scoring_fingerprint, training_fingerprint
from pointrend.settings.params import RunSetting

LOGGED = ("model.safetensors", "metrics.jsonl", "curve.csv", "confusion.parquet")


def write_records(wanted: Workflow) -> None:
    """Write what `fetch`, `prepare`, `train`, `evaluate` and `compare` leave about files that are there already."""
    project = wanted.project
    settings = [project.setting(run) for run in wanted.runs]
    for name in {name for each in settings for name in (each.dataset, f"backbone_{each.backbone}")}:
        write_json(project.fetched(name), {"set": project.archive_set, "files": {}})
    for dataset in wanted.datasets:
        write_json(project.manifest(dataset), _manifest(wanted, dataset))
    rows = [_run(wanted, each, seed) for each in settings for seed in wanted.seeds]
    results = {"sha256": f"{len(rows)} rows", "published": {"data": {}}, "runs": rows}
    write_json(project.results_folder / "results.json", results)
    for page in PAGES:
        write_text(project.results_folder / page, str(results["sha256"]))


def _manifest(wanted: Workflow, dataset: str) -> dict[str, object]:
    """Of data of which nothing differs from what is wanted now, but that there is no archive and no file."""
    project = wanted.project
    official, limit = project.expected_images(dataset).model_dump(), project.scale.limit
    counts = {
        split: {"found": count, "official": count, "kept": min(count, limit or count), "ids_sha256": ""}
        for split, count in official.items()
    }
    code = {"pins": project.archive_set, "code_sha256": code_digest("prepare", dataset)}
    return {"archives": {}, "content": dataset, "files": {}, "counts": counts, **code}


def _run(wanted: Workflow, setting: RunSetting, seed: int) -> dict[str, object]:
    """The records of a run and seed, and its row in results.json."""
    project = wanted.project
    folder = project.run_folder(setting.run, seed)
    nothing = sha256_file(folder / LOGGED[0])
    data = sha256_file(project.manifest(setting.dataset))
    made = {"model_sha256": nothing, "data_manifest_sha256": data, "setting": setting.model_dump(mode="json")}
    train = {**made, "fingerprint": training_fingerprint(project, setting, seed), "curves": {}}
    write_sealed(folder / "train.json", train)
    scores = {"miou": 0.0}
    metrics = {"fingerprint": train["fingerprint"], "model_sha256": nothing, "sha256": nothing, "pictures": {}}
    write_json(folder / "scores.json", scores)
    write_json(folder / "metrics.json", metrics | scores)
    sums = {f"{name}_sha256": sha256_file(folder / f"{name}.json") for name in ("train", "metrics")}
    scored = {**made, **sums, "fingerprint": scoring_fingerprint(project, setting, nothing)}
    write_sealed(folder / "evaluate.json", scored)
    names = (*LOGGED, *(path.name for path in folder.glob("*.json")))
    hashes = {name: sha256_file(folder / name) for name in names}
    return {"run": setting.run, "seed": seed, "kind": "trained", "verdict": "reproduced", "hashes": hashes}
