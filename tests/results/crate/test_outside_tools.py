"""The field's own tools read a crate: roc-validator and runcrate."""

import io
from pathlib import Path

import pytest
import requests
import rocrate
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.utils.http import HttpRequester
from runcrate.report import dump_crate_actions

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


@pytest.fixture
def offline(monkeypatch):
    """The only document that the validator fetches, from the package that has a copy."""

    def get(self, url: str, **_: object) -> requests.Response:
        assert url == CONTEXT
        response = requests.Response()
        response.status_code, response.url = 200, url
        response.headers["Content-Type"] = "application/ld+json"
        response.raw = io.BytesIO((Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_bytes())
        return response

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)


@pytest.mark.parametrize("profile", ["provenance-run-crate", "ro-crate-1.1"])
def test_roc_validator_finds_nothing_that_is_required(crate, offline, profile):
    settings = ValidationSettings(
        rocrate_uri=str(crate), profile_identifier=profile, requirement_severity=Severity.REQUIRED, no_cache=True
    )
    found = services.validate(settings)
    assert [issue.message for issue in found.get_issues()] == []
    assert found.passed()


def test_runcrate_reports_every_stage_run(crate):
    text = io.StringIO()
    dump_crate_actions(str(crate), text)
    actions = {block.split("\n")[0]: block for block in text.getvalue().split("\n\n")}
    stages = ["fetch-voc", "fetch-backbone_r50", "prepare-voc", "compare", "report"]
    stages += [f"{verb}-voc_r50-s{seed}" for verb in ("train", "evaluate") for seed in (0, 1, 2)]
    assert actions.keys() - {""} == {"action: #workflow", *(f"action: #{stage}" for stage in stages)}
    trained = actions["action: #train-voc_r50-s0"]
    assert all(word in trained for word in ("pointrend/commands/train.py", "started: ", "ended: ", "train.json"))
