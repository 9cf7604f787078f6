"""The documentation builds, its links lead somewhere, and its list of errors is that of the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from docs.hooks.error_texts import PAGE, error_texts, with_list

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "tests/golden/README.md"]


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(linked), target


def test_the_site_builds(tmp_path: Path) -> None:
    mkdocs = [str(Path(sys.executable).parent / "mkdocs"), "build", "--strict", "--quiet"]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        [*mkdocs, "--site-dir", str(tmp_path)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )
    assert built.returncode == 0, built.stdout + built.stderr
    for page in ROOT.glob("docs/*.md"):
        assert (tmp_path / ("index.html" if page.stem == "index" else f"{page.stem}/index.html")).is_file()


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"[\w/]+\.md", str(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(listed) == sorted(page.name for page in ROOT.glob("docs/*.md"))


def test_error_texts_are_listed() -> None:
    assert len(error_texts()) > 50
    assert with_list(PAGE.read_text()) == PAGE.read_text(), "run: make docs"
