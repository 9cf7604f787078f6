"""Results that somebody edited, lost or mixed up, for compare, report and verify."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from pointrend.files import write_json
from pointrend.results.compare import sealed
from tests.trust.cases import Case
from tests.trust.ground import Ground

RUN, RESULTS, TABLE = "runs/demo/voc_r50-s0", "results/demo/results.json", "published/pointrend_table.json"


def edited(name: str, key: str, value: Any, seal: bool = False) -> Callable[[Ground], None]:
    """Change one value in a JSON file, named by a dotted path; with ``seal`` the hash over it all is made again."""

    def spoil(ground: Ground) -> None:
        path = ground.path(name)
        content = place = json.loads(path.read_text())
        *parents, last = (int(part) if part.isdecimal() else part for part in key.split("."))
        for parent in parents:
            place = place[parent]
        place[last] = value
        write_json(path, sealed(content) if seal else content)

    return spoil


def replaced(name: str, content: str | bytes) -> Callable[[Ground], None]:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda ground: ground.path(name).write_bytes(data) and None


def gone(name: str) -> Callable[[Ground], None]:
    return lambda ground: ground.path(name).unlink()


def other_counts(ground: Ground) -> None:
    """One more right pixel, in a whole parquet file."""
    path = ground.path(f"{RUN}/confusion.parquet")
    table = parquet.read_table(path)
    more = [value + (place == 0) for place, value in enumerate(table.column("predicted").to_pylist())]
    column = table.schema.get_field_index("predicted")
    parquet.write_table(table.set_column(column, "predicted", pa.array(more, pa.int64())), path)


def one_more(name: str) -> Callable[[Ground], None]:
    def spoil(ground: Ground) -> None:
        with open(ground.path(name), "a") as stream:
            stream.write(" ")

    return spoil


def unverified(*words: str) -> Callable[[Ground], None]:
    """The row of the run has no figure, and says why."""

    def look(ground: Ground) -> None:
        (row,) = json.loads(ground.path(RESULTS).read_text())["runs"]
        assert (row["verdict"], row["miou"]) == ("unverified", None)
        for word in words:
            assert word in row["reasons"][0]

    return look


def not_run(ground: Ground) -> None:
    (row,) = json.loads(ground.path(RESULTS).read_text())["runs"]
    assert (row["verdict"], row["miou"]) == ("not run", None)


SCRIPT = "<script>alert(1)</script>"


def scripted(ground: Ground) -> None:
    """Whatever is a text of somebody's own in results.json holds a script, under a right hash."""
    for key in ("verdict", "evidence", "sigma_source", "setting.lr"):
        edited(RESULTS, f"runs.0.{key}", SCRIPT, seal=True)(ground)
    edited(RESULTS, "runs.0.reasons", [SCRIPT], seal=True)(ground)


def no_script(ground: Ground) -> None:
    for page in ("index.html", "README.md"):
        text = ground.path(f"results/demo/{page}").read_text()
        assert "alert(1)" in text
        assert SCRIPT not in text


METRICS, TRAIN = f"{RUN}/metrics.json", f"{RUN}/train.json"
OTHER = "0" * 64


def broken(name: str, spoil: Callable[[Ground], Any], command: str, code: int, *words: str) -> Case:
    return Case(name, "done", spoil, command, code, words)


def contradiction(name: str, spoil: Callable[[Ground], Any], *words: str) -> Case:
    """Such a run gets a row without a figure, and `compare` says so."""
    return Case(name, "done", spoil, "compare", 0, ("voc_r50 seed 0", *words), unverified(*words))


CASES = (
    contradiction("edited number", edited(METRICS, "miou", 99.9), "is of another scoring than metrics.json"),
    contradiction("edited counts", other_counts, "is not the one that metrics.json was made from"),
    contradiction(
        "edited number of pictures", edited(METRICS, "n_images", 3), "is of another scoring than metrics.json"
    ),
    contradiction("missing counts", gone(f"{RUN}/confusion.parquet"), "is not the one that metrics.json was made from"),
    contradiction("hash of another run", edited(METRICS, "model_sha256", OTHER), "scores other weights"),
    contradiction("run of another seed", edited(TRAIN, "seed", 1), "train.json is not as it was written"),
    contradiction("missing log", gone(f"{RUN}/metrics.jsonl"), "metrics.jsonl is not there"),
    contradiction("edited fingerprint", edited(TRAIN, "fingerprint", OTHER), "train.json is not as it was written"),
    contradiction("edited GPUs", edited(TRAIN, "gpus", 8), "train.json is not as it was written"),
    contradiction(
        "edited machine", edited(f"{RUN}/evaluate.json", "machine", {}), "evaluate.json is not as it was written"
    ),
    contradiction("edited scores", edited(f"{RUN}/scores.json", "miou", 99.9), "scores.json does not follow from"),
    contradiction("edited curve", one_more(f"{RUN}/curve.csv"), "curve.csv is not the one that train.json names"),
    Case("missing metrics", "done", gone(METRICS), "compare", 0, (), not_run),
    broken("metrics that are a list", replaced(METRICS, "[]"), "compare", 2, METRICS, "does not have miou"),
    broken("metrics cut short", replaced(METRICS, '{"miou": 1'), "compare", 2, METRICS, "cannot read"),
    broken("metrics of text", edited(METRICS, "miou", "good"), "compare", 2, METRICS, "another kind of value in miou"),
    broken("metrics of NaN", replaced(METRICS, '{"miou": NaN}'), "compare", 2, METRICS, "NaN is no number"),
    broken("metrics of 1e999", replaced(METRICS, '{"miou": 1e999}'), "compare", 2, METRICS, "1e999 is no number"),
    broken(
        "metrics with half a character", replaced(METRICS, '{"miou": "\\ud800"}'), "compare", 2, METRICS, "surrogates"
    ),
    broken("metrics nested without end", replaced(METRICS, "[" * 100_000), "compare", 2, METRICS, "recursion"),
    broken("metrics of bytes", replaced(METRICS, b"\xff\xfe"), "compare", 2, METRICS, "utf-8"),
    broken("train.json of a number", replaced(TRAIN, "3"), "compare", 2, TRAIN, "does not have run"),
    broken("train.json without a model", replaced(TRAIN, "{}"), "evaluate voc_r50", 2, TRAIN, "model_sha256"),
    broken(
        "data manifest of a list",
        replaced("data/demo/voc/manifest.json", "[]"),
        "train voc_r50",
        2,
        "does not have archives, code_sha256, content",
    ),
    broken(
        "data index of minus",
        edited("data/demo/voc/val.index.json", "sizes.0", [-128, -128]),
        "evaluate voc_r50",
        3,
        "val.index.json",
    ),
    broken(
        "data cut short",
        replaced("data/demo/voc/val.labels.bin", b"0"),
        "evaluate voc_r50",
        3,
        "val.labels.bin does not have the bytes that",
    ),
    broken("results edited, report", edited(RESULTS, "runs.0.miou", 99.0), "report", 3, "its own sha256"),
    broken("results edited, check", edited(RESULTS, "runs.0.miou", 99.0), "report --check", 3, "its own sha256"),
    broken("results edited, verify", edited(RESULTS, "runs.0.miou", 99.0), "verify", 3, "its own sha256"),
    broken(
        "results edited and sealed, check", edited(RESULTS, "runs.0.miou", 99.0, True), "report --check", 3, "README.md"
    ),
    broken(
        "results edited and sealed, verify",
        edited(RESULTS, "runs.0.miou", 99.0, True),
        "verify",
        3,
        RESULTS.split("/")[-1],
    ),
    broken("results without rows", replaced(RESULTS, '{"sha256": "1"}'), "report", 3, "its own sha256"),
    broken(
        "results sealed without rows", edited(RESULTS, "runs", None, True), "report", 2, "form of results.json at runs"
    ),
    broken("results sealed with text", edited(RESULTS, "runs.0.n", "x", True), "report", 2, "runs.0.n"),
    broken(
        "results with a picture that climbs",
        edited(RESULTS, "runs.0.pictures", {"../x": {}}, True),
        "report",
        2,
        "runs.0.pictures.../x",
    ),
    broken("results that are a list", replaced(RESULTS, "[]"), "report", 2, "not a JSON object"),
    broken("results that are gone", gone(RESULTS), "verify", 2, "results.json is not there", "--scale demo compare"),
    Case("results with a script", "done", scripted, "report", 0, (), no_script),
    broken("page edited, check", one_more("results/demo/index.html"), "report --check", 3, "index.html is not what"),
    broken("page gone, check", gone("results/demo/README.md"), "report --check", 3, "README.md is not what"),
    broken("weights edited, verify", one_more(f"{RUN}/model.safetensors"), "verify", 3, f"{RUN}/model.safetensors"),
    broken("counts edited, verify", other_counts, "verify", 3, "confusion.parquet"),
    broken("prepared data edited, verify", one_more("data/demo/voc/val.labels.bin"), "verify", 3, "val.labels.bin"),
    broken("published table edited, compare", edited(TABLE, "sections.0.rows.0.miou", "99.9%"), "compare", 3, TABLE),
    broken("published table edited, report", edited(TABLE, "sections.0.rows.0.miou", "99.9%"), "report", 3, TABLE),
    broken("published document edited", one_more("published/pointrend.md"), "compare", 3, "pointrend.md has sha256"),
    broken("published table gone", gone(TABLE), "compare", 2, TABLE, "published/ from the repository"),
    broken(
        "published definition of a list", replaced("published/definition.json", "[]"), "compare", 2, "definition.json"
    ),
)
