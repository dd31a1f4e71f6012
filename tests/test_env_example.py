"""Every setting the code reads stands in .env.example with a word on what it does, and nothing else does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOR_COMPOSE_ALONE = {
    "COMPOSE_PROFILES",
    "ESTIVA_DOCKER_GID",
    "ESTIVA_HTTPS_PUBLISH",
    "ESTIVA_HTTP_PUBLISH",
    "ESTIVA_IMAGE",
    "ESTIVA_PUBLISH",
    "ESTIVA_SECRETS",
}


def read_by_the_code() -> set[str]:
    """The names given to dashboard.env's readers."""
    names = set()
    for path in (ROOT / "dashboard").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                names.add(str(node.args[0].value))
    return {name for name in names if re.fullmatch("ESTIVA_[A-Z_]+", name)}


def documented() -> set[str]:
    """The names set in .env.example."""
    return set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_setting_is_documented() -> None:
    assert read_by_the_code() - documented() == set()


def test_nothing_is_documented_that_nobody_reads() -> None:
    assert documented() - read_by_the_code() - FOR_COMPOSE_ALONE == set()


def test_compose_names_only_documented_settings() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\b(ESTIVA_[A-Z_]+?)(?:_FILE)?\b", compose))
    assert used - documented() == set()
