"""Results and curves, replayed to MLflow from the files that training and evaluation leave behind.

No other package uses MLflow, which reads these settings when it is imported:

* no telemetry, and no run URLs on the screen, which would show the password in a tracking URI;
* no retries: MLflow's would block for minutes, and would repeat a request that the server may have stored. This package
  asks the server what it has before it sends anything again.
"""

from __future__ import annotations

import os

os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
