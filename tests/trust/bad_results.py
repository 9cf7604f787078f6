"""Results that somebody edited, lost or mixed up, for compare, report and verify."""

from typing import Any

from pointrend.files import write_json
from pointrend.results.compare import sealed
from tests import tiny
from tests.trust.cases import MISSING, Case, Spoil, append, both, cases, remove, write
from tests.trust.ground import Ground

RUN, RESULTS, TABLE = "runs/demo/voc_r50-s0", "results/demo/results.json", "published/pointrend_table.json"
METRICS, TRAIN = f"{RUN}/metrics.json", f"{RUN}/train.json"
INDEX, LABELS = "data/demo/voc/val.index.json", "data/demo/voc/val.labels.bin"
SCRIPT = "<script>alert(1)</script>"


def edited(name: str, key: str, value: Any, seal: bool = False) -> Spoil:
    """Change one value in a JSON file, named by a dotted path; with ``seal`` the hash over it all is made again."""

    def spoil(ground: Ground) -> None:
        content = ground.json(name)
        tiny.put(content, key, value)
        write_json(ground.path(name), sealed(content) if seal else content)

    return spoil


def no_script(ground: Ground) -> None:
    for page in ("index.html", "README.md"):
        text = ground.path(f"results/demo/{page}").read_text()
        assert "alert(1)" in text
        assert SCRIPT not in text


# whatever is a text of somebody's own in results.json holds a script, under a right hash
scripted = both(
    *(edited(RESULTS, f"runs.0.{key}", SCRIPT) for key in ("verdict", "evidence", "sigma_source", "setting.lr")),
    edited(RESULTS, "runs.0.reasons", [SCRIPT], seal=True),
)


def contradiction(name: str, spoil: Spoil, *words: str) -> Case:
    """Such a run gets a row without a figure, and `compare` says so."""
    words = (words[0].removeprefix(f"{RUN}/"), *words[1:])

    def look(ground: Ground) -> None:
        (row,) = ground.json(RESULTS)["runs"]
        assert (row["verdict"], row["miou"]) == ("unverified", None)
        assert all(any(part in row["reasons"][0] for part in word.split("|")) for word in words)

    return compare(name, spoil, "voc_r50 seed 0", *words, code=0, then=look)


def metrics(name: str, content: str | bytes, *words: str) -> Case:
    return compare(f"metrics {name}", write(METRICS, content), METRICS, *words)


def of_results(name: str, spoil: Spoil, *words: str, code: int = 2, command: str = "report") -> Case:
    return Case(f"results {name}", spoil, words, command, "done", code)


compare = cases(state="done", command="compare")
report = cases(state="done", command="report", code=3)
check = cases(state="done", command="report --check", code=3)
evaluate = cases(state="done", command="evaluate voc_r50", code=3)
OTHER_SCORING = ("evaluate.json", "is of another scoring than metrics.json|of a different scoring than metrics.json")
NOT_AS_WRITTEN = "not as it was written|changed since it was written"
OWN_SHA = ("results.json", "its own sha256")
EDITED = edited(RESULTS, "runs.0.miou", 99.0)
SEALED = edited(RESULTS, "runs.0.miou", 99.0, seal=True)
OTHER_TABLE = edited(TABLE, "sections.0.rows.0.miou", "99.9%")
NOT_SAID = "does not match the results|differs from the results|not up to date"
CASES = (
    contradiction("edited number of pictures", edited(METRICS, "n_images", 3), *OTHER_SCORING),
    contradiction("edited GPUs", edited(TRAIN, "gpus", 8), TRAIN, NOT_AS_WRITTEN),
    contradiction("edited machine", edited(f"{RUN}/evaluate.json", "machine", {}), "evaluate.json", NOT_AS_WRITTEN),
    metrics("that are a list", "[]", "miou", "all_accuracy"),
    compare("metrics of text", edited(METRICS, "miou", "good"), METRICS, "in miou|miou: "),
    metrics("of NaN", '{"miou": NaN}', "NaN is no|NaN is not"),
    metrics("with half a character", '{"miou": "\\ud800"}', "surrogates"),
    metrics("nested without end", "[" * 100_000, "recursion"),
    compare("train.json of a number", write(TRAIN, "3"), TRAIN, " run, "),
    evaluate("train.json without a model", write(TRAIN, "{}"), TRAIN, "model_sha256", code=2),
    Case(
        "data manifest of a list",
        write("data/demo/voc/manifest.json", "[]"),
        ("data/demo/voc/manifest.json", "archives, code_sha256, content"),
        **{"command": "train voc_r50", "state": "done"},
    ),
    evaluate("data index of minus", edited(INDEX, "sizes.0", [-128, -128]), INDEX),
    of_results("edited, report", EDITED, *OWN_SHA, code=3),
    of_results("edited, check", EDITED, *OWN_SHA, code=3, command="report --check"),
    of_results("edited and sealed, check", SEALED, "README.md", code=3, command="report --check"),
    of_results("without rows", write(RESULTS, '{"sha256": "1"}'), *OWN_SHA, code=3),
    of_results("sealed without rows", edited(RESULTS, "runs", None, True), "results.json", "runs: "),
    of_results("sealed with text", edited(RESULTS, "runs.0.n", "x", True), "runs.0.n"),
    of_results(
        "with a picture that climbs", edited(RESULTS, "runs.0.pictures", {"../x": {}}, True), "runs.0.pictures.../x"
    ),
    of_results("that are a list", write(RESULTS, "[]"), "results.json", "not a JSON object"),
    of_results("that are gone", remove(RESULTS), "results.json", MISSING, "--scale demo compare", command="verify"),
    report("results with a script", scripted, code=0, then=no_script),
    check("page edited, check", append("results/demo/index.html"), "index.html", NOT_SAID),
    check("page gone, check", remove("results/demo/README.md"), "README.md", NOT_SAID),
    compare("published table edited, compare", OTHER_TABLE, TABLE, code=3),
    compare("published document edited", append("published/pointrend.md"), "pointrend.md has sha256", code=3),
    compare("published table gone", remove(TABLE), TABLE, "published/ from the repository"),
    compare("published definition of a list", write("published/definition.json", "[]"), "definition.json"),
)
