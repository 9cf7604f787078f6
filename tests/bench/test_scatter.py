"""The table in docs/verdicts.md that compares how our trainings and the original's scatter follows from its data."""

import json

import numpy as np
import pytest
from scipy import stats

from tests.tiny import ROOT

RUNS = json.loads(next((ROOT / "benchmarks").glob("scatter_*.json")).read_text())["runs"]
PAIRS = [(run, kind) for run, kinds in RUNS.items() for kind in kinds if kind != "original"]


@pytest.mark.parametrize(("run", "kind"), PAIRS)
def test_a_row_of_the_table_follows_from_the_scores(run, kind):
    original, ours = np.array(RUNS[run]["original"]), np.array(RUNS[run][kind])
    ratio = ours.var(ddof=1) / original.var(ddof=1)
    degrees = len(ours) - 1, len(original) - 1
    spread = 2 * min(stats.f.sf(ratio, *degrees), stats.f.cdf(ratio, *degrees))
    figures = (f"{values.mean():.2f} ± {values.std(ddof=1):.2f}" for values in (original, ours))
    test = stats.ttest_ind(ours, original, equal_var=False)
    row = " | ".join(("", run, kind, *figures, f"{test.pvalue:.2f}", f"{spread:.2f}", "")).strip()
    assert row in (ROOT / "docs/verdicts.md").read_text()


def test_every_row_has_twenty_trainings_and_none_differs():
    assert {len(scores) for kinds in RUNS.values() for scores in kinds.values()} == {20}
    assert set(PAIRS) >= {("voc_r50", "ours"), ("voc_r101", "ours"), ("ade20k_r50", "ours")}
