"""What a Placement is set to, in words: what an audit entry compares."""

import hashlib
from typing import Any

from deployments import build_settings, compose_settings, container_settings, rollout_settings
from deployments.models import Placement


def shown(placement: Placement) -> dict[str, Any]:
    """What the audit entry compares."""
    seats = placement.seats.filter(is_active=True).order_by("host__name")
    return {
        "source": placement.get_source_display(),
        "image": placement.image,
        **{f"Build: {name}": text for name, text in _build_shown(placement).items()},
        **{f"Compose: {name}": text for name, text in _compose_shown(placement).items()},
        "url": placement.url,
        "keep_releases": placement.keep_releases,
        **{f"Order: {name}": text for name, text in _rollout_shown(placement).items()},
        "servers": list(seats.values_list("host__name", flat=True)),
        **container_settings.describe(placement.settings),
    }


def _build_shown(placement: Placement) -> dict[str, str]:
    return build_settings.describe(placement.build) if placement.build else {}


def _compose_shown(placement: Placement) -> dict[str, str]:
    """A pasted file by what tells one from another: its text is on the Releases."""
    if not placement.compose:
        return {}
    text = placement.compose["text"].encode("utf-8", "surrogatepass")
    return {
        **compose_settings.describe(placement.compose),
        **({"SHA-256 of the file": hashlib.sha256(text).hexdigest()[:16]} if text else {}),
    }


def _rollout_shown(placement: Placement) -> dict[str, str]:
    return rollout_settings.describe(placement.rollout) if placement.rollout else {}
