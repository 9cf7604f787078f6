"""Cityscapes behind its login, through the official package ``cityscapesscripts``.

The package reads the account from a file under XDG_DATA_HOME and otherwise asks on the terminal, which would
hang a batch job. It gets a private, temporary file instead.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from pointrend.datasets.download import PATIENCE, PartFile, Patience
from pointrend.datasets.fetch import PUT_AT_HAND, FetchedFile, accept, exclusive, fetch_archive, find_locally, is_url
from pointrend.datasets.progress import transfer_progress
from pointrend.datasets.verification import Archive, WrongFile
from pointrend.errors import DownloadError

OFFICIAL_SITE = "https://www.cityscapes-dataset.com"

_DOWNLOADER = "cityscapesscripts.download.downloader"
_POLL_S = 2.0

logger = logging.getLogger(__name__)
