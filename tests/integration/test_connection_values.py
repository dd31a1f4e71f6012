"""What a person typed arrives in the container byte for byte."""

import base64
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.contract import body, pulled, seen, until
from tests.worker.connections.real_server import RealServer, connected
from worker.connections.pool import Pool

NASTY = [
    "$HOME ${PATH} $$ `id` $(id)",
    "# no comment",
    'it\'s "quoted" \\ and \\n not',
    "first\nsecond\r\nthird\t",
    '{"a": ["\\"", {"b": null}]}',
    "žluťoučký 🐴 \u202e \u0007",
    " leading and trailing ",
    "=",
    "",
    "%s %(x)s {0} \\0",
    "-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n",
]
VALUES = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60), min_size=1, max_size=25
)


@pytest.fixture(scope="module")
def server(sshd: SshServer, ssh_key: SshKey, engine: DockerEngine, sample_images: SampleImages) -> Iterator[RealServer]:
    pool = Pool()
    with connected(pool, sshd, ssh_key, engine, sample_images) as connection:
        yield connection
    pool.close()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(NASTY)
@given(VALUES)
def test_environment_values_arrive_unchanged(server: RealServer, values: list[str]) -> None:
    host = server.host
    reference = pulled(server)
    wanted = [f"ESTIVA_{number}={value}" for number, value in enumerate(values)]
    entry = {"Entrypoint": ["/bin/busybox", "base64", "/proc/self/environ"], "Cmd": []}
    host.create("values", {**body(reference), **entry, "Env": wanted})
    try:
        assert set(wanted) <= set(seen(host, "values").environment)
        host.start("values")
        until(host, lambda: seen(host, "values").status == "exited")
        said = "".join(line.text for line in host.logs("values", tail=10_000))
        arrived = base64.b64decode(said).split(b"\0")
        assert {each.encode() for each in wanted} <= set(arrived)
    finally:
        host.remove("values")
