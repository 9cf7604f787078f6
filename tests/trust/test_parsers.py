"""Whatever bytes come in, only errors that we know come out."""

import copy
import json
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given

from pointrend.cli import main
from pointrend.datasets.prepare.masks import decode_mask
from pointrend.datasets.prepare.samples import EncodedSample, decode_sample
from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Store, StoreWriter
from pointrend.datasets.voc import read_ids
from pointrend.errors import PointrendError
from pointrend.evaluation.counts_file import read_counts
from pointrend.files import read_json, write_json
from pointrend.results.compare import read_results, sealed
from pointrend.results.report import render_readme, terminal_table
from pointrend.settings.params import Params, load_params
from pointrend.settings.params_file import parse_override
from pointrend.settings.validation import validated
from tests.datasets.layouts import encoded, pixels, values
from tests.results.pages import page_of
from tests.results.runs import finish, published, results_of, selected
from tests.trust.ground import ROOT, Ground
from tests.trust.profiles import examples

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with a few of them changed, cut out, doubled or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 16))
        data[place : place + length] = draw(st.binary(max_size=16))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@st.composite
def changed(draw: st.DrawFn, tree: Any) -> Any:
    """A tree of mappings and lists with one value replaced, removed or added somewhere."""
    found = place = copy.deepcopy(tree)
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return found
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
            place = inner
            continue
        action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if action == "remove":
            del place[key]
        elif action == "add" and isinstance(place, dict):
            place[draw(st.text(max_size=6))] = draw(JSON)
        else:
            place[key] = draw(JSON)
        return found


def survives(parse: Callable[[], Any]) -> Any:
    """What ``parse`` returns; None where it raises an error that we know. No other error may come out."""
    try:
        return parse()
    except PointrendError:
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parsers")


@examples(120)
@given(
    st.binary(max_size=200)
    | damaged(b"scale: demo\nseeds: [0, 1]\nrecipe: {lr: 0.01, crop: [64, 64]}\nx: &a 2001-01-01\n")
)
def test_params_of_any_bytes(folder, data):
    (folder / "params.yaml").write_bytes(data)
    assert survives(lambda: load_params(folder / "params.yaml")) is None


@examples(100)
@given(changed(PARAMS))
def test_params_of_any_values(tree):
    params = survives(lambda: validated(Params, tree, "params.yaml"))
    if params is not None:
        for scale in params.scales:
            for run in params.runs:
                survives(lambda scale=scale, run=run: params.at_scale(scale).setting(run))


@examples(150)
@given(
    st.text(max_size=30)
    | st.sampled_from(["lr=", "epochs=", "crop_size="]).flatmap(lambda key: st.text(max_size=20).map(key.__add__))
)
def test_values_typed(text):
    if survives(lambda: parse_override(text)) is not None:
        survives(lambda: validated(Params, PARAMS, "params.yaml").setting("voc_r50", (text,)))


@examples(150)
@given(st.binary(max_size=60))
def test_lists_of_ids(data):
    ids = survives(lambda: read_ids("train.txt", data))
    assert ids is None or (len(set(ids)) == len(ids) and all(id == id.strip() != "" for id in ids))


PICTURES = {kind: encoded(pixels(1), kind) for kind in ("PNG", "JPEG")}
MASK = encoded(values(1, [1, 2]), mode="P")


@pytest.mark.parametrize("kind", PICTURES)
@examples(150)
@given(st.data())
def test_pictures_and_masks(kind, data):
    picture, mask = data.draw(damaged(PICTURES[kind])), data.draw(st.just(MASK) | damaged(MASK))
    sample = survives(lambda: decode_sample(EncodedSample("id", picture, mask, decode_mask), classes_of("voc")))
    assert sample is None or sample.image.shape[2] == 3


@examples(120)
@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass"))
    | JSON.map(lambda value: json.dumps(value).encode())
)
def test_json_of_any_bytes(folder, data):
    (folder / "any.json").write_bytes(data)
    survives(lambda: write_json(folder / "again.json", read_json(folder / "any.json")))


@pytest.fixture(scope="module")
def results(folder):
    return json.loads(json.dumps(results_of(folder / "runs")))


@examples(150)
@given(data=st.data())
def test_results_with_a_right_hash_and_any_values(folder, results, data):
    tree = data.draw(changed(results))
    try:
        write_json(folder / "results.json", sealed(tree))
    except (ValueError, TypeError):
        return  # no JSON could hold this
    read = survives(lambda: read_results(folder / "results.json"))
    if read is not None:
        for render in (lambda: page_of(read, folder), lambda: render_readme(read, published())):
            survives(render)
        terminal_table(read, published())


@examples(40)
@given(data=st.data())
def test_counts_of_any_bytes(folder, data):
    run = selected(folder / "counts")
    if not run.folder.exists():
        finish(run)
    whole = (run.folder / "confusion.parquet").read_bytes()
    (folder / "counts.parquet").write_bytes(data.draw(damaged(whole)))
    survives(lambda: read_counts(folder / "counts.parquet"))


@examples(80)
@given(data=st.data())
def test_an_index_of_any_values(folder, data):
    place = folder / "store"
    if not place.exists():
        with StoreWriter(place, "train") as writer:
            writer.add("a", pixels(1), values(1, [1]))
    index = {"ids": ["a"], "sizes": [[6, 8]]}
    (place / "train.index.json").write_text(json.dumps(data.draw(changed(index))))
    store = survives(lambda: Store(place, "train"))
    if store is not None:
        assert store.picture(0).shape == (*store.sizes[0], 3)


@pytest.mark.parametrize("name", ["train.json", "metrics.json"])
@examples(25)
@given(data=st.data())
def test_files_of_a_run_with_any_values_through_compare(made, name, folder, data):
    root = folder / f"compared-{name}"
    ground = Ground(root) if root.exists() else made("done").copy(root)
    path = ground.path(f"runs/demo/voc_r50-s0/{name}")
    whole = path.read_bytes()
    tree = data.draw(changed(json.loads(whole)))
    try:
        written = json.dumps(tree, ensure_ascii=False).encode()
    except ValueError:
        return  # no JSON could hold this
    path.write_bytes(written)
    try:
        for verb in ("compare", "report"):
            assert main(["--quiet", "--params", str(ground.path("params.yaml")), verb]) in (0, 2, 3)
    finally:
        path.write_bytes(whole)
