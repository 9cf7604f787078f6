"""In the built site, links that leave docs/ become the names of the files, and no page goes by the name of its file."""

from __future__ import annotations

import re
from typing import Any

PAGE = re.compile(r"\[(\w+)\.md\](?=\()")
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for every page."""
    return PAGE.sub(r"[\1]", OUTSIDE.sub(_named, markdown))


def _named(link: re.Match[str]) -> str:
    words, path = link[1], link[2]
    if words.strip("`/") == path.strip("/"):
        return f"`{path}` in the repository"
    return f"{words} (`{path}` in the repository)"
