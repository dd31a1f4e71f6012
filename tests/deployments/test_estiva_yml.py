"""`.estiva.yml`: what may be said there, and that everything else is refused by line."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import build_settings, container_settings
from deployments.estiva_yml import REFERENCE, EstivaFile, EstivaFileError, read
from deployments.setting_fields import Field

DOCUMENT = Path(__file__).parents[2] / "docs" / "estiva-yml.md"

WHOLE = """\
# How this is built and reached
build:
  subdirectory: services/web
  dockerfile: docker/Dockerfile
  target: prod
  platform: linux/arm64
  args:
    VERSION: "3.7"
    EMPTY: ''
ports:
  - 8080:5000
  - 22:22
  - container_port: 9000
    host_port: 9000
    host_address: 127.0.0.1
health:
  kind: http
  path: /healthz
  start_period: 5
"""


def test_everything_that_may_be_said() -> None:
    found = read(WHOLE)
    assert found.build == {
        "subdirectory": "services/web",
        "dockerfile": "docker/Dockerfile",
        "target": "prod",
        "platform": "linux/arm64",
        "args": [{"name": "VERSION", "value": "3.7"}, {"name": "EMPTY", "value": ""}],
    }
    assert found.settings == {
        "ports": [
            {"container_port": 5000, "host_port": 8080, "protocol": "tcp"},
            {"container_port": 22, "host_port": 22, "protocol": "tcp"},
            {"container_port": "9000", "host_port": "9000", "host_address": "127.0.0.1"},
        ],
        "health": {"kind": "http", "path": "/healthz", "start_period": "5"},
    }
    assert build_settings.normalise(found.build)["args"] == found.build["args"]
    assert container_settings.normalise(found.settings)["health"]["port"] == 5000


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "\ufeff# nothing", "build:\nports:\nhealth:\n"])
def test_nothing_said(text: str) -> None:
    assert read(text) == EstivaFile()


@pytest.mark.parametrize(
    "build",
    ["args: [A=1, B=x=y]", "args: {A: 1, B: x=y}", "args:\n    A: '1'\n    B: x=y", "args:\n  - A=1\n  - B=x=y"],
)
def test_ways_to_write_arguments(build: str) -> None:
    assert read(f"build:\n  {build}\n").build == {"args": [{"name": "A", "value": "1"}, {"name": "B", "value": "x=y"}]}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("image: nginx", (1, 1), "set in Estiva"),
        ("build:\n  dockerfile: x\nvolumes: [a]", (3, 1), "set in Estiva"),
        ("build:\n  push_to: evil.example.com/x", (2, 3), "set in Estiva"),
        ("build:\n  secrets: []", (2, 3), "set in Estiva"),
        ("build:\n  ref: other", (2, 3), "set in Estiva"),
        ("build:\n  memory: 64g", (2, 3), "set in Estiva"),
        ("colour: true", (1, 1), "There is: build, ports, health"),
        ("privileged: true", (1, 1), "set in Estiva"),
        ("build:\n  dokcerfile: x", (2, 3), "There is: subdirectory"),
        ("build:\n  dockerfile: a\n  dockerfile: b", (3, 3), "line 2"),
        ("build: here", (1, 8), "names and values"),
        ("build:\n  dockerfile: ../../etc/passwd", (2, 15), "inside the repository"),
        ("build:\n  target: '--x y'", (2, 11), "stage's name"),
        ("build:\n  platform: windows", (2, 13), "linux/amd64"),
        ("build:\n  dockerfile: [a]", (2, 15), "single value"),
        ("build:\n  args:\n    A-B: 1", (3, 10), "letters, digits"),
        ("build:\n  args:\n    A: 1\n    B:", (4, 5), "write ''"),
        ("build:\n  args:\n    - A", (3, 7), "NAME=value"),
        ("build:\n  args: A=1", (2, 9), "NAME: value"),
        ("ports: 80", (1, 8), "list"),
        ("ports:\n  - 80\n  - http", (3, 5), "no port"),
        ("ports:\n  - 1-3:1-3\n  - 80:80\n  - 2:9", (4, 5), "Another row"),
        ("ports:\n  - container_port: 70000", (2, 21), "65535"),
        ("ports:\n  - host_port: 80", (2, 5), "needed"),
        ("ports:\n  - container_port: 80\n    colour: true", (3, 5), "There is: container_port"),
        ("ports:\n  - [80]", (2, 5), "8080:80"),
        ("health:\n  kind: often", (2, 9), "Choose one of"),
        ("health:\n  path: healthz", (2, 9), "begins with"),
        ("health:\n  kind: http\n  status_min: 500\n  status_max: 200", (4, 15), "lowest status"),
        ("health: [a]", (1, 9), "names and values"),
        ("build: !!python/name:os.system", (1, 8), "!!python"),
        ("build:\n\tdockerfile: x", (2, 1), "tab"),
    ],
)
def test_what_can_not_be_is_refused_at_its_line(text: str, place: tuple[int, int], words: str) -> None:
    with pytest.raises(EstivaFileError) as caught:
        read(text)
    problem = caught.value.problems[0]
    assert words in str(problem.message)
    assert (problem.line, problem.column) == place
    assert str(problem).startswith(f"Line {place[0]}: ")


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(EstivaFileError) as caught:
        read("image: x\nbuild:\n  target: ' '\n  platform: mac\nports:\n  - 0\nhealth:\n  path: x\n")
    assert [problem.line for problem in caught.value.problems] == [1, 4, 6, 8]


@given(
    st.recursive(
        st.sampled_from(["80:80", "x", "true", "", "5", "''", "/a"]),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    ),
    st.data(),
)
def test_what_is_taken_is_what_the_domain_takes(value: Any, data: st.DataObject) -> None:
    part = data.draw(st.sampled_from(sorted(REFERENCE)))
    name = data.draw(st.sampled_from(sorted(REFERENCE[part])))
    written = str(value).replace("'", "") if isinstance(value, list) else value
    text = f"{part}:\n  - {written}\n" if data.draw(st.booleans()) else f"{part}:\n  {name}: {written}\n"
    try:
        found = read(text)
    except EstivaFileError:
        return
    build_settings.normalise(found.build)
    container_settings.normalise({"ports": [{"container_port": 1}], **found.settings})


def table(fields: dict[str, Field]) -> str:
    """The part of the document about these."""
    rows = [f"| `{each.name}` | {described(each)} |" for each in fields.values()]
    return "\n".join(["| name | what |", "| --- | --- |", *rows])


def described(each: Field) -> str:
    words = [f"{each.label}.", str(each.help)]
    if each.choices:
        words.append("One of " + ", ".join(f"`{name}` ({label})" for name, label in each.choices) + ".")
    if each.when:
        words.append("For " + ", ".join(f"`{kind}`" for kind in each.when) + ".")
    if each.default not in {None, ""} and each.kind != "rows":
        words.append(f"Otherwise `{str(each.default).lower() if isinstance(each.default, bool) else each.default}`.")
    return re.sub(r" +", " ", " ".join(words)).strip()


@pytest.mark.parametrize("part", REFERENCE)
def test_the_document_says_what_there_is(part: str) -> None:
    wanted = f"## `{part}:`\n"
    document = DOCUMENT.read_text()
    assert wanted in document
    assert table(dict(REFERENCE[part])) in document, f"docs/estiva-yml.md should have:\n{table(dict(REFERENCE[part]))}"


def test_a_check_command_is_a_list_of_words() -> None:
    found = read("health:\n  kind: command\n  command: [check, '--deep', 5, '$HOME; rm']")
    assert found.settings["health"]["command"] == ["check", "--deep", "5", "$HOME; rm"]


def test_the_documents_example_is_read() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert read(example).settings["ports"]
