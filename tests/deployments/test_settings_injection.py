"""Words that a shell, a path or a mount option would take for more, typed into every field: refused, or kept as they are as data."""

from collections.abc import Iterator
from typing import Any

import pytest

from deployments import container_settings
from deployments.errors import FieldErrors
from deployments.setting_fields import Field
from worker.container_spec import container_spec
from worker.engine.container_body import container_body
from worker.engine.spec import DeploySpec, Identity, ImageSpec

CANARY = "/tmp/estiva-canary"
CORPUS = (
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"; touch {CANARY} #",
    f"x\ntouch {CANARY}",
    f"'\"; touch {CANARY};'",
    f"| touch {CANARY}",
    "${IFS}$HOME",
    "../../etc/shadow",
    "/../../etc:rw,exec",
    "--privileged",
    "a,exec,SUID",
    "x\x00y",
    "{{.Id}}",
    "name=$(id)",
    f"com.example.a=$(touch {CANARY})",
    f"/srv/$(touch {CANARY})",
    f"type=none o=bind device=$(touch${{IFS}}{CANARY})",
)
MEANT = frozenset(
    {
        "annotations",
        "anonymous_volumes",
        "binds.path",
        "binds.source",
        "cgroup_parent",
        "command",
        "device_rates.source",
        "devices.path",
        "devices.source",
        "entrypoint",
        "health.command",
        "health.path",
        "labels",
        "log_options",
        "storage_options",
        "sysctls",
        "tmpfs.path",
        "volume_options.options",
        "volumes.path",
        "working_dir",
    }
)
"""Where such words may be meant: paths in a container, a command's words, values of pairs."""
NEEDED: dict[str, dict[str, Any]] = {
    "volumes": {"name": "aa", "path": "/a"},
    "volume_options": {"name": "aa"},
    "binds": {"source": "/srv", "path": "/b"},
    "tmpfs": {"path": "/t"},
    "networks": {"name": "back"},
    "ulimits": {"soft": 1, "hard": 1},
    "devices": {"source": "/dev/null"},
    "device_rates": {"source": "/dev/null", "rate": 1},
    "ports": {"container_port": 80},
}


def places() -> Iterator[tuple[str, Field, Field | None]]:
    for field in (each for each in container_settings.FIELDS if each.section != "hooks"):  # no part of the container
        for column in field.columns or (None,):
            yield f"{field.name}.{column.name}" if column else field.name, field, column


def typed(field: Field, column: Field | None, text: str) -> dict[str, Any]:
    """These settings with the text in one field, as a form or a program gives it."""
    value: Any = text
    if column is None and field.kind == "lines":
        value = [text]
    elif column is not None:
        inner = [text] if column.kind == "lines" else text
        value = {column.name: inner, **({"kind": column.when[0]} if column.when else {})}
        if field.kind == "rows":
            value = [{**NEEDED[field.name], column.name: inner}]
    raw = {field.name: value}
    if field.name == "volume_options":
        raw["volumes"] = [NEEDED["volumes"]]
    if field.name == "log_options":
        raw["log_driver"] = "local"
    if field.name == "health":
        raw["ports"] = [{"container_port": 80}]
    return raw


def strings(value: Any) -> Iterator[str]:
    """Every text in a request, names of maps too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


@pytest.mark.parametrize(
    ("place", "field", "column"), list(places()), ids=[place for place, _field, _column in places()]
)
def test_every_field(place: str, field: Field, column: Field | None) -> None:
    bare = taken(typed(field, column, ""))
    for text in CORPUS:
        settings = taken(typed(field, column, text))
        if settings is None or settings == bare:
            continue  # refused, or nothing of it is kept
        assert place in MEANT, f"{place} took {text!r}"
        if field.name == "health":
            assert settings["health"][column.name if column else ""] in (text, [text])
        else:
            assert any(last_word(text) in each for each in strings(body(settings))), (place, text)


def taken(raw: dict[str, Any]) -> dict[str, Any] | None:
    """What is stored; None where it is refused."""
    try:
        return container_settings.normalise(raw)
    except FieldErrors:
        return None


def last_word(text: str) -> str:
    """What is left of a text whatever is a name, a path or a pair of it."""
    return text.rpartition("=")[2].rpartition("/")[2]


def body(settings: dict[str, Any]) -> dict[str, Any]:
    identity = Identity("it", 7, "shop-production", 1, 101, 1, 1, None)
    spec = DeploySpec(identity, ImageSpec("shop@sha256:0", None), container_spec(settings, (), None))
    return container_body(spec, {}, with_aliases=True)


def test_words_in_a_tmpfs_or_a_mount_stay_one_thing() -> None:
    """A path with commas and equals signs doesn't become options."""
    raw = {"tmpfs": [{"path": "/t,exec,suid"}], "volumes": [{"name": "aa", "path": "/v,ro=false"}]}
    host = body(container_settings.normalise(raw))["HostConfig"]
    assert host["Tmpfs"] == {"/t,exec,suid": "rw,nosuid,nodev,noexec"}
    assert host["Mounts"][0]["Target"] == "/v,ro=false"
