"""A private registry with TLS by a CA of its own: from "who is that?" to a deploy, and nothing of the password stays anywhere."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from deployments import queue, requests
from deployments.inventory import registries
from deployments.models import Host, Placement, Plan, Registry
from deployments.states import RegistryState
from parts import sample_image
from parts.dockerd import DockerEngine
from parts.private_registry import CANARY, PASSWORD, USER, PrivateRegistry
from parts.sample_image import Sample
from parts.sshd import SshServer
from tests.integration import harness, processes
from tests.integration.build_stage import Builder, BusyboxImage
from tests.integration.processes import Estiva
from tests.real_parts import SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.building import DockerBuildHost
from worker.connections.keychain import Keychain, Login
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.engine.build_events import BuildDone, BuildRequest, RegistryAuth
from worker.engine.errors import HostError
from worker.engine.spec import Secret
from worker.redact import forms_of

WRONG = "wrong-horse-9-battery"
IMAGE = "team/sample"


@pytest.fixture(scope="module")
def private(folder: Path) -> Iterator[PrivateRegistry]:
    """One for all tests of this file."""
    with PrivateRegistry(folder / "private") as registry:
        yield registry


@pytest.fixture(params=["tidy_engine", "tidy_engine26"])
def machine(request: pytest.FixtureRequest, private: PrivateRegistry) -> Iterator[DockerEngine]:
    """Docker 20.10 and 26.1; neither knows the registry's CA yet."""
    private.distrust()
    engine: DockerEngine = request.getfixturevalue(request.param)
    yield engine
    private.distrust()


def planned(place: Placement) -> Plan:
    """Ask, and wait."""
    plan = requests.request_plan(actor=harness.admin(), placement=place)
    harness.finished(plan.operation)
    plan.refresh_from_db()
    return plan


def bad(plan: Plan) -> str:
    """What is wrong, and what to do."""
    rows = [each for each in plan.hosts[0]["findings"] if each["result"] == "bad"]
    assert rows, plan.hosts
    return " ".join(f"{each['message']} {each['remedy']}" for each in rows)


def save(private: PrivateRegistry, host: Host, password: str, row: Registry | None = None) -> Registry:
    """Add or change the registry; tested when this returns."""
    row, operation = registries.save_registry(
        actor=harness.admin(),
        registry=row,
        kind="plain",
        host=private.address,
        namespace="team",
        username=USER,
        password=password,
        ca=private.ca,
        test_image=f"{IMAGE}:1",
        test_host=host,
    )
    assert operation is not None
    harness.finished(operation)
    row.refresh_from_db()
    return row


def test_a_private_image_is_deployed_and_the_password_stays_nowhere(
    estiva: Estiva, private: PrivateRegistry, sshd: SshServer, machine: DockerEngine, folder: Path
) -> None:
    """Each thing that is missing is named in the plan, with what to do; then all is well."""
    processes.ready(estiva.worker("look"))
    processes.ready(estiva.worker("deploy"))
    digest = sample_image.push(private, IMAGE, "1", Sample("1"))
    sample_image.push(private, IMAGE, "1.1.0", Sample("1.1"))
    host = harness.trusted_host(sshd, machine)
    place = harness.placement(host, f"{private.address}/{IMAGE}:1")

    assert f"/etc/docker/certs.d/{private.address}/ca.crt" in bad(planned(place))
    private.trust()
    assert f"an admin adds {private.address} under Servers, Registries" in bad(planned(place))

    row = save(private, host, WRONG)
    assert (row.state, row.checked_through) == (RegistryState.REFUSED, "web-1"), row.state_text
    assert f"did not accept the user {USER}" in row.state_text
    said = bad(planned(place))
    assert f"did not accept the user {USER} that Estiva keeps for {private.address}/team" in said
    assert "under Servers, Registries" in said

    row = save(private, host, PASSWORD, row)
    assert (row.state, row.state_text) == (RegistryState.READY, ""), row.state_text
    steps = row.operations.latest("pk").steps
    assert [(each["key"], each["status"]) for each in steps] == [
        ("login", "good"),
        ("image", "good"),
        ("worker", "good"),
    ]
    plan = planned(place)
    assert (plan.hosts[0]["ready"], plan.digest) == (True, digest), plan.hosts
    deployment = requests.request_deployment(actor=harness.admin(), plan=plan, fingerprint=plan.fingerprint)
    assert harness.ended(deployment).status == "succeeded", deployment.targets.get().outcome

    look = harness.finished(
        registries.look_at_tags(actor=harness.admin(), placement=place, image=f"{private.address}/{IMAGE}")
    )
    assert [each["tag"] for each in look.result["tags"]] == ["1.1.0", "1"]
    assert look.result["tags"][1]["digest"] == digest
    assert look.result["tags"][0]["size"] > 100_000

    for password in (PASSWORD, WRONG):
        assert_nowhere(password, machine, estiva)
    assert not CANARY.exists()


def assert_nowhere(password: str, engine: DockerEngine, estiva: Estiva) -> None:
    """Neither on the server, nor in logs, database and broker, in any form."""
    forms = sorted(forms_of(password))
    assert forms
    places = [engine.folder, Path("/etc/docker"), Path.home() / ".docker", estiva.folder]
    for form in forms:
        assert found_in(form, [str(each) for each in places if each.exists()]) == ""
    assert found_in("team/sample", [str(engine.folder)]), "the search sees what the engine keeps"
    kept = "".join(str(each) for model in apps.get_models() for each in model._default_manager.values_list())
    broker: Any = queue.connection()
    for key in broker.scan_iter():
        kept += str(key) + str(
            {
                "stream": lambda name: broker.xrange(name),
                "list": lambda name: broker.lrange(name, 0, -1),
                "hash": lambda name: broker.hgetall(name),
                "set": lambda name: broker.smembers(name),
                "zset": lambda name: broker.zrange(name, 0, -1),
                "string": lambda name: broker.get(name),
            }[_text(broker.type(key))](key)
        )
    assert "registry" in kept
    assert not any(form in kept for form in forms)


def _text(found: str | bytes) -> str:
    return found.decode() if isinstance(found, bytes) else found


def found_in(text: str, places: list[str]) -> str:
    """The files that hold this text."""
    return subprocess.run(
        [
            "grep",
            "--recursive",
            "--text",
            "--files-with-matches",
            "--fixed-strings",
            "--no-messages",
            "-e",
            text,
            *places,
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout


@pytest.fixture(params=["make_engine", "tidy_engine26"])
def builder(
    request: pytest.FixtureRequest, private: PrivateRegistry, sshd: SshServer, ssh_key: SshKey
) -> Iterator[Builder]:
    """An engine that trusts the registry's CA, and whom we are there. For builds, 20.10 reads it only when it starts."""
    private.trust()
    found = request.getfixturevalue(request.param)
    machine: DockerEngine = found if isinstance(found, DockerEngine) else found()
    login = Login(private.address, "team", RegistryAuth(USER, Secret(PASSWORD)))
    pool = Pool()
    with pool.session(address_of(sshd), credential_of(ssh_key), host_key_of(sshd), Signals()) as session:
        host = DockerBuildHost(session, str(machine.socket), keychain=Keychain((login,)))
        yield Builder(host, session, machine, f"{private.address}/team/base:1")
    pool.close()
    private.distrust()


def test_a_build_on_a_private_base_is_pushed_to_it(builder: Builder, private: PrivateRegistry) -> None:
    sample_image.push(private, "team/base", "1", BusyboxImage("1"))
    text = 'FROM BASE\nRUN echo built\nCMD ["true"]\n'
    assert builder.host.remote_image(builder.base).digest.startswith("sha256:")
    auth = builder.host._keychain.by_host([builder.base])
    events = builder.build(text, BuildRequest("private-1", pull=True, registry_auth=auth, no_cache=True))
    done = events[-1]
    assert isinstance(done, BuildDone)
    target = f"{private.address}/team/built:1"
    builder.host.tag(done.image_id, target)
    list(builder.host.push(target, auth=None, deadline=60))
    assert private.tags("team/built") == ["1"]

    other = f"{private.address}/elsewhere/built:1"
    builder.host.tag(done.image_id, other)
    with pytest.raises(HostError) as refused:
        list(builder.host.push(other, auth=None, deadline=60))
    assert "under Servers, Registries" in refused.value.remedy
