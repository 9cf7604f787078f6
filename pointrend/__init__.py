"""Reproduces the six PointRend results that SSSegmentation publishes, from archives to a results table."""

from pointrend.checkout.sources import import_from_source

__version__ = "0.1.0"

import_from_source()
