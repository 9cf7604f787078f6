"""The model card of a training: README.md beside its weights, with the ``model-index`` that model hubs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from pointrend.errors import ResultsError
from pointrend.results import tables
from pointrend.results.chain import COUNTS, METRICS, MODEL, TRAIN
from pointrend.results.published import Published
from pointrend.results.tables import Row
from pointrend.settings.definition import DEMO


def scored_row(results: Mapping[str, Any], run: str, seed: int) -> Row:
    """The row of a training that is scored. Raises ResultsError where results.json has none."""
    for row in results["runs"]:
        if (row["run"], row["kind"], row["seed"]) == (run, "trained", seed) and row["miou"] is not None:
            return dict(row)
    what = f"the results at scale {results['scale']} have no score of {run} with seed {seed}"
    raise ResultsError(what, f"run: snakemake --cores all --config scale={results['scale']} runs={run} seeds={seed}")


def model_card(results: Mapping[str, Any], row: Row, published: Published) -> str:
    """Markdown with YAML before it; ``row`` is from :func:`scored_row`."""
    front = yaml.safe_dump(_front_matter(results, row), sort_keys=False, allow_unicode=True, width=120)
    recipe, made = row["setting"]["recipe"], row["provenance"]
    title, sentence = tables.run_title(row), tables.scale_sentence(results)
    height, width = recipe["crop_size"]
    heading = tables.of_theirs(results["scale"], "published").capitalize()
    theirs, ours = tables.theirs(published, row["run"]), tables.percent(row["miou"])
    words = tables.of_theirs(results["scale"], tables.VERDICT_SENTENCES.get(row["verdict"], ""))
    hashes = "\n".join(f"| {name} | `{row['hashes'][name]}` |" for name in (TRAIN, METRICS, COUNTS))
    return f"""---
{front}---

# PointRend, {title}

> {sentence}

| {heading} mIoU | This model (seed {row["seed"]}) | Difference | Verdict |
| :-: | :-: | :-: | :-: |
| {theirs} | {ours} | {tables.difference(row)} | {row["verdict"]} |

{row["verdict"].capitalize()}: {words}.

```python
import pointrend

result = pointrend.load("{MODEL}").segment("photo.jpg")
result.labels  # uint8 (H, W), indices of result.names
```

Trained from {made["began"]} UTC for {recipe["epochs"]} epochs of {tables.dataset_title(results, row)}: batches of
{recipe["batch_size"]} crops of {height}x{width}, learning rate {recipe["lr"]}, output stride {recipe["output_stride"]}.
These are the weights of the last iteration; none were selected by their score. Commit of the code:
{made["code"]["commit"] or "unknown"}. The dataset has its own terms of use.

The score is computed from {COUNTS}, which has for every image and class the numbers of correct, labelled and
predicted pixels.

| File | sha256 |
| :-- | :-- |
{hashes}
| results.json of all runs | `{results["sha256"]}` |
| {MODEL} of the training, without the metadata of this one | `{made["model_sha256"]}` |
"""


def _front_matter(results: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """What a hub reads, in the form of its ``model-index``."""
    dataset = row["setting"]["dataset"]
    ends = dict(zip(("difference_low", "difference_high"), row["interval"] or (None, None), strict=True))
    comparable = row["comparable"] and tables.comparable(results)
    theirs = tables.of_theirs(results["scale"], "published")
    verdict = {"verdict": row["verdict"], f"{theirs}_miou": row["published_miou"], "difference": row["difference"]}
    metric = {"type": "mean_iou", "name": "mIoU", "value": row["miou"]}
    result = {
        "task": {"type": "image-segmentation", "name": "Semantic segmentation"},
        "dataset": {
            "type": f"{results['scale']}-{dataset}" if results["scale"] == DEMO else dataset,
            "name": tables.dataset_title(results, row),
            "split": "val",
            "args": {"scale": results["scale"], "images": row["measures"]["n_images"]},
        },
        "metrics": [{**metric, "args": {**verdict, **ends, "comparable": comparable}}],
        "source": {"name": f"counts per image, sha256 {row['hashes'][COUNTS]}", "url": COUNTS},
    }
    return {
        "license": "other",  # that of the images is not ours to give
        "library_name": "pointrend",
        "pipeline_tag": "image-segmentation",
        "tags": ["semantic-segmentation", "pointrend", row["setting"]["backbone"]],
        "metrics": ["mean_iou"],
        "model-index": [{"name": f"pointrend-{row['run']}-s{row['seed']}", "results": [result]}],
    }
