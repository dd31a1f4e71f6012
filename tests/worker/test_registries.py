"""Registries at work: whose passwords a Target gets, that the Masker knows them, and what a test and a look at tags say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployments.inventory import registries
from deployments.models import Operation, Registry
from deployments.states import OperationStatus, RegistryState
from tests.deployments.world import World, deployed, make_world, only_target
from tests.worker.conftest import Sent
from tests.worker.registries.stand_in import Images, serving
from worker.brief import target_brief
from worker.connections.keychain import Keychain, Login
from worker.engine.build_events import RegistryAuth
from worker.engine.errors import HostError, NotFound
from worker.engine.spec import Secret
from worker.keeper import Keeper
from worker.operations import running
from worker.registries import ecr, opening

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
TOKEN, OTHER = "a-token-nobody-may-read", "another-token-of-theirs"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.fixture
def world(sent: Sent) -> World:
    """A shop whose image is from registry.example.com."""
    return make_world()


def save(world: World, **fields: Any) -> Registry:
    """One that is not tested."""
    values = {"kind": "plain", "host": "registry.example.com", "username": "ci", "password": TOKEN, **fields}
    return registries.save_registry(actor=world.actor, registry=None, **values)[0]


def test_a_target_gets_its_images_password_alone_and_the_masker_knows_it(world: World) -> None:
    save(world)
    save(world, host="other.example.com", password=OTHER)
    brief = target_brief(only_target(deployed(world)).pk, 1)
    login = brief.connection.keychain.for_image(brief.spec.image.reference)
    assert login is not None
    assert login.credentials() == {"username": "ci", "password": TOKEN, "serveraddress": "registry.example.com"}
    assert TOKEN in [each.reveal() for each in brief.secrets]
    assert OTHER not in [each.reveal() for each in brief.secrets]
    assert TOKEN not in repr(brief) + str(login)


def test_a_key_file_is_masked_in_parts_too(world: World) -> None:
    key = {"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n"}
    row = save(world, kind="google", host="eu-docker.example.dev", password=json.dumps(key))
    login = opening.login_of(row)
    assert login.auth is not None
    assert login.auth.username == "_json_key"
    assert [each.reveal() for each in login.also_secret] == [key["private_key"]]


def test_ecr_signs_in_with_a_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = save(world, kind="ecr", host=ECR, username="AKID")
    token = ecr.Token("AWS", Secret("twelve-hours"), 9e9)
    monkeypatch.setattr(ecr, "tokens", ecr.Tokens(lambda *_: token))
    login = opening.login_of(row)
    assert login.credentials() == {"username": "AWS", "password": "twelve-hours", "serveraddress": ECR}
    assert {each.reveal() for each in Keychain((login,)).secrets} == {"twelve-hours", TOKEN}

    def refuse(*_: object) -> ecr.Token:
        raise ecr.NoToken("AWS gave no token.", "Check the key.")

    monkeypatch.setattr(ecr, "tokens", ecr.Tokens(refuse))
    broken = Keychain((opening.login_of(row),))
    with pytest.raises(HostError, match="AWS gave no token") as refused, broken.signing_in(f"{ECR}/shop:1"):
        pytest.fail("nothing is asked without a token")
    assert refused.value.remedy == "Check the key."
    assert broken.by_host([f"{ECR}/shop:1"]) == {}


def test_a_builder_asks_by_host(world: World) -> None:
    def login(namespace: str, password: str) -> Login:
        return Login("reg.test", namespace, RegistryAuth("ci", Secret(password)))

    chain = Keychain((login("", "all"), login("team", "teams"), Login("docker.io", "", None)))
    assert chain.by_host([])["reg.test"].password.reveal() == "all"
    found = chain.by_host(["alpine:3", "reg.test/team/base:1", "reg.test/other:1", "scratch", "$BASE"])
    assert {host: auth.password.reveal() for host, auth in found.items()} == {"reg.test": "teams"}


@pytest.mark.parametrize(
    ("said", "login", "wanted"),
    [
        (
            "unauthorized: authentication required",
            True,
            "did not accept the user ci that Estiva keeps for reg.test/team",
        ),
        ("pull access denied for x", False, "an admin adds reg.test under Servers, Registries"),
        ("x509: certificate signed by unknown authority", True, "/etc/docker/certs.d/reg.test/ca.crt"),
        ("manifest unknown", True, "as it was"),
    ],
)
def test_a_refusal_says_what_we_know_of_it(said: str, login: bool, wanted: str) -> None:
    ours = Login("reg.test", "team", RegistryAuth("ci", Secret(TOKEN)))
    chain = Keychain((ours,) if login else ())
    with pytest.raises(NotFound) as refused, chain.signing_in("reg.test/team/app:1"):
        raise NotFound(said, status=404, remedy="as it was")
    assert wanted in f"{refused.value.why} {refused.value.remedy}"
    assert (refused.value.message, refused.value.status) == (said, 404)


def looked(world: World, keeper: Keeper, image: str) -> Operation:
    """Ask for tags, and look."""
    operation = registries.look_at_tags(actor=world.actor, placement=world.placement, image=image)
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    return operation


def test_tags_of_a_registered_registry(world: World, keeper: Keeper) -> None:
    images = Images("team/shop")
    images.add("1.0", "2026-01-02T00:00:00Z")
    with serving(images.answer) as registry:
        save(world, host=registry.address, username="", password="")
        operation = looked(world, keeper, f"{registry.address}/team/shop")
    assert (operation.status, operation.result["total"]) == (OperationStatus.SUCCEEDED, 1)
    assert operation.result["tags"][0]["tag"] == "1.0"


def test_a_host_that_no_admin_added_is_not_asked(world: World, keeper: Keeper) -> None:
    with serving(Images("x").answer) as inside:
        operation = looked(world, keeper, f"{inside.address}/team/shop")
        assert inside.asked == []
    assert operation.status == OperationStatus.FAILED
    assert "is none of them" in operation.result["what"]
    assert operation.steps[0]["status"] == "bad"


def test_a_test_whose_server_is_gone_says_so(world: World, keeper: Keeper) -> None:
    row, operation = registries.save_registry(
        actor=world.actor,
        registry=None,
        kind="plain",
        host="registry.example.com",
        username="ci",
        password=TOKEN,
        test_host=world.hosts[0],
    )
    assert operation is not None
    type(world.hosts[0]).objects.update(address="127.0.0.1", port=9)
    running.run(operation.pk, keeper)
    row.refresh_from_db()
    operation.refresh_from_db()
    assert (operation.status, row.state) == (OperationStatus.FAILED, RegistryState.NEW)
    assert "web-1" in f"{operation.result['what']} {row.state_text}"


def test_a_registry_that_repeats_the_password_is_masked(
    world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo(looking: Any, row: Registry, login: Login, connection: Any) -> None:
        assert login.auth is not None
        raise HostError(f"denied: {login.auth.password.reveal()}", why=f"{login.auth.password.reveal()} is wrong")

    monkeypatch.setattr("worker.operations.registry._through_the_server", echo)
    row, operation = registries.save_registry(
        actor=world.actor,
        registry=None,
        kind="plain",
        host="registry.example.com",
        username="ci",
        password=TOKEN,
        test_host=world.hosts[0],
    )
    assert operation is not None
    running.run(operation.pk, keeper)
    row.refresh_from_db()
    operation.refresh_from_db()
    assert row.state == RegistryState.REFUSED
    assert TOKEN not in f"{operation.result} {operation.steps} {row.state_text}"
    assert "[redacted]" in row.state_text
