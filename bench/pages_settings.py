"""Production's settings with one middleware more, which tells what a page cost; `bin/bench pages` alone uses them."""

from dashboard.settings import *  # noqa: F403 - the same, all of them
from dashboard.settings import MIDDLEWARE as THEIRS

MIDDLEWARE = ["bench.pages_cost.Cost", *THEIRS]
