"""`pointrend verify` on a tiny checkout in which the whole DAG has run: every file of the chain, spoilt in turn."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pointrend.archives.loopback import serve_folder
from pointrend.checkout.code_digest import code_digest
from pointrend.checkout.source_version import SourceVersion, source_version
from pointrend.cli import main
from pointrend.files import SEAL, sha256_file, write_json, write_sealed
from pointrend.results.compare import read_results, sealed
from tests.mirrors import set_urls
from tests.results.audit.samples import LOGS, S21, VOC_R50, write_config
from tests.tiny import put
from tests.workflow.checkout import Checkout

Capture = pytest.CaptureFixture[str]
CHAIN = ("published", "data/demo", "runs/demo", "results/demo")
RUN, RESULTS, ARCHIVES = "runs/demo/voc_r50-s0", "results/demo/results.json", "data/demo/archives"
LOG_FILE, CONFIG_FILE = "pointrend_resnet50os8_voc_train.log", "pointrend_resnet50os8_voc.py"


@pytest.fixture(scope="module")
def done(by_snakemake, tmp_path_factory):
    """A checkout with two runs, trained, scored, compared and reported."""
    return by_snakemake.copy(tmp_path_factory.mktemp("verify") / "pointrend")


@pytest.fixture(autouse=True)
def verified_where_it_was_made(done, monkeypatch):
    """verify runs in this process, but as if in the checkout."""
    monkeypatch.setattr("pointrend.results.verify.source_version", lambda: source_version(done.root))


@pytest.fixture
def spoilt(done, tmp_path):
    return done.copy(tmp_path / "pointrend").root


@pytest.fixture(scope="module")
def audited(done, tmp_path_factory):
    """Root of a copy at whose scale logs are published, and where one was audited; it differs from the demo."""
    folder = tmp_path_factory.mktemp("audited")
    root = done.copy(folder / "pointrend").root
    offered = folder / "offered"
    write_config(offered, VOC_R50).rename(offered / CONFIG_FILE)
    shutil.copy(LOGS / S21, offered / LOG_FILE)
    params = done.at(root).params()
    params["scales"]["demo"]["published"] = ["log", "cfg"]
    with serve_folder(offered) as url:
        set_urls({name: [f"{url}/{name}"] for name in (LOG_FILE, CONFIG_FILE, "base_cfg.py")}, root)
        done.at(root).write_params(params)
        for words in ("fetch log_voc_r50", "fetch cfg_voc_r50", "audit voc_r50 --record", "compare", "report"):
            assert main(["--params", str(root / "params.yaml"), "--scale", "demo", "--quiet", *words.split()]) == 0
    return root


def verify(root: Path, capsys: Capture) -> tuple[int, str]:
    code = main(["--params", str(root / "params.yaml"), "--scale", "demo", "verify"])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def refusal(root: Path, capsys: Capture) -> str:
    code, printed = verify(root, capsys)
    assert (code, printed.count("\n")) == (3, 1), printed
    assert printed.startswith("error: ")
    return printed


def chain(root: Path) -> list[Path]:
    files = [path for folder in CHAIN for path in sorted((root / folder).rglob("*")) if path.is_file()]
    # No result follows from code.json, by which results are judged, nor from the URLs in mirrors.json.
    return [path for path in files if path.name not in (".snakemake_timestamp", "code.json", "mirrors.json")]


def kept(root: Path) -> list[Path]:
    """Archives in data/archives/ that are files of their own: verify reads them as well as those that were fetched."""
    pairs = [(root / "data/archives/demo" / path.name, path) for path in (root / ARCHIVES).rglob("*")]
    return [archive for archive, path in pairs if archive.is_file() and not archive.samefile(path)]


def flipped(path: Path) -> Iterator[None]:
    """With one bit of a file changed, at several places in turn, and then without its last byte."""
    whole = path.read_bytes()
    try:
        for place in (0, len(whole) // 3, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            yield
        path.write_bytes(whole[:-1])
        yield
    finally:
        path.write_bytes(whole)


def change_row(root: Path, changes: dict[str, Any]) -> None:
    """Change the first row of the results and seal them again."""
    results = read_results(root / RESULTS)
    for place, value in changes.items():
        put(results["runs"][0], place, value)
    write_json(root / RESULTS, sealed(results))


def changed_params(checkout: Checkout, place: str, value: Any) -> Checkout:
    params = checkout.params()
    put(params, place, value)
    checkout.write_params(params)
    return checkout


def each_leaf(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Copies with one value changed each."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from ({**values, key: changed} for changed in each_leaf(value))
        else:
            yield {**values, key: value + 1 if isinstance(value, int) else "0" * 64}


AUDITED = (
    *("published/released.lock.json", "runs/demo/voc_r50-published/audit.json"),
    *("runs/demo/voc_r50-published/curve.json", f"{ARCHIVES}/log_voc_r50.json", f"{ARCHIVES}/cfg_voc_r50.json"),
    *(f"{ARCHIVES}/log_voc_r50/{LOG_FILE}", f"{ARCHIVES}/cfg_voc_r50/{CONFIG_FILE}"),
    f"{ARCHIVES}/cfg_voc_r50/base_cfg.py",
)  # what an audit adds to the chain


def test_an_audited_log_is_a_part_of_the_chain(audited, capsys):
    code, printed = verify(audited, capsys)
    files = len(chain(audited) + kept(audited))
    assert {str(path.relative_to(audited)) for path in chain(audited)} >= set(AUDITED)
    assert (code, printed.splitlines()[-1]) == (0, f"{files} files and 2 mIoU recomputed from their counts: all match")
    row = read_results(audited / RESULTS)["runs"][0]
    assert (row["evidence"], set(row["audit"]["files"])) == ("one-seed", {LOG_FILE, CONFIG_FILE, "base_cfg.py"})
    difference = f"its published log or config differs from our recipe: {LOG_FILE} line 1, 'Dataset used: voc, Number"
    assert [reason for reason in row["reasons"] if reason.startswith(difference)]


@pytest.mark.parametrize("name", AUDITED)
def test_one_byte_of_what_was_audited_is_noticed(audited, name, capsys):
    for _ in flipped(audited / name):
        assert name in refusal(audited, capsys).partition("; ")[0]


NOT_FROM_THE_LOG = "its values for the published log of voc_r50 do not follow"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"audit": None, "curve": None}, "README.md"),
        ({"evidence": "log", "miou": None}, NOT_FROM_THE_LOG),
        ({"curve": {"records": 5}}, NOT_FROM_THE_LOG),
        ({"reasons": ["scale demo", "archives demo"]}, "reasons of voc_r50 (seed 0) does not follow"),
    ],
)
def test_what_results_say_of_a_log_must_follow_from_it(audited, change, words, capsys):
    before = (audited / RESULTS).read_bytes()
    change_row(audited, change)
    printed = refusal(audited, capsys)
    (audited / RESULTS).write_bytes(before)
    assert words in printed


def test_what_has_just_been_made_holds(done, capsys):
    pictures = len(list((done.root / "runs/demo").glob("*/pictures/*.png")))  # one may be the best and the median
    assert len(chain(done.root)) == 48 + pictures > 48
    expected = f"{48 + pictures + len(kept(done.root))} files and 2 mIoU recomputed from their counts: all match\n"
    assert verify(done.root, capsys) == (0, expected)
    assert "all match" in done.run("pointrend", "verify")


def test_one_byte_of_any_file_is_noticed_and_the_file_named(done, capsys):
    for path in chain(done.root):
        for _ in flipped(path):
            assert str(path.relative_to(done.root)) in refusal(done.root, capsys).partition("; ")[0]
    assert verify(done.root, capsys)[0] == 0


def test_the_first_link_is_named(spoilt, capsys):
    """Spoilt one after the other from the end of the chain; each time the newest is the first."""
    for name in (
        *("results/demo/index.html", f"{RUN}/confusion.parquet", f"{RUN}/model.safetensors", f"{RUN}/train.json"),
        *("data/demo/voc/val.labels.bin", f"{ARCHIVES}/voc/benchmark.tgz", "published/pointrend.md"),
    ):
        with (spoilt / name).open("ab") as stream:
            stream.write(b" ")
        assert name in refusal(spoilt, capsys)


@pytest.mark.parametrize(
    "name", [f"{ARCHIVES}/voc.json", f"{ARCHIVES}/backbone_r50.json", "data/demo/voc/manifest.json"]
)
def test_every_value_of_a_manifest_counts(name, spoilt, capsys):
    for changed in each_leaf(json.loads((spoilt / name).read_text())):
        write_json(spoilt / name, changed)
        assert name in refusal(spoilt, capsys), changed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"miou": 1.0}, "results.json: miou of voc_r50 (seed 0) does not follow from runs/demo/voc_r50-s0"),
        ({"verdict": "reproduced", "difference": 0.0}, "results.json: difference of voc_r50 (seed 0) does not follow"),
        ({"published_miou": 1.0}, "results.json: the difference of voc_r50 is not ours minus published"),
        ({"verdict": "consistent", "sigma": 99.0}, "results.json: its verdicts do not follow from its figures"),
        ({"image_interval/0": 0.01}, f"results.json: image_interval of voc_r50 (seed 0) does not follow from {RUN}"),
        ({"measures/coarse/miou": 1.0}, "results.json: measures of voc_r50 (seed 0) does not follow"),
        ({"provenance/archives/benchmark.tgz": "0" * 64}, "results.json: provenance of voc_r50 (seed 0) does not"),
        ({"provenance/scoring/machine/torch": "1.0"}, "results.json: provenance of voc_r50 (seed 0) does not"),
        ({"hashes/model.safetensors": "0" * 64}, f"model.safetensors is not the one that {RESULTS} names"),
    ],
)
def test_results_that_were_changed_and_sealed_again_do_not_pass(changes, words, spoilt, capsys):
    change_row(spoilt, changes)
    assert words in refusal(spoilt, capsys)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("train.json", {"fingerprint": "0" * 64}, "its fingerprint does not follow from what it names"),
        ("train.json", {"seed": 1}, "its fingerprint does not follow from what it names"),
        ("train.json", {"data_manifest_sha256": "0" * 64}, "provenance of voc_r50 (seed 0) does not follow"),
        ("train.json", {"code_sha256": "0" * 64}, "its fingerprint does not follow from what it names"),
        ("train.json", {"archives": {}}, "provenance of voc_r50 (seed 0) does not follow"),
        ("train.json", {"data": {"content": "0" * 64}}, "its fingerprint does not follow from what it names"),
        ("train.json", {"gpus": 8}, "provenance of voc_r50 (seed 0) does not follow"),
        ("evaluate.json", {"metrics_sha256": "0" * 64}, "evaluate.json is of another scoring"),
        ("evaluate.json", {"fingerprint": "0" * 64}, "stale: scored with other weights"),
        ("evaluate.json", {"run": "voc_r101"}, "evaluate.json is of run voc_r101 seed 0, not of run voc_r50 seed 0"),
        ("evaluate.json", {"data": {"content": "0" * 64}}, "results.json names other data than"),
        ("evaluate.json", {"lock_sha256": "0" * 64}, "provenance of voc_r50 (seed 0) does not follow"),
        ("metrics.json", {"miou": 99.0}, "its counts give mIoU"),
        ("metrics.json", {"n_images": 5}, "4 images were counted, but metrics.json has 5"),
    ],
)
def test_a_record_that_was_changed_with_its_hash_does_not_pass(name, change, words, spoilt, capsys):
    changes, hashes = {name: change}, {}
    for written in ("train.json", "metrics.json", "evaluate.json"):
        record = spoilt / RUN / written
        values = json.loads(record.read_text()) | changes.get(written, {})
        (write_sealed if values.pop(SEAL, None) else write_json)(record, values)
        if written != "evaluate.json":
            key = f"{written.removesuffix('.json')}_sha256"
            changes["evaluate.json"] = {key: sha256_file(record), **changes.get("evaluate.json", {})}
        hashes[f"hashes/{written}"] = sha256_file(record)
    change_row(spoilt, {**hashes, **({"miou": change["miou"]} if "miou" in change else {})})
    assert words in refusal(spoilt, capsys)


@pytest.mark.parametrize(
    "name",
    [
        *(f"{ARCHIVES}/voc/benchmark.tgz", f"{ARCHIVES}/voc.json", f"{RUN}/model.safetensors", RUN),
        *("data/demo/voc/train.pictures.bin", "data/demo/voc/manifest.json", f"{ARCHIVES}/backbone_r101.json"),
    ],
)
def test_what_is_kept_elsewhere_is_noted(name, spoilt, capsys):
    path = spoilt / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    code, printed = verify(spoilt, capsys)
    assert code == 0, printed
    assert f"note: {name} is not on this machine: not checked\n" in printed
    assert printed.endswith(f"and {1 if name == RUN else 2} mIoU recomputed from their counts: all match\n")


@pytest.mark.parametrize("name", ["train.json", "metrics.jsonl", "metrics.json", "evaluate.json", "matrix.parquet"])
def test_a_run_that_has_lost_its_proof_does_not_pass(name, spoilt, capsys):
    (spoilt / RUN / name).unlink()
    assert f"{RUN}/{name} does not exist" in refusal(spoilt, capsys)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("runs/voc_r50/lr", 0.01, f"{RUN}: stale: trained with another setting"),
        ("scales/demo/recipe/subdivision_steps", 1, f"{RUN}: stale: trained with another setting"),
        ("scales/demo/inference", "exact", f"{RUN}: stale: scored with other weights, another setting"),
        ("scales/demo/limit", 1, "voc/manifest.json: 8 images of train were kept of 8 asked for; now 8 were"),
        ("scales/demo/images/val", 2, "voc/manifest.json: 4 images of val were kept of 4 asked for; now 2 were"),
    ],
)
def test_another_setting_does_not_pass(place, value, words, done, spoilt, capsys):
    changed_params(done.at(spoilt), place, value)
    assert words in refusal(spoilt, capsys)


def test_other_code_another_commit_and_a_dirty_tree_are_notes(done, spoilt, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr("pointrend.results.verify.code_digest", lambda stage, dataset: "0" * 64)
        code, printed = verify(done.root, capsys)
    assert code == 0
    assert f"note: {RUN}/train.json: trained by different code than this checkout has\n" in printed
    assert f"note: {RUN}/evaluate.json: scored by different code than this checkout has\n" in printed
    commit = done.git("rev-parse", "HEAD").strip()
    monkeypatch.setattr("pointrend.results.verify.source_version", lambda: SourceVersion("a" * 40, False))
    code, printed = verify(done.root, capsys)
    assert code == 0
    assert f"note: {RUN}: trained at commit {commit[:12]}, this is aaaaaaaaaaaa\n" in printed
    checkout = done.at(spoilt)
    with (spoilt / "README.md").open("a") as stream:
        stream.write("changed\n")
    for words in (("evaluate", "voc_r50"), ("compare",), ("report",)):
        checkout.run("pointrend", *words)
    code, printed = verify(spoilt, capsys)
    assert code == 0
    assert f"note: {RUN}: scored with changes that were not committed\n" in printed
    assert f"{RUN}: trained with changes" not in printed


def test_the_whole_chain_of_a_figure_is_there(done):
    for row in read_results(done.root / RESULTS)["runs"]:
        found, folder = row["provenance"], done.root / f"runs/demo/{row['run']}-s0"
        expected = {
            "archives": {path.name: sha256_file(path) for path in (done.root / ARCHIVES / "voc").glob("*.t*")},
            "data_manifest_sha256": sha256_file(done.root / "data/demo/voc/manifest.json"),
            "model_sha256": sha256_file(folder / "model.safetensors"),
            "counts_sha256": sha256_file(folder / "confusion.parquet"),
            **{"gpus": 1, "images_per_gpu": 4, "batch_norm": "BatchNorm", "attempts": 1},
            "checkpoint_rule": "last iteration of the last epoch, never the best",
        }
        assert found | expected == found
        commit = {"commit": done.git("rev-parse", "HEAD").strip(), "dirty": False, "no_commit_because": None}
        code = {f"{stage}_sha256": code_digest(stage, "voc") for stage in ("train", "evaluate")}
        assert found["code"] == commit | code
        assert found["scoring"] | commit == found["scoring"]
        assert found["precision"]["tf32"] is found["scoring"]["precision"]["tf32"] is False
        assert found["precision"]["dtype"] == "float32"
        assert found["machine"].keys() >= {"device", "torch", "cuda", "processor", "threads"}


def test_a_run_that_compare_has_called_stale_does_not_pass(done, spoilt, capsys):
    checkout = changed_params(done.at(spoilt), "runs/voc_r50/lr", 0.01)
    for verb in ("compare", "report"):
        checkout.run("pointrend", verb)
    words = f"error: {RUN} gives no figure, stale: trained with another setting, data or code; run it again"
    assert words in refusal(spoilt, capsys)


def test_results_of_an_earlier_version_and_missing_ones_are_named(spoilt, capsys):
    results = read_results(spoilt / RESULTS)
    del results["published"]["data"]
    write_json(spoilt / RESULTS, sealed(results))
    assert f"{RESULTS} was written by an earlier version" in refusal(spoilt, capsys)
    (spoilt / RESULTS).unlink()
    code, printed = verify(spoilt, capsys)
    assert (code, f"{RESULTS} does not exist; run: pointrend --scale demo compare" in printed) == (2, True)
