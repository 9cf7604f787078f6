"""The chain from the published document and the archives to the results page, walked link by link.

results.json is believed first, on its own hash, because the hashes of the run files stand in it. Then the links are
walked in the order in which the files follow from one another, and the first one that does not hold is raised. What is
not here (archives that were removed, data or runs on another machine) and what cannot break a hash (other code, other
settings) becomes a note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pointrend.errors import CheckFailed, ResultsError
from pointrend.results.chain_data import RESULTS, Row
from pointrend.results.chain_runs import COMPARE_AGAIN, RunLinks
from pointrend.results.compare import assumed_spreads, copies, judge, read_results
from pointrend.results.published import published_miou
from pointrend.results.report import PAGE, README, check, check_readme


class Chain(RunLinks):
    """A walk along the chain of one scale."""

    def walk(self) -> None:
        """Walk it all.

        Raises:
            CheckFailed: a link does not hold; the message names the file.
            ResultsError: nothing has been compared yet.
        """
        path = self.project.results_folder / RESULTS
        if not path.is_file():
            raise ResultsError(f"{self._name(path)} is not there", f"run: pointrend --scale {path.parent.name} compare")
        try:
            self._walk(path)
        except ResultsError as unreadable:
            raise CheckFailed(unreadable.what, unreadable.do) from unreadable

    def _walk(self, path: Path) -> None:
        results = read_results(path)
        self._canonical(path, results, COMPARE_AGAIN)
        if "data" not in results["published"]:
            raise CheckFailed(f"{self._name(path)} was written by an earlier version of this project", COMPARE_AGAIN)
        self._published(results["published"])
        trained, released = (
            [row for row in results["runs"] if row["kind"] == kind] for kind in ("trained", "released")
        )
        for dataset in self.project.params.datasets:
            self._dataset(dataset, [row for row in trained + released if row["setting"]["dataset"] == dataset])
        for backbone in self.project.params.backbones:
            self._backbone(backbone, [row for row in trained if row["setting"].get("backbone") == backbone])
        self.copies = copies(trained)
        for row in trained:
            self._run(row)
            self._audit(row)
        for row in released:
            self._release(row)
        self._verdicts(results, trained + released)
        self._pages(results)

    def _verdicts(self, results: Mapping[str, Any], scored: Sequence[Row]) -> None:
        """Differences and verdicts follow from the figures."""
        for row in scored:
            expected = published_miou(self.published, row["run"])
            difference = None if expected is None or row["difference"] is None else row["miou"] - expected
            if (row["published_miou"], row["difference"]) != (expected, difference):
                raise CheckFailed(
                    f"{RESULTS}: the difference of {row['run']} is not ours minus published", COMPARE_AGAIN
                )
        if judge([dict(row) for row in scored], assumed_spreads(self.project.params.datasets)) != results["runs"]:
            raise CheckFailed(f"{RESULTS}: its verdicts do not follow from its figures and params.yaml", COMPARE_AGAIN)

    def _pages(self, results: Mapping[str, Any]) -> None:
        project = self.project
        check(results, self.published, project.results_folder, project.runs_folder)
        self.files |= {project.results_folder / name for name in (README, PAGE)}
        if project.params.scale == "paper":
            check_readme(project.root / "README.md", results)
            self.files.add(project.root / "README.md")
