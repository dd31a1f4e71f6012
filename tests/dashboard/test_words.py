"""Every act that is recorded anywhere has words on the screen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from dashboard.words import ACTS

ROOT = Path(__file__).resolve().parents[2]


def recorded() -> Iterator[str]:
    """Each literal action given to `audit.record`, `audit.denied` or `audit.Act`."""
    for folder in ("dashboard", "deployments", "worker"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _is_audit(node.func) and len(node.args) > 1:
                    for part in ast.walk(node.args[1]):
                        if (
                            isinstance(part, ast.Constant)
                            and "." in str(part.value)
                            and not str(part.value).endswith(".")
                        ):
                            yield str(part.value)


def _is_audit(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute) or function.attr not in {"record", "denied", "Act"}:
        return False
    return isinstance(function.value, ast.Name) and function.value.id == "audit"


def test_every_act_has_words() -> None:
    acts = set(recorded())
    assert len(acts) > 30
    assert acts - ACTS.keys() == set()
    assert ACTS.keys() - acts == set()
