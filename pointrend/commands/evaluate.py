"""Score a trained run, its released weights, or a file, on the val images: one process, one whole image at a time.

--released scores what `fetch released_RUN` got and writes to runs/<scale>/RUN-released/.
--weights scores a file (our .safetensors or SSSegmentation's .pth) and writes to --out, or prints, never into runs/.

examples:
  pointrend evaluate voc_r50 --seed 0
  pointrend evaluate voc_r50 --weights runs/demo/voc_r50-s0/model.safetensors
  pointrend --scale paper evaluate voc_r50 --released
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

from pointrend.commands.arguments import add_run, add_seed, check_out, folder
from pointrend.errors import ParamsError
from pointrend.files import sha256_file
from pointrend.settings.fingerprints import prepared
from pointrend.settings.project import Project

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    add_seed(parser)
    parser.add_argument("--released", action="store_true", help="score the released weights")
    parser.add_argument("--weights", metavar="FILE", type=Path, help="score this file instead")
    parser.add_argument(
        "--out", metavar="DIR", type=folder, help="with --weights: output folder; default: print metrics.json"
    )


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Score one run."""
    setting, weights, out = project.setting(arguments.run), arguments.weights, arguments.out
    if out is not None and weights is None:
        raise ParamsError("--out needs --weights", "leave it out: a trained run is written to its own folder")
    if out is not None:
        check_out(project, out)
    if arguments.released and weights is not None:
        raise ParamsError("--released and --weights name two files", "leave one of them out")

    from pointrend.evaluation.evaluate import write_evaluation
    from pointrend.evaluation.score import score, score_released, score_trained
    from pointrend.evaluation.shown import scores_text

    if arguments.released:
        score_released(project, setting)
        return
    prepared(project, setting.dataset)
    if weights is None:
        score_trained(project, setting, arguments.seed)
        return
    scores = score(project, setting, weights)
    if out is None:
        print(json.dumps(scores.metrics, indent=2))
    else:
        write_evaluation(out, scores, {"model_sha256": sha256_file(weights)})
        log.info("%s", scores_text(scores.metrics, out))
