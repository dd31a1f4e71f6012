"""A command before a deploy and one after it, on a real engine through a real worker."""

from typing import Any

from deployments.inventory import variables
from parts.dockerd import DockerEngine
from parts.processes import wait_until
from parts.sshd import SshServer
from tests.integration import harness, processes
from tests.integration.processes import Estiva
from tests.real_parts import SampleImages

Server = tuple[SshServer, DockerEngine]
SHELL = {"entrypoint": ["/bin/busybox", "sh"], "command": ["/app/start"]}  # the image's own takes no other command


def test_a_migration_and_one_that_fails(estiva: Estiva, server: Server, sample_images: SampleImages) -> None:
    """It sees what the release sees; where it fails, the old version was never touched, and nothing of it stays."""
    processes.ready(estiva.worker("deploy"))
    host = harness.trusted_host(*server)
    one, two = sample_images.push("1"), sample_images.push("2")
    good = ["-c", "/bin/busybox echo migrating for $SAMPLE_GREETING; /bin/busybox cat /app/version"]
    settings: dict[str, Any] = {
        **SHELL,
        "ports": [harness.published()],
        "before": good,
        "after": ["-c", "/bin/busybox echo warm; exit 5"],
    }
    place = harness.placement(host, one, **settings)
    variables.set_variable(
        actor=harness.admin(), placement=place, name="SAMPLE_GREETING", value="ana-and-bruno", is_secret=True
    )
    first = harness.ended(harness.deploy(place, one))
    target = first.targets.get()
    assert first.status == "succeeded", target.outcome
    said = harness.lines_of(target)
    assert any(line.startswith("migrating for ") and "ana-and-bruno" not in line for line in said), said
    steps = list(target.steps.order_by("pk").values_list("key", "status"))
    assert steps.index(("before", "good")) < steps.index(("replace", "good")) < steps.index(("after", "good"))
    assert "exit code 5" in target.outcome["remains"][0]
    wait_until(lambda: harness.all_ours(server[1]) == ["shop-production-r1.f1"], "the commands' containers go")
    before = harness.containers_as_they_are(server[1])

    harness.change_image(place, two, before=["-c", "/bin/busybox echo no such table >&2; exit 3"])
    second = harness.ended(harness.deploy(place, two))
    failed = second.targets.get()
    assert (failed.status, failed.outcome["exit_code"]) == ("failed_untouched", 3)
    assert "no such table" in harness.lines_of(failed)
    assert [each for each in harness.containers_as_they_are(server[1]) if each in before] == before
    assert harness.serving(server[1]) == ["shop-production-r1.f1"]
