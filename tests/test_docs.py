"""The documentation builds, its links work, and the files that it names exist."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pointrend.checkout.code_digest import UNITS

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "tests/golden/README.md"]
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EVERY_PAGE
def test_links_work(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\((?!https?://|\.\./\.\./actions/)([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(linked), target


@EVERY_PAGE
def test_named_files_exist(page):
    for path in re.findall(r"`((?:pointrend|tests|workflow|published|\.github)/[\w/.-]+)`", page.read_text()):
        assert (ROOT / path).exists() or path == "published/released.lock.json", path


def test_the_architecture_names_every_folder_and_what_a_stage_follows_from():
    text = (ROOT / "docs/architecture.md").read_text()
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rooms = re.findall(r"pointrend\.(\w+)", " ".join(contracts[0]["layers"]))
    units = [unit.replace("{dataset}", "<dataset>") for units in UNITS.values() for unit in units]
    for name in {*rooms, *units}:
        assert f"`{re.sub(r'commands/.*', 'commands/<stage>.py', name)}" in text, name


def test_the_site_builds(tmp_path):
    mkdocs = [str(Path(sys.executable).parent / "mkdocs"), "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    subprocess.run(mkdocs, cwd=ROOT, env=env, check=True, timeout=120)
    pages = [*tmp_path.glob("*/index.html"), tmp_path / "index.html"]
    assert len(pages) == len([*ROOT.glob("docs/*.md")])
    assert [page for page in pages if re.search(r'\.md</a>|href="[^":]*\.md["#]', page.read_text())] == []
