"""What of the Compose adapter needs no server."""

import re

import pytest

from deployments.yaml_lines import YamlError
from worker.connections.compose_runs import lower_fences
from worker.connections.compose_yaml import read_document


@pytest.mark.parametrize("below", [0, 1, 2, 7, 9, 10, 11, 19, 20, 99, 100, 101, 230, 1000, 1001])
def test_exactly_the_lower_fences_match(below: int) -> None:
    pattern = re.compile(f"({lower_fences(below)})( |$)")
    matching = {each for each in range(below + 1100) if pattern.match(f"{each} ")}
    assert matching == set(range(below))


def test_a_file_as_compose_reads_it() -> None:
    text = """
x-common: &common {restart: always, environment: {VERSION: 1.10, PORT: 5000, LEAD: 007}}
services:
  web:
    <<: *common
    image: "x"
    ports: [22:22, 8080]
    privileged: true
    command: null
    on: yes
    configs: [{source: a, mode: 0440}]
"""
    web = read_document("compose.yaml", text).tree["services"]["web"]
    assert web == {
        "image": "x",
        "ports": ["22:22", 8080],
        "privileged": True,
        "command": None,
        "on": "yes",
        "configs": [{"source": "a", "mode": 0o440}],
        "restart": "always",
        "environment": {"VERSION": "1.10", "PORT": 5000, "LEAD": "007"},
    }


@pytest.mark.parametrize("text", ["- a", "a: !!python/object:x {}", "a: [", "a: 1\na: 2", ""])
def test_what_is_no_compose_file(text: str) -> None:
    with pytest.raises(YamlError):
        read_document("compose.yaml", text)
