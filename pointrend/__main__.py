"""``python -m pointrend`` is ``pointrend``."""

import sys

from pointrend.cli import main

sys.exit(main())
