"""What a look found of one Placement on one server that is in doubt. Pure.

`Attention.sight` is {} or: `{"fingerprint", "containers": [{"name", "id", "image", "image_id", "release": number by its
label or 0, "target": the same, "service" of Compose, "status", "running", "health": the engine's own word, "serves": bool,
"answer": what it said when it was asked, "published": [[address, server port, container port, protocol]]}], "ports":
[{"port", "holders": [names]}] that the Releases in question want, "release": the number on record that all that serves
matches, or None}`.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from deployments.models import Release

_TOLD: Final = ("name", "id", "image_id", "release", "status", "running", "serves", "published")


def sighted(containers: list[dict[str, Any]], ports: list[dict[str, Any]], release: int | None) -> dict[str, Any]:
    """The whole of it, with the fingerprint of what may not change between a person's look and their word."""
    told = {
        "containers": [{key: row[key] for key in _TOLD} for row in containers],
        "ports": ports,
        "release": release,
    }
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"fingerprint": mark, "containers": containers, "ports": ports, "release": release}


def serving(sight: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The containers that serve."""
    return [row for row in sight.get("containers", ()) if row["serves"]]


def is_of(release: Release, image_id: str, digests: Collection[str]) -> bool:
    """Whether a container of this image runs that Release's: by its digest where it has one, else by its ID."""
    if release.digest:
        return release.digest in digests
    return bool(release.image_id) and release.image_id == image_id
