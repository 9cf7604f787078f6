"""What a params.yaml from a stranger can make the engines' shells do: nothing."""

import pytest

from pointrend.engines.workflow import Workflow
from pointrend.errors import ParamsError
from tests.trust.bad_params import rename
from tests.workflow.checkout import Checkout

CANARY = "canary"
ENGINES = {"snakemake": ("snakemake", "--cores", "1"), "dvc": ("dvc", "repro")}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout in a folder that a careless shell would trip over."""
    checkout = Checkout.of_voc(tmp_path_factory.mktemp("shells") / f'it\'s $(touch {CANARY}) "here"')
    checkout.git("init", "--quiet")
    return checkout


@pytest.mark.parametrize("engine", ENGINES)
def test_a_hostile_params_file_executes_nothing(checkout, engine):
    """trust/bad_params.py has other places where such a name is refused."""
    whole, params = checkout.params(), checkout.params()
    rename(params, "datasets", "voc", f"voc$(touch {CANARY})")
    checkout.write_params(params)
    with checkout.start(*ENGINES[engine]) as process:
        output, _ = process.communicate(timeout=120)
    checkout.write_params(whole)
    assert process.returncode != 0, output
    assert not list(checkout.root.parent.rglob(f"{CANARY}*")), output
    assert "error: " in output.lower()


def test_a_folder_with_a_shells_name_is_an_ordinary_one(checkout):
    checkout.run("snakemake", "--cores", "1", "data")
    assert (checkout.root / "data/demo/voc/manifest.json").is_file()
    assert not [path for path in checkout.root.parent.rglob(f"{CANARY}*") if path != checkout.root]


@pytest.mark.parametrize("value", ["demo; true", "$(true)", "a b", "'", "{}"])
@pytest.mark.parametrize("key", ["scale", "runs", "seeds", "gpus", "pretrained"])
def test_nothing_of_the_kind_can_be_typed_either(checkout, key, value):
    with pytest.raises(ParamsError):
        Workflow.from_config({key: value}, checkout.root)
