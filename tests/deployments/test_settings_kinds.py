"""Settings as a program may send them, numbers for lists and lists for groups: refused at a field, or read; never a fault."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from deployments import build_settings, compose_settings, container_settings, power, rollout_settings
from deployments.errors import FieldErrors
from deployments.setting_fields import Field

KINDS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e300, 2**62, -(2**62), "", "9" * 5000, "é\u202e\u2028"),
    *([], [None], [[]], [[1, [2]]], [{"a": [{}]}], ["", 1, {}], {}, {"a": {"b": []}}),
)
CASES = [
    (module, field)
    for module in (container_settings, build_settings, compose_settings, rollout_settings)
    for field in module.FIELDS
]


def given(field: Field) -> Iterator[Any]:
    """Each kind of value for the field itself, and for each of its columns, in a row and in a group."""
    for value in KINDS:
        yield value
        for column in field.columns:
            yield {column.name: value}
            yield [{column.name: value}]
            yield {"kind": (column.when or ("http",))[0], column.name: value}


@pytest.mark.parametrize(
    ("module", "field"), CASES, ids=[f"{module.__name__.rpartition('.')[2]}.{field.name}" for module, field in CASES]
)
def test_any_kind_of_value(module: ModuleType, field: Field) -> None:
    for value in given(field):
        try:
            settings = module.normalise({field.name: value})
        except FieldErrors as refused:
            # What goes together is said at the other field too
            said = {path.partition(".")[0] for path in refused.errors}
            if not said <= {each.name for each in module.FIELDS}:
                pytest.fail(f"{value!r} was refused at {said}")
            continue
        assert module.normalise(settings) == settings
        module.describe(settings)
        if module is container_settings:
            power.powers(settings, ["/srv"])
