"""Twenty changes after which all is hashed anew: a signature shows each, and the arithmetic those of figures."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow
import pyarrow.compute
import pytest

from pointrend.errors import CheckFailed
from pointrend.evaluation.counts_file import write_counts
from pointrend.files import SEAL, canonical_json, sha256_json
from pointrend.results.compare import judge, references, sealed
from pointrend.results.crate.build import METADATA, read_crate
from pointrend.results.crate.signing import signers
from pointrend.results.crate.verify_crate import MANIFEST, count, manifest_text, mean_iou, sha256
from pointrend.results.published import load_published
from pointrend.results.verdict import headline
from pointrend.settings.project import Project
from tests.results.crate.conftest import read, write
from tests.tiny import put

RUN, RESULTS, TABLE = "runs/demo/voc_r50-s0", "results/demo/results.json", "published/demo_original.json"
COUNTS = f"{RUN}/confusion.parquet"
Files = dict[str, bytes]
Change = Callable[[Files], None]


def edit(name: str, change: Callable[[Any], Any]) -> Change:
    def tamper(files: Files) -> None:
        value = json.loads(files[name])
        change(value)
        files[name] = canonical_json(value).encode()

    return tamper


def set_in(name: str, path: str, value: Any) -> Change:
    return edit(name, lambda content: put(content, path, value))


def text(name: str, old: str, new: str) -> Change:
    def tamper(files: Files) -> None:
        assert re.search(old.encode(), files[name])
        files[name] = re.sub(old.encode(), new.encode(), files[name])

    return tamper


def recount(change: Callable[[pyarrow.Table], pyarrow.Table], end: str = COUNTS) -> Change:
    def tamper(files: Files) -> None:
        (name,) = (name for name in files if name.endswith(end))
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(files[name]))
        path = Path(files["tmp"].decode())
        write_counts(path, change(table))
        files[name] = path.read_bytes()

    return tamper


def all_right(table: pyarrow.Table) -> pyarrow.Table:
    for place, name in ((2, "true_positive"), (4, "predicted")):
        table = table.set_column(place, name, table["ground_truth"])
    return table


def better_everywhere(files: Files) -> None:
    """Better counts, and every figure and verdict that follows from them; the second party's counts are removed."""
    recount(all_right)(files)
    miou = mean_iou(count(files[COUNTS], COUNTS)[0])
    set_in(f"{RUN}/metrics.json", "miou", miou)(files)
    project = Project.load(Path(files["root"].decode()) / "params.yaml", "demo")
    published = load_published(project.published_folder, "demo")

    def judged(results: Any) -> None:
        rows = [row for row in results["runs"] if row["kind"] != "seeds"]
        rows[0] |= {"miou": miou, "difference": miou - rows[0]["published_miou"]}
        results["runs"] = judge(rows, references(project.params, published))
        results["headline"] = headline(results["runs"])

    edit(RESULTS, judged)(files)
    for name in [name for name in files if "/countersigned/" in name]:
        del files[name]


def weights(files: Files) -> None:
    old = json.loads(files[RESULTS])["runs"][0]["hashes"]["model.safetensors"].encode()
    for name in (RESULTS, *(f"{RUN}/{record}.json" for record in ("train", "evaluate", "metrics"))):
        files[name] = files[name].replace(old, b"5" * 64)


def hash_anew(files: Files) -> None:
    """Every hash of what was changed, in the order in which they follow from one another."""
    set_in(f"{RUN}/metrics.json", "sha256", sha256(files[COUNTS]))(files)
    for record, stated in (("train", ()), ("evaluate", ("train", "metrics"))):
        for name in stated:
            set_in(f"{RUN}/{record}.json", f"{name}_sha256", sha256(files[f"{RUN}/{name}.json"]))(files)
        edit(f"{RUN}/{record}.json", lambda value: value.update({SEAL: _seal(value)}))(files)
    old = json.loads(files[RESULTS])["sha256"].encode()
    edit(RESULTS, lambda results: _hash_results(files, results))(files)
    for page in ("README.md", "index.html"):
        new = json.loads(files[RESULTS])["sha256"].encode()
        files[f"results/demo/{page}"] = files[f"results/demo/{page}"].replace(old, new)
    edit(METADATA, lambda graph: _hash_entities(files, graph["@graph"]))(files)
    list_anew(files)


def list_anew(files: Files) -> None:
    """The manifests alone."""
    for name in sorted(name for name in files if name.endswith(MANIFEST)):
        files[name] = manifest_text(files, name.removesuffix(MANIFEST)).encode()


def _hash_results(files: Files, results: Any) -> None:
    hashes = results["runs"][0]["hashes"]
    hashes |= {name: sha256(files[f"{RUN}/{name}"]) for name in hashes if f"{RUN}/{name}" in files}
    data = results["published"]["data"]
    data |= {name: sha256(files[f"published/{name}"]) for name in data}
    results |= sealed(results)


def _hash_entities(files: Files, entities: Any) -> None:
    for entity in entities:
        if unquote(entity["@id"]) in files and "sha256" in entity:
            entity["sha256"] = sha256(files[unquote(entity["@id"])])


def _seal(value: dict[str, Any]) -> str:
    return sha256_json({key: one for key, one in value.items() if key != SEAL})


SEEN = {  # without a signature, too: what the verifier says
    "a better verdict": (set_in(RESULTS, "runs.0.verdict", "reproduced"), "its verdict is"),
    "a wider interval": (set_in(RESULTS, "runs.0.interval", [-90.0, 90.0]), "its interval or sigma"),
    "another sigma": (set_in(RESULTS, "runs.0.sigma", 9.9), "its interval or sigma"),
    "a smaller difference": (set_in(RESULTS, "runs.0.difference", 0.1), "difference is"),
    "a better mIoU": (set_in(RESULTS, "runs.0.miou", 99.0), "difference is"),
    "another published mIoU": (set_in(RESULTS, "runs.0.published_miou", 5.0), "published_miou is"),
    "a seed left out": (edit(RESULTS, lambda results: results["runs"].pop(1)), "its seeds are not those planned"),
    "the seeds not judged": (edit(RESULTS, lambda results: results["runs"].pop(3)), "its seeds are not those planned"),
    "another p": (set_in(RESULTS, "runs.3.p.side", 0.9), "its p does not follow"),
    "another headline": (set_in(RESULTS, "headline.reproduced", 1), "the headline"),
    "another score": (set_in(f"{RUN}/metrics.json", "miou", 99.0), "gives mIoU"),
    "better counts": (recount(all_right), "gives mIoU"),
    "an image left out": (
        recount(lambda table: table.filter(pyarrow.compute.field("image") != table["image"][0])),
        "has different labels",
    ),
    "another original": (set_in(TABLE, "runs.voc_r50.0.miou", 1.0), "published_miou is"),
    "other weights": (weights, "the record of starts does not have these weights"),
}
SIGNED = {  # only what was signed shows these
    "everything made better": better_everywhere,
    "another machine": set_in(f"{RUN}/train.json", "machine.processor", "abacus"),
    "another figure on a page": text("results/demo/README.md", r"\d\d\.\d\d", "99.99"),
    "another setting": text("params.yaml", "lr: 0.01", "lr: 0.02"),
    "other code": text("pointrend/evaluation/confusion.py", "np.int64", "np.int32"),
}


def second(**values: Any) -> Change:
    """Change the second party's record."""

    def tamper(files: Files) -> None:
        (name,) = (name for name in files if name.endswith("/voc_r50-s0.json"))
        edit(name, lambda record: record.update(values))(files)

    return tamper


def second_better(files: Files) -> None:
    recount(all_right, "/voc_r50-s0.parquet")(files)
    (counts,) = (data for name, data in files.items() if name.endswith("/voc_r50-s0.parquet"))
    second(miou=mean_iou(count(counts, COUNTS)[0]))(files)


def twice(table: pyarrow.Table) -> pyarrow.Table:
    return pyarrow.concat_tables([table, table.slice(0, 1)])


def impossible(table: pyarrow.Table) -> pyarrow.Table:
    return table.set_column(2, "true_positive", pyarrow.compute.add(table["ground_truth"], 1))


LINKS = {  # each statement of a record, broken alone: the change, what is made anew, what the verifier says
    "a cell counted twice": (recount(twice), hash_anew, "counts an image and class twice"),
    "more right than there are": (recount(impossible), hash_anew, "has impossible counts"),
    "other images": (set_in(f"{RUN}/evaluate.json", "data.ids_sha256.val", "0" * 64), hash_anew, "all prepared images"),
    "weights of metrics.json": (
        set_in(f"{RUN}/metrics.json", "model_sha256", "0" * 64),
        hash_anew,
        "combines files of",
    ),
    "results.json": (set_in(RESULTS, "runs.0.evidence", "seeds"), list_anew, "does not match its own sha256"),
    "more rows than fit": (recount(lambda table: table.take([0] * 2**22)), hash_anew, "has more rows"),
    "published": (text("published/retrainings.csv", "43.35", "43.36"), list_anew, "published/retrainings.csv is not"),
    "starts": (set_in("results/demo/starts/000001.json", "time", "today"), list_anew, "starts/ was edited"),
    "page": (
        text("results/demo/index.html", "[0-9a-f]{64}", "0" * 64),
        list_anew,
        "a page does not belong to",
    ),
    "metadata": (text("params.yaml", "lr: 0.01", "lr: 0.02"), list_anew, "gives a wrong sha256 for params.yaml"),
    "curve": (text(f"{RUN}/curve.csv", "1", "2"), list_anew, "curve.csv: wrong sha256"),
    "weights of the second party": (second(model_sha256="0" * 64), list_anew, "has different weights or data"),
    "mIoU of the second party": (second(miou=99.0), list_anew, "its mIoU does not match its counts"),
    "another second score": (second_better, list_anew, "is too far from"),
}


@pytest.mark.parametrize("name", LINKS)
def test_a_broken_link_is_named(tampered, name):
    change, anew, what = LINKS[name]
    with pytest.raises(CheckFailed, match=what):
        read_crate(tampered(change, anew))


def test_two_files_of_one_name_are_not_one(crate, tmp_path):
    path = Path(shutil.copy(crate, tmp_path))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("params.yaml", b"other")
    with pytest.raises(CheckFailed, match="has two files with the same name"):
        read_crate(path)


@pytest.fixture
def tampered(crate, done, tmp_path):
    def tampered(change: Change, anew: Change = hash_anew) -> Path:
        files = read(crate)
        own = {"tmp": str(tmp_path / "counts").encode(), "root": str(done.root).encode()}
        changed = files | own
        change(changed)
        for name in own:
            del changed[name]
        assert changed != files
        anew(changed)
        return write(tmp_path / "tampered.crate.zip", changed)

    return tampered


def unsigned(path: Path, keys: Path) -> None:
    with pytest.raises(CheckFailed, match=r"^manifest-sha256\.txt is not signed by a party"):
        list(signers(read(path), keys / "allowed"))


@pytest.mark.parametrize("name", SEEN)
def test_a_changed_figure_is_seen_and_not_signed(tampered, keys, name):
    change, what = SEEN[name]
    path = tampered(change)
    with pytest.raises(CheckFailed, match=what):
        read_crate(path)
    unsigned(path, keys)


@pytest.mark.parametrize("name", SIGNED)
def test_what_follows_from_one_another_is_not_signed(tampered, keys, name):
    path = tampered(SIGNED[name])
    read_crate(path)
    unsigned(path, keys)


def test_there_are_twenty_tries_and_an_unchanged_crate_hashed_anew_holds(crate, keys):
    files = read(crate)
    before = dict(files)
    hash_anew(files)
    assert files == before
    assert len(SEEN | SIGNED) == 20


def forge(change: Callable[[list[Any]], None]) -> Change:
    """Change the rows of kind ``trained``, and every verdict that follows from them."""

    def tamper(files: Files) -> None:
        project = Project.load(Path(files["root"].decode()) / "params.yaml", "demo")
        of = references(project.params, load_published(project.published_folder, "demo"))

        def judged(results: Any) -> None:
            rows = [row for row in results["runs"] if row["kind"] == "trained"]
            change(rows)
            results["runs"] = judge(rows, of)
            results["headline"] = headline(results["runs"])

        edit(RESULTS, judged)(files)

    return tamper


def without_plan(rows: list[Any]) -> None:
    del rows[1]
    for row in rows:
        row["sealed"] = None


def other_seed(files: Files) -> None:
    """Seed 0 once more in the place of seed 1."""
    for name in [name for name in files if name.startswith(f"{RUN}/")]:
        files[name.replace("-s0", "-s1")] = files[name]
    taken = ("miou", "difference", "hashes", "measures", "provenance")
    forge(lambda rows: rows[1].update({key: rows[0][key] for key in taken}))(files)
    edit(RESULTS, lambda results: results["runs"][1].update(hashes=_new_hashes(files, results["runs"][0])))(files)


def _new_hashes(files: Files, row: Any) -> dict[str, str]:
    return {
        name: sha256(files[f"{RUN}/{name}"]) if f"{RUN}/{name}" in files else row["hashes"][name]
        for name in row["hashes"]
    }


def moved(files: Files) -> None:
    """The results of the demo as those of scale paper."""
    set_in(RESULTS, "scale", "paper")(files)


FORGED = {  # what the records in the crate refute, although all was judged and hashed anew
    "a seed and the plan left out": (forge(without_plan), "its seeds are not those planned"),
    "a seed of two not shown": (forge(lambda rows: rows.pop(2)), "its seeds are not those planned"),
    "a run left out": (set_in("params.json", "runs.voc_r101", {}), "leaves out runs"),
    "fewer runs": (set_in(RESULTS, "headline.runs", 2), "the headline"),
    "a better mean": (
        edit(
            RESULTS,
            lambda results: results["runs"][3].update(
                {key: results["runs"][3][key] + 1 for key in ("miou", "difference")}
            ),
        ),
        "its interval or sigma does not follow",
    ),
    "a row twice": (edit(RESULTS, lambda results: results["runs"].append(results["runs"][3])), "twice"),
    "a seed in the place of another": (other_seed, "does not have these weights|start is missing"),
    "of another scale": (moved, "is not of one scale"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_crate_is_refuted_by_its_own_records(tampered, name):
    change, what = FORGED[name]
    with pytest.raises(CheckFailed, match=what):
        read_crate(tampered(change))


def test_a_training_that_is_said_not_to_have_run_is_shown(tampered):
    nothing = {"miou": None, "difference": None, "hashes": {}}
    lines = read_crate(tampered(forge(lambda rows: rows[2].update(nothing)))).lines
    assert "voc_r50 trained 2: not run, BUT ITS TRAINING ENDED" in lines


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../x", "a//x", "a\\x", "x\n", "é", "results/paper/results.json", "a/"]
)
def test_a_name_that_is_not_plain_is_refused(crate, tmp_path, name):
    files = read(crate) | {name: b"{}"}
    list_anew(files)
    with pytest.raises(CheckFailed, match=r"two files|more than plain|one scale"):
        read_crate(write(tmp_path / "a.crate.zip", files))


@pytest.mark.parametrize("where", ["before", "after", "link", "comment"])
def test_what_other_programs_would_unpack_differently_is_refused(crate, tmp_path, where):
    path = Path(shutil.copy(crate, tmp_path))
    other = write(tmp_path / "other.zip", {"params.yaml": b"other"}).read_bytes()
    if where == "before":
        path.write_bytes(other + path.read_bytes())
    elif where == "after":
        path.write_bytes(path.read_bytes() + other)
    elif where == "comment":
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = other[:-22]
    else:
        files = read(crate)
        with zipfile.ZipFile(path, "w") as archive:
            for name in files:
                info = zipfile.ZipInfo(name)
                info.external_attr = (0o120777 if name == "params.yaml" else 0o100644) << 16
                archive.writestr(info, files[name])
    with pytest.raises(CheckFailed):
        read_crate(path)


def garbage(files: Files) -> None:
    files[COUNTS] = files[COUNTS][:200] + bytes(100) + files[COUNTS][300:]


def test_counts_that_cannot_be_read_are_a_fault(tampered):
    with pytest.raises(CheckFailed):
        read_crate(tampered(garbage))
