"""The field's own tools read a crate: roc-validator and runcrate."""

from pathlib import Path

import pytest
import rocrate

from tests.needs import validator

# The only document that the validator fetches is one that rocrate has a copy of.
VALIDATE = """
import sys, requests
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.utils.http import HttpRequester

def get(self, url, **_):
    assert url == "https://w3id.org/ro/crate/1.1/context"
    response = requests.Response()
    response.status_code, response.url, response.raw = 200, url, open(sys.argv[3], "rb")
    response.headers["Content-Type"] = "application/ld+json"
    return response

HttpRequester.get = get
settings = {"profile_identifier": sys.argv[2], "requirement_severity": Severity.REQUIRED, "no_cache": True}
found = services.validate(ValidationSettings(rocrate_uri=sys.argv[1], **settings))
print([issue.message for issue in found.get_issues()], found.passed())
"""


@pytest.mark.parametrize("profile", ["provenance-run-crate", "ro-crate-1.1"])
def test_roc_validator_finds_nothing_that_is_required(crate, profile):
    context = Path(rocrate.__file__).parent / "data/ro-crate.jsonld"
    assert validator("python", "-c", VALIDATE, str(crate), profile, str(context)).splitlines()[-1] == "[] True"


def test_runcrate_reports_every_stage_run(crate):
    actions = {block.split("\n")[0]: block for block in validator("runcrate", "report", str(crate)).split("\n\n")}
    stages = ["fetch-voc", "fetch-backbone_r50", "prepare-voc", "compare", "report"]
    stages += [f"{verb}-voc_r50-s{seed}" for verb in ("train", "evaluate") for seed in (0, 1, 2)]
    assert actions.keys() - {""} == {"action: #workflow", *(f"action: #{stage}" for stage in stages)}
    trained = actions["action: #train-voc_r50-s0"]
    assert all(word in trained for word in ("pointrend/commands/train.py", "started: ", "ended: ", "train.json"))
