"""What a Dockerfile is built on, read from its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.build_log import dockerfile_line
from worker.engine.dockerfile import base_images, directives, instructions
from worker.engine.dockerfile_ports import exposed_ports


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM python:3.7\nRUN pip install flask\n", ["python:3.7"]),
        ("\ufefffrom python:3.7\r\nCMD x\r\n", ["python:3.7"]),
        ("# comment\n\n  FROM   --platform=linux/arm64   python:3.7   as  web\n", ["python:3.7"]),
        ("FROM scratch\nCOPY x /\n", []),
        ("ARG TAG=3.7\nFROM python:$TAG\n", ["python:3.7"]),
        ('ARG TAG="3.7" NAME=python\nFROM ${NAME}:${TAG}-slim\n', ["python:3.7-slim"]),
        ("ARG A=3\nARG B=${A}.7\nFROM python:${B}\n", ["python:3.7"]),
        ("FROM ${NOTHING:-python:3.7}\n", ["python:3.7"]),
        ("ARG ALPINE\nFROM python:3.7${ALPINE:+-alpine}\n", ["python:3.7"]),
        ("FROM python:${UNKNOWN}\n", ["python:${UNKNOWN}"]),
        ("FROM node:20 AS build\nRUN npm ci\nFROM nginx:1\nCOPY --from=build /app /\n", ["node:20", "nginx:1"]),
        ("FROM node:20 AS build\nFROM nginx:1\nCOPY --from=0 /app /\n", ["node:20", "nginx:1"]),
        ("FROM node:20 AS unused\nFROM nginx:1\n", ["nginx:1"]),
        ("FROM a:1 AS one\nFROM one AS two\nFROM TWO\n", ["a:1"]),
        ("FROM a:1\nCOPY --from=tools:2 /bin/x /\n", ["a:1", "tools:2"]),
        ("FROM a:1\nCOPY --chown=1:1 --from=tools:2 /bin/x /\n", ["a:1", "tools:2"]),
        ("FROM a:1\nRUN --mount=type=bind,from=tools:2,target=/t /t/x\n", ["a:1", "tools:2"]),
        ("FROM a:1\nRUN --mount=type=bind,from=b,target=/t x --from=no\n", ["a:1", "b"]),
        ("FROM a:1\nRUN echo \\\n  FROM no:1 \\\n# FROM no:2\n\n  && true\nFROM b:1\n", ["b:1"]),
        ("FROM a:1\nRUN <<EOF\nFROM no:1\nEOF\nFROM b:1\nCOPY --from=0 /x /\n", ["a:1", "b:1"]),
        ("FROM a:1 AS x\nCOPY <<-\"END\" /f\nFROM no:1\n\tEND\nFROM x\n", ["a:1"]),
        ("# escape=`\nFROM a:1 AS x\nRUN echo `\n  FROM no:1\nFROM x\n", ["a:1"]),
        ("FROM a:1@sha256:abc\nFROM a:1@sha256:abc\n", ["a:1@sha256:abc"]),
        ("FROM a:1\nARG TAG=9\nFROM b:$TAG\n", ["b:$TAG"]),
        ("RUN before any\nFROM a:1\n", ["a:1"]),
        ("FROM\n", []),
        ("", []),
    ],
)  # fmt: skip
def test_bases_of_the_last_stage(text: str, found: list[str]) -> None:
    assert base_images(text, {}) == found


def test_arguments_override_defaults_and_only_declared_or_given_ones_count() -> None:
    text = "ARG TAG=3.7\nFROM python:${TAG}\n"
    assert base_images(text, {"TAG": "3.12"}) == ["python:3.12"]
    assert base_images("FROM base-${TARGETARCH}:1\n", {"TARGETARCH": "amd64"}) == ["base-amd64:1"]


def test_a_target_needs_its_own_stages_only() -> None:
    text = "FROM a:1 AS one\nFROM b:1 AS two\nFROM c:1\nCOPY --from=two / /\n"
    assert base_images(text, {}, "one") == ["a:1"]
    assert base_images(text, {}, "TWO") == ["b:1"]
    assert base_images(text, {}, "2") == ["b:1", "c:1"]
    assert base_images(text, {}, "typo") == ["a:1", "b:1", "c:1"]


def test_directives_count_at_the_top_only() -> None:
    assert directives("# syntax=docker/dockerfile:1\n#escape = `\nFROM a\n# syntax=no\n") == {
        "syntax": "docker/dockerfile:1",
        "escape": "`",
    }
    assert directives("\n# syntax=no\n") == {}


def test_instructions_know_their_lines() -> None:
    text = "# one\n\nFROM a\n\nRUN x \\\n    && y\nCOPY . .\n"
    assert [(each.line, each.word) for each in instructions(text)] == [(3, "FROM"), (5, "RUN"), (7, "COPY")]
    assert dockerfile_line("[2/3] RUN x     && y", text) == 5
    assert dockerfile_line("[stage-1 3/3] COPY . .", text) == 7
    assert dockerfile_line("[3/3] COPY other .", text) is None
    assert dockerfile_line("[2/2] RUN x", "FROM a\nRUN x\nRUN x\n") is None


@given(st.text(alphabet="FROM asRUN$@{}:-+\\`#<EOF\"'\n \t=0aARGcopy-", max_size=120), st.text(max_size=5))
def test_no_text_breaks_the_reader(text: str, target: str) -> None:
    base_images(text, {}, target)
    base_images(f"# escape=`\n{text}", {"a": "b"}, target)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM python:3.7\nEXPOSE 5000\n", [(5000, "tcp")]),
        ("FROM a\nEXPOSE 80/tcp 53/UDP\nEXPOSE 80\n", [(80, "tcp"), (53, "udp")]),
        ("FROM a\nexpose 8000-8002\n", [(8000, "tcp"), (8001, "tcp"), (8002, "tcp")]),
        ("FROM a\nEXPOSE 1-9000 70000 0 x ${UNKNOWN} 22/sctp\n", []),
        ("FROM a\nENV PORT=3000 OTHER=1\nEXPOSE $PORT ${PORT}/udp\n", [(3000, "tcp"), (3000, "udp")]),
        ("FROM a\nENV PORT 3000\nEXPOSE $PORT\n", [(3000, "tcp")]),
        ("ARG PORT=80\nFROM a\nARG PORT\nEXPOSE $PORT\n", [(80, "tcp")]),
        ("ARG PORT=80\nFROM a\nEXPOSE $PORT\n", []),
        ("FROM a AS build\nEXPOSE 1\nFROM b AS base\nEXPOSE 2\nFROM base\nEXPOSE 3\n", [(2, "tcp"), (3, "tcp")]),
        ("FROM a\n# EXPOSE 9\nRUN <<EOF\nEXPOSE 8\nEOF\nEXPOSE 7 \\\n  6\n", [(7, "tcp"), (6, "tcp")]),
        ("EXPOSE 80\n", []),
        ("", []),
    ],
)
def test_what_is_exposed(text: str, found: list[tuple[int, str]]) -> None:
    assert exposed_ports(text) == found


def test_no_more_ports_than_somebody_looks_through() -> None:
    lines = "".join(f"EXPOSE {number}\n" for number in range(1, 100))
    assert len(exposed_ports(f"FROM a\n{lines}")) == 20


@given(st.text(alphabet="EXPOSEFROM ARGNV=$P{}-/0189\n\\", max_size=200))
def test_no_text_breaks_what_is_exposed(text: str) -> None:
    for port, protocol in exposed_ports(f"FROM a\nEXPOSE {text}"):
        assert 1 <= port <= 65535
        assert protocol in {"tcp", "udp"}
