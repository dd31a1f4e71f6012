"""The ordinary path through real processes: register, check, plan, deploy, fail, roll back."""

from collections.abc import Callable

import pytest
from django.db.models import Max, Min

from deployments import requests
from deployments.inventory import hosts, variables
from deployments.models import Host, Operation
from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.integration import harness, processes
from tests.integration.processes import Estiva
from tests.real_parts import SampleImages

Server = tuple[SshServer, DockerEngine]


@pytest.mark.both_databases
def test_from_registration_to_rollback(estiva: Estiva, server: Server, sample_images: SampleImages) -> None:
    """The whole story by messages, with no reconciler to help."""
    processes.ready(estiva.worker("look"))
    processes.ready(estiva.worker("deploy"))
    sshd, engine = server
    one, two = sample_images.push("1"), sample_images.push("2")

    host, meeting = harness.register(sshd, engine)
    harness.finished(meeting)
    host.refresh_from_db()
    assert (host.state, meeting.result["fingerprint"]) == ("untrusted", sshd.fingerprint())
    check = harness.finished(hosts.trust_host(actor=harness.admin(), host=host, key=host.offered_key))
    host.refresh_from_db()
    assert [each["status"] for each in check.steps] == ["good"] * 6, check.steps
    assert (host.state, host.os_type) == ("ready", "linux")
    assert host.disk_free

    place = harness.placement(host, one)
    variables.set_variable(
        actor=harness.admin(), placement=place, name="SAMPLE_GREETING", value="correct-horse-battery", is_secret=True
    )
    plan = requests.request_plan(actor=harness.admin(), placement=place)
    harness.finished(plan.operation)
    plan.refresh_from_db()
    assert plan.is_ready
    assert plan.digest == one.digest
    assert plan.hosts[0]["ready"], plan.hosts
    first = requests.request_deployment(actor=harness.admin(), plan=plan, fingerprint=plan.fingerprint)
    assert harness.ended(first).status == "succeeded", first.targets.get().outcome
    log = harness.lines_of(first.targets.get())
    assert any("Connected" in line for line in log)
    assert not any("correct-horse-battery" in line for line in log)
    assert "correct-horse-battery" not in estiva.logs()

    harness.change_image(place, two)
    second = harness.deploy(place, two)
    assert harness.ended(second).status == "succeeded"
    assert harness.all_ours(engine) == ["shop-production-r2.f2"]

    back = harness.deploy(place, one, of_release=first.release)
    assert harness.ended(back).status == "succeeded", back.targets.get().outcome
    assert back.kind == "rollback"
    assert harness.all_ours(engine) == ["shop-production-r1.f3"]


def test_a_wrong_login_names_the_remedy(estiva: Estiva, server: Server) -> None:
    """The wizard stops at the step that fails and says what mends it."""
    processes.ready(estiva.worker("look"))
    sshd, engine = server
    host = harness.trusted_host(sshd, engine)
    hosts.replace_credential(actor=harness.admin(), host=host)
    operation = harness.finished(hosts.check(actor=harness.admin(), host=host))
    host.refresh_from_db()
    assert operation.status == "failed"
    assert operation.steps[0]["status"] == "bad"
    assert "authorized_keys" in operation.steps[0]["remedy"]
    assert [each["status"] for each in operation.steps[1:]] == ["waiting"] * 5
    assert host.state == "unreachable"


def test_an_absent_socket_is_named(estiva: Estiva, server: Server) -> None:
    """No Docker: the check says how to install it."""
    processes.ready(estiva.worker("look"))
    sshd, engine = server
    host = harness.trusted_host(sshd, engine)
    Host.objects.update(docker_socket="/run/no-such.sock")
    operation = harness.finished(hosts.check(actor=harness.admin(), host=host))
    assert [each["status"] for each in operation.steps[:2]] == ["good", "bad"]
    assert "apt-get install docker.io" in operation.steps[1]["remedy"]


def test_an_image_for_windows_is_refused_before_the_click(
    estiva: Estiva, server: Server, sample_images: SampleImages
) -> None:
    """The error that the first users met at the end is said at the beginning."""
    processes.ready(estiva.worker("look"))
    host = harness.trusted_host(*server)
    place = harness.placement(host, sample_images.windows_only())
    plan = requests.request_plan(actor=harness.admin(), placement=place)
    assert harness.finished(plan.operation).status == "succeeded"
    plan.refresh_from_db()
    assert not plan.hosts[0]["ready"]
    bad = [each for each in plan.hosts[0]["findings"] if each["result"] == "bad"]
    assert "no matching manifest for linux/amd64" in bad[0]["message"]
    assert Operation.objects.get(pk=plan.operation_id).steps[0]["status"] == "bad"


def test_an_unhealthy_version_leaves_the_old_one_serving(
    estiva: Estiva, server: Server, sample_images: SampleImages
) -> None:
    """A failure ends with the old version, and says what the container said."""
    processes.ready(estiva.worker("deploy"))
    host = harness.trusted_host(*server)
    good, bad = sample_images.push("1"), sample_images.push("3", behaviour="exits")
    place = harness.placement(host, good)
    assert harness.ended(harness.deploy(place, good)).status == "succeeded"
    harness.change_image(place, bad)
    failed = harness.ended(harness.deploy(place, bad))
    target = failed.targets.get()
    assert (failed.status, target.status, target.serving_release) == ("failed", "failed_restored", 1)
    assert target.outcome["failed_step"] == "health"
    assert target.steps.filter(status="bad", key="health").exists()
    assert harness.serving(server[1]) == ["shop-production-r1.f2"]


def test_two_servers_at_once_and_one_of_them_away(
    estiva: Estiva,
    server: Server,
    sample_images: SampleImages,
    make_sshd: Callable[..., SshServer],
    make_engine: Callable[..., DockerEngine],
) -> None:
    """Each server has its own state: one that fails hides nothing of the other, and both ran at the same time."""
    processes.ready(estiva.worker("deploy"))
    sshd, engine = make_sshd(), make_engine()
    machines = [harness.trusted_host(*server), harness.trusted_host(sshd, engine, "web-2")]
    slow = sample_images.push("slow", behaviour="slow_start", variables={"SAMPLE_SECONDS": "2"})
    place = harness.placement(machines, slow, stop_timeout=1)
    both = harness.ended(harness.deploy(place, slow))
    assert both.status == "succeeded"
    times = both.targets.aggregate(last_start=Max("started_at"), first_end=Min("ended_at"))
    assert times["last_start"] < times["first_end"]
    assert harness.serving(engine) == ["shop-production-r1.f1"]

    bad = sample_images.push("3", behaviour="exits")
    harness.change_image(place, bad)
    sshd.revoke_all()
    sshd.kill_connections()
    failed = harness.ended(harness.deploy(place, bad))
    assert failed.status == "failed"
    assert list(failed.targets.order_by("host_name").values_list("host_name", "status")) == [
        ("web-1", "failed_restored"),
        ("web-2", "failed_untouched"),
    ]
    assert "Release 1 serves on web-1, as before." in harness.lines_of(failed.targets.get(host_name="web-1"))[-1]
    assert "Nothing was changed on web-2." in harness.lines_of(failed.targets.get(host_name="web-2"))[-1]
