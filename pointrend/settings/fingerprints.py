"""Fingerprints: one sha256 of everything that a training, or a score, that starts now would follow from.

A record keeps the fingerprint of what it was made from. If that differs from the one computed here, the record is
stale: it was made with other settings, data, weights or code. Nothing here needs torch.
"""

from __future__ import annotations

from typing import Any

from pointrend.checkout.code_digest import code_digest
from pointrend.errors import ResultsError, WeightsError
from pointrend.files import read_json, sha256_file, sha256_json
from pointrend.settings.archives import DRAWN
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.settings.recipe import Recipe

MANIFEST_KEYS = ("archives", "code_sha256", "content", "counts", "files", "pins")


def training_fingerprint(project: Project, setting: RunSetting, seed: int) -> str:
    """Fingerprint of a training that starts now.

    Raises ResultsError if the prepared data do not match params.yaml, WeightsError if the backbone is not fetched.
    """
    data = prepared(project, setting.dataset)["content"]
    return setting.fingerprint(seed, data, backbone_sha256(project, setting), code_digest("train", setting.dataset))


def series(project: Project, setting: RunSetting) -> str:
    """Hash of all that the trainings of a run have in common, whatever the seed and the machine, such as ``gpus``.

    Two of them with one seed are two tries at one result. Raises as :func:`training_fingerprint` does.
    """
    parts = setting.deterministic()
    recipe = {key: value for key, value in parts["recipe"].items() if key not in Recipe.keys_of("machine")}
    data, backbone = prepared(project, setting.dataset)["content"], backbone_sha256(project, setting)
    code = code_digest("train", setting.dataset)
    return sha256_json({**parts, "recipe": recipe, "data": data, "backbone": backbone, "code": code})


def scoring_fingerprint(project: Project, setting: RunSetting, weights: str) -> str:
    """Fingerprint of the score of the weights with this sha256; raises as :func:`training_fingerprint` does."""
    data = prepared(project, setting.dataset)["content"]
    return setting.scoring_fingerprint(weights, data, code_digest("evaluate", setting.dataset))


def backbone_sha256(project: Project, setting: RunSetting) -> str | None:
    """sha256 of the fetched ImageNet weights that a training starts from; None where it starts from none."""
    if not setting.recipe.pretrained:
        return None
    file = project.params.backbones[setting.backbone].pretrained.name
    return _fetched_sha256(project, f"backbone_{setting.backbone}", file)


def released_sha256(project: Project, setting: RunSetting) -> str:
    """sha256 of the fetched released weights of a run."""
    return _fetched_sha256(project, f"released_{setting.run}", project.released_weights(setting.run).name)


def prepared(project: Project, dataset: str) -> dict[str, Any]:
    """The manifest of a prepared dataset.

    Raises ResultsError if it is missing, lacks a key, or is not of what params.yaml and the environment name now.
    """
    do = f"run: pointrend --scale {project.params.scale} prepare {dataset}"
    manifest = read_json(project.manifest(dataset), ResultsError, do, keys=MANIFEST_KEYS)
    other = None if manifest["code_sha256"] == code_digest("prepare", dataset) else "prepared by other code"
    if fault := prepared_fault(project, dataset, manifest) or other:
        what = f"{project.relative(project.manifest(dataset))}: {fault}"
        raise ResultsError(what, f"fetch {dataset} again, then {do}")
    return manifest


def prepared_fault(project: Project, dataset: str, manifest: dict[str, Any]) -> str | None:
    """How prepared data differ, by their manifest, from what params.yaml and the environment name now, but for code."""
    if manifest["pins"] != project.archive_set:
        return f"prepared from the archives {manifest['pins']}, not {project.archive_set}"
    if project.archive_set != DRAWN:
        for archive in project.archives_of(dataset):
            found = manifest["archives"].get(archive.name, {})
            for kind in ("bytes", "md5", "sha256"):
                wanted = getattr(archive, kind)
                if wanted is not None and found.get(kind) != wanted:
                    return f"{archive.name} had {kind} {found.get(kind)}, not {wanted}"
    expected, limit = project.expected_images(dataset).model_dump(), project.scale.limit
    for split, counts in manifest["counts"].items():
        kept = counts["found"] if limit is None else min(counts["found"], limit)
        if (counts["official"], counts["kept"]) != (expected.get(split), kept):
            asked = f"{expected.get(split)} were asked for, limit {limit}"
            return f"{counts['kept']} images of {split} were kept of {counts['official']} asked for; now {asked}"
    return None


def data_record(project: Project, dataset: str) -> dict[str, Any]:
    """The prepared data that a record is made from: hash and content of their manifest."""
    manifest = prepared(project, dataset)
    return {
        "data_manifest_sha256": sha256_file(project.manifest(dataset)),
        "archives": {name: archive["sha256"] for name, archive in manifest["archives"].items()},
        "data": described(manifest),
    }


def described(manifest: dict[str, Any]) -> dict[str, Any]:
    """The archives, the code and the images of a manifest of prepared data."""
    return {
        "content": manifest["content"],
        "pins": manifest["pins"],
        "archives": manifest["archives"],
        "images": {split: counts["kept"] for split, counts in manifest["counts"].items()},
        "ids_sha256": {split: counts["ids_sha256"] for split, counts in manifest["counts"].items()},
        "code_sha256": manifest["code_sha256"],
    }


def _fetched_sha256(project: Project, name: str, file: str) -> str:
    path, do = project.fetched(name), f"run: pointrend --scale {project.params.scale} fetch {name}"
    files = project.fetched_records(name, WeightsError)
    if file not in files:
        raise WeightsError(f"{path} does not list {file}", do)
    found = read_json(path, WeightsError, do)["set"]
    if found != project.archive_set:
        raise WeightsError(f"{path} is of the archives {found}, not {project.archive_set}", do)
    return str(files[file]["sha256"])
