"""The engine imports nothing but itself and the standard library (import-linter, in bin/check, holds the other layer rules)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "worker" / "engine"


def imported(path: Path) -> Iterator[str]:
    """The absolute names a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "" if node.level == 0 else f"worker.engine.{node.module or ''}"


@pytest.mark.parametrize("path", sorted(ENGINE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_is_pure(path: Path) -> None:
    outside = [
        name
        for name in imported(path)
        if not name.startswith("worker.engine") and name.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert outside == []
