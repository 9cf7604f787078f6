"""`pointrend audit` and `pointrend fetch` of what it looks at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from pointrend.archives.loopback import serve_folder
from pointrend.cli import main
from pointrend.files import sha256_file
from pointrend.results.audit.configs import PUBLISHED
from pointrend.results.published import load_published
from tests.mirrors import read_mirrors, set_urls
from tests.results.audit.samples import (
    BASE,
    CITYSCAPES_R101,
    FORM_2022,
    LOGS,
    ROOT,
    S21,
    VOC_R50,
    text_of,
    write_config,
)

KEYS = {
    "run", "agrees", "differences", "iterations_per_epoch", "epochs", "images", "gpus", "records", "other_lines",
    "first_other_line", "max_lr_error", "resumed", "seconds_per_iteration",
}  # fmt: skip
Capture = pytest.CaptureFixture[str]
LOG_FILE, CONFIG_FILE = "pointrend_resnet50os8_voc_train.log", "pointrend_resnet50os8_voc.py"


@pytest.fixture(autouse=True)
def in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty checkout: only params.yaml and published/."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    shutil.copytree(ROOT / "published", tmp_path / "published")
    monkeypatch.chdir(tmp_path)
    for name in ("POINTREND_SCALE", "POINTREND_PINS", "POINTREND_ARCHIVES", "POINTREND_PARAMS"):
        monkeypatch.delenv(name, raising=False)


def paper(*words: object) -> int:
    return main(["--scale", "paper", *map(str, words)])


@pytest.mark.parametrize(("run", "sample"), [("voc_r50", S21), ("cityscapes_r101", FORM_2022)])
def test_the_sample_logs_agree(run: str, sample: str, capsys: Capture) -> None:
    assert paper("audit", run, "--log", LOGS / sample) == 0
    shown = capsys.readouterr()
    assert (shown.err, "\nlearning rate" in shown.out) == ("", True)
    assert paper("audit", run, "--log", LOGS / sample, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found | {"run": run, "agrees": True, "differences": [], "resumed": False} == found
    assert found.keys() == KEYS


def test_a_changed_log_exits_3_and_names_the_first_record(tmp_path: Path, capsys: Capture) -> None:
    """test_check_log has the other differences."""
    (tmp_path / "a.log").write_text(text_of(S21).replace("/60,", "/61,").replace("/661,", "/663,"))
    words = "line 6, '[EPOCH]: 1/61, [BATCH]: 50/663, "
    assert paper("audit", "voc_r50", "--log", "a.log", "--json") == 3
    shown = capsys.readouterr()
    assert shown.err.startswith(f"error: voc_r50 does not agree: a.log {words}")
    assert shown.err.count("\n") == 1
    found = json.loads(shown.out)
    assert (found["agrees"], found["differences"][0]["line"]) == (False, 6)
    assert paper("audit", "voc_r50", "--log", "a.log") == 3
    shown = capsys.readouterr()
    assert words in shown.out
    assert ["iterations", "per", "epoch", "661", "663", "no"] in [line.split() for line in shown.out.splitlines()]


def test_a_config_is_shown_value_by_value(tmp_path: Path, capsys: Capture) -> None:
    config = write_config(tmp_path / "cfg", CITYSCAPES_R101)
    assert paper("audit", "cityscapes_r101", "--cfg", config) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["key", "ours", "theirs", "agrees"]
    assert lines[2].split() == ["SEGMENTOR_CFG.backbone.outstride", "32", "32", "yes"]
    assert paper("audit", "cityscapes_r101", "--cfg", config, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["config"][0] == {"key": lines[2].split()[0], "ours": 32, "theirs": 32, "agrees": True}
    assert found["records"] is None


PLANTED = [
    ("'outstride': 32", "'outstride': 8", "SEGMENTOR_CFG.backbone.outstride 8, ours 32"),
    ("'num_fcs': 3", "'num_fcs': 4", "SEGMENTOR_CFG.head.num_fcs 4, ours 3"),
    ("'dropout': 0", "'dropout': 0.1", "SEGMENTOR_CFG.head.dropout 0.1, ours 0"),
    ("'syncbatchnorm'", "'batchnorm2d'", "SEGMENTOR_CFG.norm_cfg.type batchnorm2d, ours syncbatchnorm"),
    ("'ignore_index': 255", "'ignore_index': 0", "LOSSES_CFG.loss_aux.celoss.ignore_index 0, ours 255"),
    ("'drop_last': True", "'drop_last': False", "DATALOADER_CFG.train.drop_last False, ours True"),
    ("'flip': False", "'flip': True", "INFERENCE_CFG.tricks.flip True, ours False"),
    ("'mode': 'whole'", "'mode': 'slide'", "INFERENCE_CFG.mode slide, ours whole"),
    ("'power': 0.9", "'power': 0.9, 'min_lr': 0.001", "SCHEDULER_CFG.min_lr 0.001, ours 0.0001"),
    (
        "            ('RandomFlip', {'flip_prob': 0.5}),\n",
        "",
        "DATASET_CFG.train.aug_opts ['Resize', 'RandomCrop', 'Ph",
    ),
]


@pytest.mark.parametrize(("old", "new", "named"), PLANTED, ids=[named.split()[0] for *_, named in PLANTED])
def test_a_planted_difference_exits_3_and_is_named(
    tmp_path: Path, capsys: Capture, old: str, new: str, named: str
) -> None:
    assert old in BASE
    text, base = (part.replace(old, new, 1) for part in (VOC_R50, BASE))
    assert paper("audit", "voc_r50", "--cfg", write_config(tmp_path / "cfg", text, base)) == 3
    shown = capsys.readouterr()
    assert f"run.py: {named}" in shown.err
    assert "(and " not in shown.err
    assert f"\ndiffers: {named}" in shown.out
    assert max(len(line) for line in shown.out.splitlines() if not line.startswith("differs: ")) < 140


def test_a_log_with_other_lines_agrees_and_they_are_counted(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.log").write_text("0 GPUs\n" + text_of(S21).replace("\n2021", "\n| a\ttable |\n2021"))
    assert paper("audit", "voc_r50", "--log", "a.log") == 0
    assert "\n40 records, 48 other lines, the first: line 1: '0 GPUs'\n" in capsys.readouterr().out
    assert paper("audit", "voc_r50", "--log", "a.log", "--strict") == 2
    assert "a.log line 1 is of no known form: '0 GPUs'; " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("audit voc_r5", "there is no run 'voc_r5' (did you mean 'voc_r50'?)"),
        (
            "audit voc_r50",
            "run: pointrend --scale paper fetch log_voc_r50 && pointrend --scale paper fetch cfg_voc_r50",
        ),
        ("audit voc_r50 --log nowhere.log", "cannot read nowhere.log: No such file or directory"),
        ("audit voc_r50 --log params.yaml", "params.yaml has no complete training record; "),
        ("audit voc_r50 --cfg params.yaml", "params.yaml line "),
        ("audit voc_r50 --cfg empty.py", "empty.py states none of the values that are compared; "),
        ("audit voc_r50 --cfg nowhere.py", "nowhere.py does not exist"),
        ("fetch log_voc_r5", "there is no archive to fetch 'log_voc_r5' (did you mean 'log_voc_r50'?)"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(arguments: str, words: str, capsys: Capture) -> None:
    Path("empty.py").write_text("X = {}\n")
    assert paper(*arguments.split()) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error


@pytest.mark.parametrize("scale", ["demo", "pilot"])
@pytest.mark.parametrize("arguments", ["audit voc_r50", "fetch log_voc_r50"])
def test_other_scales_have_none(scale: str, arguments: str, capsys: Capture) -> None:
    assert main(["--scale", scale, *arguments.split()]) == 2
    words = f"scale {scale} has no published log of voc_r50; name another scale, for example pointrend --scale paper"
    assert words in capsys.readouterr().err


def test_a_run_of_which_nothing_is_published(capsys: Capture) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    del params["published"]["voc_r50"]
    Path("params.yaml").write_text(yaml.safe_dump(params))
    assert paper("audit", "voc_r50", "--log", LOGS / S21) == 2
    assert "nothing is published for voc_r50; choose from ade20k_r101, " in capsys.readouterr().err


def test_the_page_about_it_shows_what_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs/audit.md").read_text()
    assert paper("audit", "voc_r50", "--log", f"tests/golden/logs/{S21}") == 0
    assert capsys.readouterr().out in page


def serve_from(url: str) -> None:
    """Let the files come from a server of the test's, under the second name of the log, too."""
    names, mirrors = (LOG_FILE, CONFIG_FILE, "base_cfg.py"), read_mirrors()
    set_urls({name: [f"{url}/{old.rpartition('/')[2]}" for old in mirrors[name]["urls"]] for name in names})


def test_fetched_files_are_audited_and_their_first_checksum_holds(tmp_path: Path, capsys: Capture) -> None:
    offered = tmp_path / "offered"
    write_config(offered, VOC_R50).rename(offered / CONFIG_FILE)
    shutil.copy(LOGS / S21, offered / "pointrend_resnet50os32_voc.log")  # only under the second name
    seen = tmp_path / "published/released.lock.json"
    with serve_folder(offered) as url:
        serve_from(url)
        for name in ("log_voc_r50", "cfg_voc_r50"):
            assert paper("fetch", name) == 0
        assert "is enforced from now on" in capsys.readouterr().err
        assert "is enforced from now on" in Path("logs/paper/fetch-log_voc_r50.log").read_text()
        notes = json.loads(seen.read_text())
        assert notes[LOG_FILE]["sha256"] == sha256_file(LOGS / S21)
        assert notes[LOG_FILE]["source"] == f"{url}/pointrend_resnet50os32_voc.log"
        assert notes.keys() == {LOG_FILE, CONFIG_FILE, "base_cfg.py"}
        assert paper("audit", "voc_r50") == 0
        # Somebody else, later: the same note, other bytes.
        shutil.rmtree("data")
        (offered / "base_cfg.py").write_text(BASE.replace("8196", "8192"))
        capsys.readouterr()
        assert paper("fetch", "log_voc_r50") == 0
        assert "is enforced from now on" not in capsys.readouterr().err
        assert paper("fetch", "cfg_voc_r50") == 3
        refusal = capsys.readouterr().err
        assert "base_cfg.py: its sha256 is " in refusal
        assert "released.lock.json records other bytes for the first download" in refusal
    assert json.loads(seen.read_text()) == notes


def test_the_urls_are_those_of_the_published_table() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    rows = {row.run: row for section in load_published(ROOT / "published").sections for row in section.rows}
    mirrors = read_mirrors(ROOT)
    assert params["published"].keys() == rows.keys()
    for run, files in params["published"].items():
        (log,), config = files["log"], files["cfg"]
        logs_at = mirrors[log]["urls"]
        assert logs_at[0] == rows[run].log
        assert logs_at[1] == rows[run].log.replace("os8", "os32").replace("_train.log", ".log")
        assert config == [rows[run].cfg.rpartition("/")[2], "base_cfg.py"]
        for name in config:
            (address,) = mirrors[name]["urls"]
            assert address == rows[run].cfg.replace("/main/", f"/{PUBLISHED}/").rpartition("/")[0] + f"/{name}"
