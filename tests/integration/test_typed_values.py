"""What a person types into the browser stands in the environment of the container's process, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.test import Client

from deployments import dotenv
from deployments.models import User, Variable, VariableSet
from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.integration import harness
from tests.integration.test_connection_values import NASTY
from tests.real_parts import SampleImages

PATH = "/applications/shop/production/variables"
SETS = "/environments/production/sets/"


def as_browser(text: str) -> str:
    """Line breaks as every browser sends them, whatever was typed."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def send(client: Client, path: str, fields: Mapping[str, str]) -> None:
    """Send a form as a browser does; it must be taken."""
    body = urlencode({name: as_browser(value) for name, value in fields.items()})
    answer = client.post(path, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 302, answer.content.decode()


def typed(client: Client) -> dict[str, str]:
    """Every value by both pages, every other one secret; what is wanted, by name."""
    pairs = [(f"FILE_{number}", value) for number, value in enumerate(NASTY)]
    secret = " ".join(name for name, _ in pairs[::2])
    send(client, f"{PATH}/import", {"text": dotenv.dump(pairs), "secret_names": secret})
    wanted = dict(pairs)
    for number, value in enumerate(NASTY):
        is_secret = {"is_secret": "on"} if number % 2 and value else {}  # a secret needs a value
        send(client, PATH, {"name": f"FORM_{number}", "value": value, **is_secret})
        wanted[f"FORM_{number}"] = value.replace("\r\n", "\n")  # a text field can't hold `\r`: the import page can
    return wanted


def shared(client: Client) -> dict[str, str]:
    """The same again in a shared set, and a second one that is stronger; what is wanted of both, by name."""
    pairs = [(f"SHARED_{number}", value) for number, value in enumerate(NASTY)]
    for name, given in (("base", [*pairs, ("SHARED_TWICE", "base")]), ("over", [("SHARED_TWICE", "${SHARED_1}")])):
        send(client, SETS, {"name": name})
        secret = " ".join(each for each, _ in given[::2])
        send(client, f"{SETS}{name}/import", {"text": dotenv.dump(given), "secret_names": secret})
    places = {f"set-{row.pk}": str(place) for place, row in enumerate(VariableSet.objects.order_by("name"), 1)}
    send(client, f"{PATH}/sets", places)
    return {**dict(pairs), "SHARED_TWICE": "${SHARED_1}"}


def environment_of(engine: DockerEngine, name: str) -> tuple[set[bytes], set[bytes]]:
    """A container's environment: as the engine keeps it, and as the kernel gave it to its process."""
    container = engine.api.json("GET", f"/containers/{name}/json")
    kept = {each.encode() for each in container["Config"]["Env"]}
    return kept, set(Path(f"/proc/{container['State']['Pid']}/environ").read_bytes().split(b"\0"))


@pytest.mark.both_databases
def test_what_was_typed_arrives_byte_for_byte(
    transactional_db: None,
    django_db_serialized_rollback: None,
    valkey: Valkey,
    server: tuple[SshServer, DockerEngine],
    sample_images: SampleImages,
    client: Client,
) -> None:
    """Through the import page and the form, sealed or plain, by a real run into a real container."""
    image = sample_images.push("1")
    place = harness.placement(harness.trusted_host(*server), image)
    client.force_login(User.objects.get(name=harness.admin().name))
    wanted = typed(client)
    secret = Variable.objects.filter(is_secret=True)
    assert len(wanted) == Variable.objects.count() == 2 * len(NASTY)
    wanted |= shared(client)
    assert abs(secret.count() - len(NASTY)) <= 1, "half of them"
    assert set(secret.values_list("value", flat=True)) == {""}, "sealed elsewhere"

    place.refresh_from_db()
    target = harness.run_here(harness.deploy(place, image))

    assert target.status == "succeeded", target.outcome
    lines = {f"{name}={value}".encode() for name, value in wanted.items()}
    kept, given = environment_of(server[1], "shop-production-r1.f1")
    assert lines <= kept, lines - kept
    assert lines <= given, lines - given
    assert {each for each in given if each.startswith((b"FILE_", b"FORM_", b"SHARED_"))} == lines
