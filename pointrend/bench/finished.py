"""The records of a workflow that is done, over empty files: what an engine reads to see that nothing is to be done."""

from __future__ import annotations

from pointrend.code_digest import code_digest
from pointrend.engines.records import PAGES, Records
from pointrend.files import sha256_file, write_json, write_text
from pointrend.params import RunSetting
from pointrend.workflow import Workflow

LOGGED = ("model.safetensors", "metrics.jsonl", "curve.csv", "confusion.parquet")


def write_records(wanted: Workflow) -> None:
    """Write what `fetch`, `prepare`, `train`, `evaluate` and `compare` leave about files that are there already."""
    project = wanted.project
    settings = [project.setting(run) for run in wanted.runs]
    for name in {name for each in settings for name in (each.dataset, f"backbone_{each.backbone}")}:
        write_json(project.fetched(name), {"set": project.archive_set, "files": {}})
    for dataset in wanted.datasets:
        write_json(project.manifest(dataset), {"archives": {}, "content": dataset, "files": {}})
    rows = [_run(wanted, each, seed) for each in settings for seed in wanted.seeds]
    results = {"sha256": f"{len(rows)} rows", "published": {"data": {}}, "runs": rows}
    write_json(project.results_folder / "results.json", results)
    for page in PAGES:
        write_text(project.results_folder / page, str(results["sha256"]))


def _run(wanted: Workflow, setting: RunSetting, seed: int) -> dict[str, object]:
    """The records of a run and seed, and its row in results.json."""
    project = wanted.project
    folder = project.run_folder(setting.run, seed)
    nothing = sha256_file(folder / LOGGED[0])
    data = sha256_file(project.manifest(setting.dataset))
    made = {"model_sha256": nothing, "data_manifest_sha256": data, "setting": setting.model_dump(mode="json")}
    train = {**made, "fingerprint": Records(project).trained_fingerprint(setting, seed)}
    write_json(folder / "train.json", train)
    scores = {"miou": 0.0}
    metrics = {"fingerprint": train["fingerprint"], "model_sha256": nothing, "sha256": nothing, "pictures": {}}
    write_json(folder / "scores.json", scores)
    write_json(folder / "metrics.json", metrics | scores)
    sums = {f"{name}_sha256": sha256_file(folder / f"{name}.json") for name in ("train", "metrics")}
    write_json(folder / "evaluate.json", {**made, **sums, "code_sha256": code_digest("evaluate")})
    names = (*LOGGED, *(path.name for path in folder.glob("*.json")))
    hashes = {name: sha256_file(folder / name) for name in names}
    return {"run": setting.run, "seed": seed, "kind": "trained", "verdict": "reproduced", "hashes": hashes}
