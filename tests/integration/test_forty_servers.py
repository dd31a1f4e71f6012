"""One Deployment to forty servers, each with a network, an sshd that lets in as many as by default, and an engine of its own."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from deployments.models import Deployment, Host
from parts.fleet import Fleet
from parts.sshd import SshServer
from tests.integration import harness, processes
from tests.integration.processes import Estiva
from tests.real_parts import SampleImages

FORTY = 40
# "drop connection #10 … past MaxStartups", and what sshd says of a connection that ended before it was anybody's
REFUSED = re.compile(r"MaxStartups|drop connection|\[preauth\]|no more sessions", re.IGNORECASE)
_numbers = count(1)


@pytest.fixture(scope="module")
def fleet(folder: Path) -> Iterator[Fleet]:
    with Fleet(folder / f"fleet{next(_numbers)}", FORTY) as fleet:
        yield fleet


class Logs:
    """What sshds say from now on."""

    def __init__(self, servers: list[SshServer]) -> None:
        self._before = {each: len(each.log.read_text()) for each in servers}

    def of(self, server: SshServer) -> str:
        return server.log.read_text()[self._before[server] :]

    def refused(self) -> list[str]:
        return [line for each in self._before for line in self.of(each).splitlines() if REFUSED.search(line)]

    def logins(self, server: SshServer) -> int:
        return self.of(server).count("Accepted publickey")


@pytest.mark.thorough
@pytest.mark.timeout(300)  # eight seconds to start, twenty to end; a busy machine takes several times that
@pytest.mark.parametrize("workers", [1, 4])
def test_one_deployment_to_forty_servers(
    workers: int, fleet: Fleet, estiva: Estiva, make_sshd: Callable[..., SshServer]
) -> None:
    """From one worker and from four, every second server behind one jump host: each gets it once, and no sshd turns anybody away."""
    image = SampleImages(fleet.registry).push("1")
    for started in [estiva.worker("deploy", concurrency=32 // workers) for _ in range(workers)]:
        processes.ready(started)
    hosts = [harness.trusted_host(each.sshd, each.engine, each.name) for each in fleet.machines]
    bastion = make_sshd()
    way = harness.trusted_host(bastion, fleet.machines[0].engine, "bastion")
    Host.objects.filter(pk__in=[each.pk for each in hosts[::2]]).update(via=way)
    logs, name = Logs([bastion, *(each.sshd for each in fleet.machines)]), f"shop{workers}"

    deployment = harness.deploy(harness.placement(hosts, image, application=name, stop_timeout=1), image)
    harness.ended(deployment, timeout=200)
    assert_done_once(deployment, workers)
    for each in fleet.machines:
        assert [one for one in harness.all_ours(each.engine) if one.startswith(name)] == [f"{name}-production-r1.f1"]
        assert f"{name}-production-r1.f1" in harness.serving(each.engine)
    assert logs.refused() == []
    assert {logs.logins(each.sshd) for each in fleet.machines} == {1}
    assert 1 <= logs.logins(bastion) <= workers, "what lies behind it shares a worker's one connection"


def assert_done_once(deployment: Deployment, workers: int) -> None:
    targets = list(deployment.targets.all())
    ends = Counter(each.status for each in targets)
    assert (deployment.status, ends) == ("succeeded", {"succeeded": FORTY}), [each.outcome for each in targets]
    assert {(each.attempts, each.fence, each.leases_lost, each.connections_lost) for each in targets} == {(1, 1, 0, 0)}
    assert len({each.holder for each in targets}) == workers, "each worker had a share"
