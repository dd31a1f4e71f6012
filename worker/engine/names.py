"""Container names that bear the fence: `app-production-r12.f7`, and with `-2` behind it where that one is taken."""

import re
from collections.abc import Collection

_FENCED = re.compile(r"^(?P<stem>.+-r\d+)\.f(?P<fence>\d+)(?:-\d+)?$")
FENCE_UNKNOWN = -1


def fence_of(name: str) -> int:
    """The fence in a name; `FENCE_UNKNOWN` for a name that isn't ours any more (somebody renamed it by hand)."""
    found = _FENCED.match(name)
    return int(found["fence"]) if found else FENCE_UNKNOWN


def fenced(placement_name: str, release: int, fence: int, taken: Collection[str]) -> str:
    """The first name for this release and fence that isn't in `taken`."""
    name = f"{placement_name}-r{release}.f{fence}"
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate
