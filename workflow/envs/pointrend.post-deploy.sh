#!/usr/bin/env bash
# Snakemake calls this in the checkout, inside the new environment. The same two installations as in the Makefile: pip
# takes no checkout where it checks hashes, so they are two.
set -euo pipefail
python -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
