"""params.yaml and what is typed: wrong keys, values, syntax and names."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.mirrors import edit_mirrors
from tests.trust.cases import Case, nothing
from tests.trust.ground import Ground


def put(path: str, value: Any) -> Callable[[Ground], None]:
    """Set one value of params.yaml."""
    return lambda ground: ground.put(path, value)


def instead(text: str | bytes) -> Callable[[Ground], None]:
    """Replace params.yaml."""
    data = text if isinstance(text, bytes) else text.encode()
    return lambda ground: ground.path("params.yaml").write_bytes(data) and None


def also(text: str) -> Callable[[Ground], None]:
    """Append to params.yaml."""

    def append(ground: Ground) -> None:
        with open(ground.path("params.yaml"), "a") as stream:
            stream.write(text)

    return append


def renamed(kind: str, old: str, new: str) -> Callable[[Ground], None]:
    """Give a dataset, a backbone or a scale another name, wherever it stands."""

    def change(params: dict[str, Any]) -> None:
        params[kind][new] = params[kind].pop(old)
        for scale in params["scales"].values():
            if kind == "datasets":
                scale["datasets"][new] = scale["datasets"].pop(old)
        if kind == "scales":
            params["scale"] = new
            return
        key = kind.removesuffix("s")
        params["runs"] = {
            run.replace(old, new): values | ({key: new} if values[key] == old else {})
            for run, values in params["runs"].items()
        }
        params["published"] = {run.replace(old, new): files for run, files in params["published"].items()}

    return lambda ground: ground.edit(change)


def environment(**values: str) -> Callable[[Ground], AbstractContextManager[Any]]:
    """Set variables of the environment; ROOT in a value is the checkout."""

    @contextlib.contextmanager
    def set_all(ground: Ground) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in values.items():
                patch.setenv(name, value.replace("ROOT", str(ground.root)))
            yield

    return set_all


LETTERS = "abcdefghijk"


def alias_bomb() -> str:
    """A YAML list of a few lines that would be written out as three billion words."""
    text = "&a [x, x, x, x, x, x, x]"
    for before, after in itertools.pairwise(LETTERS):
        text = f"&{after} [{text}, {', '.join([f'*{before}'] * 6)}]"
    return text


MERGES = "a: &a {k0: 1, k1: 1, k2: 1}\n" + "".join(
    f"{after}: &{after} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n" for before, after in itertools.pairwise(LETTERS)
)


def bomb(ground: Ground) -> None:
    """Put the alias bomb where the seeds stand."""
    ground.put("seeds", "SEEDS")
    text = ground.path("params.yaml").read_text().replace("SEEDS", f"[{alias_bomb()}]")
    ground.path("params.yaml").write_text(text)


def pins(content: str) -> Callable[[Ground], AbstractContextManager[Any]]:
    """Write a file of checksums and name it in the environment."""

    def write(ground: Ground) -> AbstractContextManager[Any]:
        ground.path("pins.json").write_text(content)
        return environment(POINTREND_PINS="ROOT/pins.json", POINTREND_SCALE="pilot")(ground)

    return write


NAME = "String should match pattern"

CASES = (
    Case("unknown key", "bare", put("recipe.lrr", 0.1), "plan", 2, ("unknown key 'lrr'", "did you mean 'lr'?")),
    Case("unknown key of any length", "bare", put("x" * 5000, 1), "plan", 2, ("unknown key 'xxx",)),
    Case("key that is no text", "bare", put("1", 1), "plan", 2, ("unknown key '1'",)),
    Case("text for a number", "bare", put("recipe.lr", "fast"), "plan", 2, ("recipe.lr", "(got 'fast')")),
    Case("list for a number", "bare", put("recipe.epochs", [1]), "plan", 2, ("recipe.epochs", "(got [1])")),
    Case(
        "boolean for a number",
        "bare",
        put("recipe.lr", True),
        "plan",
        2,
        ("lr: a boolean is not allowed here (got True)",),
    ),
    Case(
        "boolean in a list",
        "bare",
        put("seeds", [True]),
        "plan",
        2,
        ("seeds: a boolean is not allowed here (got [True])",),
    ),
    Case("number for a mapping", "bare", put("datasets.voc", 3), "plan", 2, ("datasets.voc", "(got 3)")),
    Case("negative lr", "bare", put("recipe.lr", -0.1), "plan", 2, ("recipe.lr", "greater than 0")),
    Case("infinite lr", "bare", put("recipe.lr", float("inf")), "plan", 2, ("recipe.lr", "finite")),
    Case("fraction of an epoch", "bare", put("recipe.epochs", 1.5), "plan", 2, ("recipe.epochs", "integer")),
    Case("batch not divisible", "bare", put("recipe.gpus", 3), "--scale paper plan", 2, ("16", "among 3 gpus")),
    Case("batch larger than the data", "bare", nothing, "--set batch_size=1000 plan", 2, ("too few for one batch",)),
    Case(
        "crop larger than allowed", "bare", put("scales.demo.datasets.voc.crop_size", [9000, 64]), "plan", 2, ("8192",)
    ),
    Case("crop of one number", "bare", put("scales.demo.datasets.voc.crop_size", [64]), "plan", 2, ("crop_size",)),
    Case("odd width", "bare", nothing, "--set width=7 plan", 2, ("width", "multiple of 2")),
    Case("number beyond all use", "bare", put("recipe.epochs", 10**30), "plan", 2, ("recipe.epochs",)),
    Case("number of 5000 digits", "bare", also("x: " + "9" * 5000), "plan", 2, ("Exceeds the limit",)),
    Case("width beyond all use", "bare", nothing, "--set width=1000000000000 plan", 2, ("width", "equal to 1024")),
    Case(
        "scale beyond all use",
        "bare",
        put("recipe.scale_range", [1e300, 1e300]),
        "plan",
        2,
        ("scale_range.0", "equal to 20"),
    ),
    Case("scale of almost nothing", "bare", put("recipe.scale_range", [1e-300, 1.0]), "plan", 2, ("equal to 0.05",)),
    Case("no number in a list", "bare", put("recipe.scale_range", [float("nan"), 1.0]), "plan", 2, ("finite",)),
    Case(
        "size beyond all use",
        "bare",
        lambda g: edit_mirrors(lambda files: files["benchmark.tgz"].update(about_gb=1e300), g.root),
        "--scale pilot plan",
        2,
        ("about_gb",),
    ),
    Case("number with a leading zero", "bare", also("x: 010\n"), "plan", 2, ("column 4: 010 means", "leading zeros")),
    Case("number with colons", "bare", also("x: 1:30\n"), "plan", 2, ("1:30 means", "plain number")),
    Case("truth value of YAML 1.1", "bare", also("x: [no]\n"), "plan", 2, ("column 5: no means", "true or false")),
    Case("octal number of YAML 1.2", "bare", also("x: 0o10\n"), "plan", 2, ("0o10 means",)),
    Case("power without a point", "bare", nothing, "--set lr=1e-3 plan", 2, ("'lr=1e-3': 1e-3 means", "1.0e-3")),
    Case("octal number typed", "bare", nothing, "--set epochs=060 plan", 2, ("060 means", "leading zeros")),
    Case("a seed twice", "bare", put("seeds", [0, 0]), "plan", 2, ("seeds: each seed once",)),
    Case("negative seed", "bare", put("seeds", [-1]), "plan", 2, ("seeds.0", "greater than or equal to 0")),
    Case("seed beyond 32 bits", "bare", put("seeds", [2**32]), "plan", 2, ("seeds.0", "4294967295")),
    Case("no seed", "bare", put("seeds", []), "plan", 2, ("seeds",)),
    Case("duplicate run", "bare", also("runs: {}\n"), "plan", 2, ("duplicate key 'runs'", "line")),
    Case("duplicate key", "bare", instead("scale: demo\nscale: paper\n"), "plan", 2, ("line 2, column 1", "'scale'")),
    Case("missing dataset", "bare", lambda g: g.edit(lambda p: p["datasets"].pop("voc")), "plan", 2, ("no 'voc'",)),
    Case("run that is no pair", "bare", put("runs.voc_r50.backbone", "r101"), "plan", 2, ("every dataset with every",)),
    Case(
        "file without a mirror",
        "bare",
        lambda g: edit_mirrors(lambda files: files.clear(), g.root),
        "--scale pilot plan",
        2,
        ("mirrors.json has no 'VOCtrainval_11-May-2012.tar'",),
    ),
    Case("bad YAML", "bare", instead("scale: [demo\nseeds: 1\n"), "plan", 2, ("params.yaml line 2, column 6",)),
    Case("tab in YAML", "bare", instead("scale:\n\t- demo\n"), "plan", 2, ("params.yaml line 2, column 1",)),
    Case("YAML that is a list", "bare", instead("- a\n- b\n"), "plan", 2, ("not a mapping",)),
    Case("YAML that is a text", "bare", instead("demo"), "plan", 2, ("not a mapping",)),
    Case("empty YAML", "bare", instead(""), "plan", 2, ("not a mapping",)),
    Case("two YAML documents", "bare", also("---\nscale: demo\n"), "plan", 2, ("line", "another document")),
    Case(
        "YAML that would make an object",
        "bare",
        also("x: !!python/object/apply:os.mkdir [made]\n"),
        "plan",
        2,
        ("python/object",),
    ),
    Case("YAML key that is a list", "bare", also("? [a, b]\n: c\n"), "plan", 2, ("unhashable",)),
    Case("month 13 in YAML", "bare", also("x: 2001-13-01\n"), "plan", 2, ("month must be in 1..12",)),
    Case("YAML tag with a wrong value", "bare", also("x: !!int seven\n"), "plan", 2, ("invalid literal",)),
    Case("YAML nested without end", "bare", instead("[" * 100_000), "plan", 2, ("recursion",)),
    Case("YAML of 2 MB", "bare", instead("# " + "x" * 2_000_000), "plan", 2, ("larger than 1000000 bytes",)),
    Case("YAML without end", "bare", nothing, "--params /dev/zero plan", 2, ("larger than 1000000 bytes",)),
    Case("alias bomb", "bare", bomb, "plan", 2, ("seeds.0", "integer")),
    Case("alias bomb typed", "bare", nothing, f"--set 'lr={alias_bomb()}' plan", 2, ("lr", "valid number")),
    Case("merge bomb", "bare", instead(MERGES), "plan", 2, ("2002:merge",)),
    Case("not UTF-8", "bare", instead(b"scale: d\xe9mo\n"), "plan", 2, ("utf-8",)),
    Case("a NUL in YAML", "bare", instead(b"scale: demo\0\n"), "plan", 2, ("special characters",)),
    Case("folder for params", "bare", nothing, "--params . plan", 2, ("cannot read .", "directory")),
    Case("no params", "bare", lambda g: g.path("params.yaml").unlink(), "plan", 2, ("does not exist",)),
    Case("scale that is none", "bare", put("scale", "papr"), "plan", 2, ("no 'papr'", "did you mean 'paper'?")),
    Case("scale of the environment", "bare", environment(POINTREND_SCALE="papr"), "plan", 2, ("no scale 'papr'",)),
    Case(
        "params of the environment",
        "bare",
        environment(POINTREND_PARAMS="no.yaml"),
        "plan",
        2,
        ("no.yaml does not exist",),
    ),
    Case("dataset named as a command", "bare", renamed("datasets", "voc", "x;touch canary"), "plan", 2, (NAME,)),
    Case("dataset with a newline", "bare", renamed("datasets", "voc", "voc\n"), "plan", 2, (NAME,)),
    Case("dataset that climbs", "bare", renamed("datasets", "voc", "../voc"), "plan", 2, (NAME,)),
    Case("backbone with a quote", "bare", renamed("backbones", "r50", "r'50"), "plan", 2, (NAME,)),
    Case("scale with a substitution", "bare", renamed("scales", "demo", "$(touch canary)"), "plan", 2, (NAME,)),
    Case("archive with a path", "bare", put("datasets.voc.archives", [{"name": "../../x.tar"}]), "plan", 2, (NAME,)),
    Case("archive with an absolute path", "bare", put("datasets.voc.archives", [{"name": "/x"}]), "plan", 2, (NAME,)),
    Case("sets without a slash", "bare", put("datasets.voc.sets", "train"), "plan", 2, ("datasets.voc.sets", NAME)),
    Case("label that breaks a table", "bare", put("backbones.r50.label", "R|50\n<b>"), "plan", 2, ("label", NAME)),
    Case("params of an empty name", "bare", environment(POINTREND_PARAMS=""), "plan", 0),
    Case(
        "checksum of another length",
        "bare",
        put("datasets.voc.archives", [{"name": "a", "md5": "12"}]),
        "plan",
        2,
        (NAME,),
    ),
    Case("pins that are no JSON", "bare", pins("{"), "plan", 2, ("pins.json", "POINTREND_PINS")),
    Case("pins that are a list", "bare", pins("[]"), "plan", 2, ("no mapping 'files'",)),
    Case("pin of no kind", "bare", pins('{"files": {"benchmark.tgz": 3}}'), "plan", 2, ("benchmark.tgz",)),
    Case("pin that anything fits", "bare", pins('{"files": {"benchmark.tgz": {"sha256": ""}}}'), "plan", 2, (NAME,)),
    Case(
        "pins that are a folder",
        "bare",
        environment(POINTREND_PINS="ROOT", POINTREND_SCALE="pilot"),
        "plan",
        2,
        ("directory",),
    ),
    Case("process of no number", "bare", nothing, "track follow --while-pid -5", 2, ("'-5' is not a process id",)),
    Case("verb that is none", "bare", nothing, "trian voc_r50", 2, ("no verb 'trian'",)),
    Case("argument that is none", "bare", nothing, "plan --fast", 2, ("--fast", "pointrend plan --help")),
    Case("argument that is missing", "bare", nothing, "train", 2, ("RUN", "pointrend train --help")),
    Case(
        "seed that is no number", "bare", nothing, "train voc_r50 --seed x", 2, ("--seed", "'x' is not a whole number")
    ),
    Case("negative seed typed", "bare", nothing, "train voc_r50 --seed=-1", 2, ("'-1' is not a whole number",)),
    Case("seed beyond 32 bits typed", "bare", nothing, "train voc_r50 --seed 99999999999", 2, ("from 0 to",)),
    Case("seeds that repeat", "bare", nothing, "compare --seeds 1,0,1", 2, ("'1,0,1' names 1 twice",)),
    Case("seeds that repeat in other digits", "bare", nothing, "compare --seeds '0, 00'", 2, ("names 0 twice",)),
    Case("no seeds typed", "bare", nothing, "compare --seeds ,", 2, ("--seeds ',' names nothing",)),
    Case("seeds that are no numbers", "bare", nothing, "compare --seeds 0,x", 2, ("'0,x': 'x' is not a whole number",)),
    Case("seeds with a leading zero", "bare", instead("seeds: [0, 00]\n"), "plan", 2, ("column 12: 00 means",)),
    Case("digits of another script", "bare", nothing, "train voc_r50 --seed ٣", 2, ("'٣' is not a whole number",)),
    Case("value that is no YAML", "bare", nothing, "--set lr=[ plan", 2, ("the value is not YAML",)),
    Case("value with month 13", "bare", nothing, "--set lr=2001-13-01 plan", 2, ("the value is not YAML",)),
)
