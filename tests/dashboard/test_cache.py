"""The shared cache holds the counts that limit sign-ins."""

from __future__ import annotations

import pytest
from django.core.cache import cache

pytestmark = pytest.mark.django_db


def test_a_flood_of_other_keys_pushes_no_count_out() -> None:
    cache.set("failed-sign-ins", 5, 300)
    for number in range(400):
        cache.set(f"sign-ins-{number}", 1, 300)
    assert cache.get("failed-sign-ins") == 5
