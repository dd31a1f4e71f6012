"""What a Compose file says on its face, and that no text of a person's comes to a command line as an option."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import compose_settings
from deployments.compose_text import ComposeFace, read_face
from deployments.errors import FieldErrors
from tests.worker.sources.test_injection import COMMANDS

FILE = """\
name: Harbour
x-common: &common
  restart: always
services:
  web:
    <<: *common
    image: shop:2
    environment:
      - DB_PASSWORD=hunter22
      - MODE
      - GREETING=hello
    command: ["run", "$PORT", "$$NOT_ONE", "${LEVEL:-info}", "${HOST?must be set}"]
  db:
    image: postgres:${VERSION}
    environment: {POSTGRES_PASSWORD: "${DB_PASSWORD}", API_TOKEN: abcdef, LEVEL: "$LEVEL"}
  again: {image: "shop:2"}
  built: {build: .}
"""


def test_what_a_file_says() -> None:
    face = read_face(FILE)
    assert (face.name, face.services) == ("Harbour", ("web", "db", "again", "built"))
    assert face.images == ("shop:2",), "what is filled in later is nobody's image yet"
    asked = {each.name: each.is_secret for each in face.variables}
    assert asked == {"PORT": False, "LEVEL": False, "HOST": False, "VERSION": False, "DB_PASSWORD": True}
    assert [(each.service, each.name, each.line) for each in face.written_secrets] == [
        ("web", "DB_PASSWORD", 9),
        ("db", "API_TOKEN", 15),
    ]


@pytest.mark.parametrize(
    "text", ["", "services: 1", "[1]", "services:\n\tx", "name: ${X}", "services: {a: 1, b: [image]}"]
)
def test_what_is_none_says_little(text: str) -> None:
    face = read_face(text)
    assert (face.name, face.images, face.written_secrets) == ("", (), ())


@given(st.text(max_size=300) | st.text(alphabet="services:{}[]$-&*! \n\tab", max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(read_face(text), ComposeFace)


@pytest.mark.parametrize("name", ["ref", "files", "profiles"])
def test_no_text_becomes_an_option_or_leaves_the_repository(name: str) -> None:
    for each in _taken(name):
        assert name != "profiles" or re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", each), each
        assert name != "ref" or not each.startswith("-"), each
        assert name != "files" or not (each.startswith("/") or ".." in each.split("/")), each


def _taken(name: str) -> list[str]:
    """What is stored of all that was typed."""
    found: list[str] = []
    for text in (each.format("canary") for each in COMMANDS):
        with contextlib.suppress(FieldErrors):
            kept = compose_settings.normalise({name: text})[name]
            found += [kept] if isinstance(kept, str) else kept
    return found
