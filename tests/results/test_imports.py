from __future__ import annotations

import pkgutil
import subprocess
import sys

import pointrend.results


def test_results_are_made_without_deep_learning_libraries() -> None:
    """Whoever only reads results needs none of them, and waits for none."""
    modules = pkgutil.walk_packages(pointrend.results.__path__, "pointrend.results.")
    imports = "; ".join(f"import {module.name}" for module in modules)
    code = f"import sys; {imports}; sys.exit(len({{'torch', 'cv2', 'mlflow'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
