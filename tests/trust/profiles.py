"""How long the randomised tests look: a bounded while in the suite, much longer by `make fuzz`.

POINTREND_FUZZ multiplies the number of examples; `make fuzz` sets it to 100.
"""

import os

from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("POINTREND_FUZZ", "1"))


def examples(count: int) -> settings:
    """Settings for a test of ``count`` examples in the suite."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=count * FACTOR, deadline=None, suppress_health_check=checks, derandomize=FACTOR == 1)
