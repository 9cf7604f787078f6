"""Reproduces the six PointRend results that SSSegmentation publishes, from archives to a results table."""

__version__ = "0.1.0"
