"""params.yaml and what is typed: wrong keys, values, syntax and names."""

import itertools
from collections.abc import Callable
from typing import Any

from tests.trust.cases import MISSING, Case, Spoil, append, both, cases, environment, nothing, put, remove, write
from tests.trust.ground import Ground

LETTERS = "abcdefghijk"
NAME = "String should match pattern"
CROP = "scales.demo.datasets.voc.crop_size"


def params(text: str | bytes) -> Spoil:
    return write("params.yaml", text)


def also(text: str) -> Spoil:
    return append("params.yaml", text)


def archive(**values: str) -> Spoil:
    return put("datasets.voc.archives", [values])


def rename(params: dict[str, Any], kind: str, old: str, new: str) -> None:
    """Give a dataset, a backbone or a scale another name, wherever it is used."""
    params[kind][new] = params[kind].pop(old)
    if kind == "scales":
        params["scale"] = new
        return
    if kind == "datasets":
        for scale in params["scales"].values():
            scale["datasets"][new] = scale["datasets"].pop(old)
    key = kind.removesuffix("s")
    params["runs"] = {
        run.replace(old, new): values | ({key: new} if values[key] == old else {})
        for run, values in params["runs"].items()
    }
    params["published"] = {run.replace(old, new): files for run, files in params["published"].items()}


def renamed(kind: str, old: str, new: str) -> Spoil:
    return lambda ground: ground.edit_params(lambda params: rename(params, kind, old, new))


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
    ground.put("seeds", "SEEDS")
    text = ground.path("params.yaml").read_text().replace("SEEDS", f"[{alias_bomb()}]")
    ground.path("params.yaml").write_text(text)


def pins(content: str | None) -> Spoil:
    """Write a file of checksums and name it in the environment; with None, name the checkout's folder."""
    if content is None:
        return environment(POINTREND_PINS="ROOT", POINTREND_SCALE="pilot")
    named = environment(POINTREND_PINS="ROOT/pins.json", POINTREND_SCALE="pilot")
    return both(write("pins.json", content), named)


def typed(name: str, command: str, *words: str) -> Case:
    return Case(name, nothing, words, command)


def mirrors(name: str, change: Callable[[dict[str, Any]], Any], *words: str) -> Case:
    return Case(name, lambda ground: ground.edit_mirrors(change), words, "--scale pilot plan")


plan = cases(command="plan")
BOOLEAN = "truth value|boolean"
CASES = (
    plan("unknown key", put("recipe.lrr", 0.1), "unknown key 'lrr'", "did you mean 'lr'?"),
    plan("unknown key of any length", put("x" * 5000, 1), "unknown key 'xxx"),
    plan("key that is no text", put("1", 1), "unknown key '1'"),
    plan("text for a number", put("recipe.lr", "fast"), "recipe.lr", "(got 'fast')"),
    plan("boolean for a number", put("recipe.lr", True), "recipe", "lr: ", "True", BOOLEAN),
    plan("infinite lr", put("recipe.lr", float("inf")), "recipe.lr", "finite"),
    plan("batch not divisible", put("recipe.gpus", 3), "16", "3 gpus|3 GPUs", command="--scale paper plan"),
    typed("batch larger than the data", "--set batch_size=1000 plan", "too few for one batch", "1000"),
    plan("crop larger than allowed", put(CROP, [9000, 64]), "crop_size.0", "8192"),
    typed("odd width", "--set width=7 plan", "width", "multiple of 2"),
    plan("number beyond all use", put("recipe.epochs", 10**30), "recipe.epochs"),
    plan("number of 5000 digits", also("x: " + "9" * 5000), "Exceeds the limit"),
    typed("width beyond all use", "--set width=1000000000000 plan", "width", "equal to 1024"),
    plan("scale beyond all use", put("recipe.scale_range", [1e300, 1e300]), "scale_range.0", "equal to 20"),
    plan("scale of almost nothing", put("recipe.scale_range", [1e-300, 1.0]), "equal to 0.05"),
    plan("no number in a list", put("recipe.scale_range", [float("nan"), 1.0]), "scale_range", "finite"),
    mirrors("size beyond all use", lambda files: files["benchmark.tgz"].update(about_gb=1e300), "about_gb"),
    plan("number with a leading zero", also("x: 010\n"), "column 4: 010 means", "leading zeros"),
    plan("number with colons", also("x: 1:30\n"), "1:30 means", "plain number"),
    plan("truth value of YAML 1.1", also("x: [no]\n"), "column 5: no means", "true or false"),
    plan("octal number of YAML 1.2", also("x: 0o10\n"), "0o10 means"),
    typed("power without a point", "--set lr=1e-3 plan", "lr=1e-3", "1e-3 means", "1.0e-3"),
    typed("octal number typed", "--set epochs=060 plan", "060 means", "leading zeros"),
    plan("a seed twice", put("seeds", [0, 0]), "seeds: ", "once|twice|distinct"),
    plan("negative seed", put("seeds", [-1]), "seeds.0", "greater than or equal to 0"),
    plan("seed beyond 32 bits", put("seeds", [2**32]), "seeds.0", "4294967295"),
    plan("no seed", put("seeds", []), "seeds"),
    plan("duplicate run", also("runs: {}\n"), "duplicate key 'runs'", "line"),
    plan("duplicate key", params("scale: demo\nscale: paper\n"), "line 2, column 1", "'scale'"),
    plan("bad YAML", params("scale: [demo\nseeds: 1\n"), "params.yaml line 2, column 6"),
    plan("tab in YAML", params("scale:\n\t- demo\n"), "params.yaml line 2, column 1"),
    plan("YAML that is a list", params("- a\n- b\n"), "not a mapping"),
    plan("two YAML documents", also("---\nscale: demo\n"), "line", "another document"),
    plan("YAML that would make an object", also("x: !!python/object/apply:os.mkdir [made]\n"), "python/object"),
    plan("YAML key that is a list", also("? [a, b]\n: c\n"), "unhashable"),
    plan("month 13 in YAML", also("x: 2001-13-01\n"), "month must be in 1..12"),
    plan("YAML tag with a wrong value", also("x: !!int seven\n"), "invalid literal"),
    plan("YAML nested without end", params("[" * 100_000), "recursion"),
    plan("YAML of 2 MB", params("# " + "x" * 2_000_000), "larger than 1000000 bytes"),
    typed("YAML without end", "--params /dev/zero plan", "/dev/zero", "larger than 1000000 bytes"),
    plan("alias bomb", bomb, "seeds.0", "integer"),
    typed("alias bomb typed", f"--set 'lr={alias_bomb()}' plan", "lr", "valid number"),
    plan("merge bomb", params(MERGES), "2002:merge"),
    plan("not UTF-8", params(b"scale: d\xe9mo\n"), "utf-8"),
    plan("a NUL in YAML", params(b"scale: demo\0\n"), "special characters"),
    typed("folder for params", "--params . plan", "cannot read .", "directory"),
    plan("no params", remove("params.yaml"), "params.yaml", MISSING),
    plan("scale of the environment", environment(POINTREND_SCALE="papr"), "no scale 'papr'"),
    plan("params of the environment", environment(POINTREND_PARAMS="no.yaml"), "no.yaml", MISSING),
    plan("dataset named as a command", renamed("datasets", "voc", "x;touch canary"), NAME, "'x;touch canary'"),
    plan("dataset with a newline", renamed("datasets", "voc", "voc\n"), NAME),
    plan("dataset that climbs", renamed("datasets", "voc", "../voc"), NAME),
    plan("backbone with a quote", renamed("backbones", "r50", "r'50"), NAME),
    plan("scale with a substitution", renamed("scales", "demo", "$(touch canary)"), NAME),
    plan("archive with a path", archive(name="../../x.tar"), NAME),
    plan("archive with an absolute path", archive(name="/x"), NAME),
    plan("sets without a slash", put("datasets.voc.sets", "train"), "datasets.voc.sets", NAME),
    plan("label that breaks a table", put("backbones.r50.label", "R|50\n<b>"), "label", NAME),
    plan("params of an empty name", environment(POINTREND_PARAMS=""), code=0),
    plan("checksum of another length", archive(name="a", md5="12"), "md5", NAME),
    plan("pins that are no JSON", pins("{"), "pins.json", "POINTREND_PINS"),
    plan("pins that are a list", pins("[]"), "pins.json", "'files'"),
    plan("pin of no kind", pins('{"files": {"benchmark.tgz": 3}}'), "benchmark.tgz", "(got 3)"),
    plan("pin that anything fits", pins('{"files": {"benchmark.tgz": {"sha256": ""}}}'), "sha256", NAME),
    plan("pins that are a folder", pins(None), "directory"),
    typed("process of no number", "track follow --while-pid -5", "'-5' is no", "process"),
    typed("argument that is none", "plan --fast", "--fast", "pointrend plan --help"),
    typed("argument that is missing", "train", "RUN", "pointrend train --help"),
    typed("seed that is no number", "train voc_r50 --seed x", "--seed", "'x' is no"),
    typed("seed beyond 32 bits typed", "train voc_r50 --seed 99999999999", "--seed", "from 0 to"),
    typed("seeds that repeat", "compare --seeds 1,0,1", "--seeds", "'1,0,1'", "names 1 twice"),
    typed("no seeds typed", "compare --seeds ,", "--seeds ','", "names nothing|names none|is empty"),
    plan("seeds with a leading zero", params("seeds: [0, 00]\n"), "column 12: 00 means"),
    typed("digits of another script", "train voc_r50 --seed ٣", "--seed", "'٣' is no"),
    typed("value that is no YAML", "--set lr=[ plan", "lr=[", "not YAML|not valid YAML"),
    typed("value with month 13", "--set lr=2001-13-01 plan", "2001-13-01", "not YAML|not valid YAML"),
)
