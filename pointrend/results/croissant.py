"""A prepared dataset as Croissant metadata (MLCommons, version 1.0), which other tools for datasets read.

It states the URLs of the archives, and size and sha256 of these and of the prepared files. It contains no image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointrend.datasets.registry import classes_of
from pointrend.logs import redacted
from pointrend.settings.archives import DRAWN, Home
from pointrend.settings.project import Project

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
# The context that the specification prescribes, which readers compare with theirs.
TERMS = """
    citeAs column equivalentProperty extract field fileObject fileProperty fileSet format includes isLiveDataset
    jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source subField
    transform
"""
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{term: f"cr:{term}" for term in TERMS.split()},
}
OUR_LICENSE = "https://www.apache.org/licenses/LICENSE-2.0"  # of what the project draws
FORMATS = {"tar": "application/x-tar", "tgz": "application/gzip", "zip": "application/zip", "json": "application/json"}


def croissant(project: Project, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON-LD of the dataset with this manifest.json; the prepared files are named relative to its folder.

    An archive without a URL gets that of the dataset's site, where registered users can download it.

    Raises:
        ParamsError: published/mirrors.json has no entry for the dataset.
    """
    name, home = manifest["dataset"], project.home(manifest["dataset"])
    if project.archive_set == DRAWN:
        home = home.model_copy(update={"license": OUR_LICENSE, "citeAs": "drawn by pointrend"})
        urls = {archive: f"../archives/{name}/{archive}" for archive in manifest["archives"]}
    else:
        urls = {archive: redacted(next(iter(project.urls(archive)), home.url)) for archive in manifest["archives"]}
    return _metadata(manifest, home, urls)


def _metadata(manifest: Mapping[str, Any], home: Home, urls: Mapping[str, str]) -> dict[str, Any]:
    name, classes = manifest["dataset"], classes_of(manifest["dataset"])
    archives = [_file(archive, urls[archive], record) for archive, record in manifest["archives"].items()]
    prepared = [_file(file, file, record) for file, record in manifest["files"].items()]
    title = f"Images drawn in the style of {classes.title}" if manifest["pins"] == DRAWN else classes.title
    images = ", ".join(f"{found['images']} of {split}" for split, found in manifest["splits"].items())
    records = ({"classes/train_id": number, "classes/name": of} for number, of in enumerate(classes.names))
    fields = [_field("classes", "train_id", "Integer"), _field("classes", "name", "Text")]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": f"pointrend-{name}",
        "description": f"{title}, as pointrend prepares it: images and labels of train ids, {images}. Archives verified"
        f" against: {manifest['pins']}.",
        **home.model_dump(),
        "version": "1.0.0",
        "identifier": manifest["content"],
        "distribution": [*archives, *prepared],
        "recordSet": [
            {"@type": "cr:RecordSet", "@id": "classes", "name": "classes", "field": fields, "data": list(records)},
            *map(_images, manifest["splits"]),
        ],
    }


def _file(name: str, url: str, record: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: record[key] for key in ("sha256", "md5") if record.get(key)}
    form = FORMATS.get(name.rpartition(".")[2], "application/octet-stream")
    size = {"contentUrl": url, "contentSize": f"{record['bytes']} B", "encodingFormat": form}
    return {"@type": "cr:FileObject", "@id": name, "name": name, **size, **known}


def _images(split: str) -> dict[str, Any]:
    """The records of a split: the id and the size of every image, from its index."""
    index = {"fileObject": {"@id": f"{split}.index.json"}}
    paths = {"id": ("Text", "$.ids[*]"), "height": ("Integer", "$.sizes[*][0]"), "width": ("Integer", "$.sizes[*][1]")}
    fields = [
        {**_field(split, name, kind), "source": {**index, "extract": {"jsonPath": path}}}
        for name, (kind, path) in paths.items()
    ]
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "field": fields}


def _field(of: str, name: str, kind: str) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": f"{of}/{name}", "name": f"{of}/{name}", "dataType": f"sc:{kind}"}
