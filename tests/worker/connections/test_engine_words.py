"""What the engine says in its own words is explained; what its JSON says is read without surprises."""

import pytest

from worker.connections import inspected
from worker.connections.docker import DockerHost
from worker.connections.engine_errors import explain, refusal
from worker.connections.probes import _refused
from worker.connections.transport import ChannelRefused
from worker.engine.container_host import RemoteImage
from worker.engine.errors import Conflict, HostError, NotFound


@pytest.mark.parametrize(
    ("said", "why", "remedy"),
    [
        (
            "no matching manifest for linux/amd64 in the manifest list entries",
            "platform, linux/amd64.",
            "--platform linux/amd64",
        ),
        ("manifest for team/shop:9 not found: manifest unknown: manifest unknown", "no such tag", "spelling"),
        ("toomanyrequests: You have reached your pull rate limit.", "limits how often", "Wait"),
        ("received unexpected HTTP status: 502 Bad Gateway", "registry itself failed", "registry's own log"),
        ("filesystem layer verification failed for digest sha256:1", "its digest says", "a mirror or a proxy"),
        ("failed to register layer: write /x: no space left on device", "disk is full", "docker image prune"),
        ("mkdir /var/lib/docker/overlay2/x: no space left on device", "inodes", "df -i"),
        (
            "error creating temporary lease: write /var/lib/docker/meta.db: read-only file system",
            "takes no writes any more",
            "dmesg",
        ),
        ("mkdir /var/lib/docker/overlay2/x: Read-only file system", "takes no writes any more", "remount"),
        (
            "error while creating mount source path '/opt/data': mkdir /opt/data: read-only file system",
            "/opt/data does not exist",
            "another folder",
        ),
        (
            'OCI runtime create failed: runc: error mounting "/srv/a" to rootfs at "/data/a": mkdirat /data/a: '
            "read-only file system: unknown",
            "inside another that is read-only",
            "not read-only",
        ),
        ("pull access denied for x, repository does not exist or may require 'docker login'", "refuses", "credentials"),
        ('Get "https://r.test/v2/": unauthorized: authentication required', "refuses", "credentials"),
        ('Get "https://r.test/v2/": http: server gave HTTP response to HTTPS client', "plain HTTP", "insecure"),
        ('Get "https://r.test/v2/": x509: certificate signed by unknown authority', "not trusted", "certs.d"),
        ('Get "https://r.test/v2/": dial tcp: lookup r.test: no such host', "resolve", "name servers"),
        ('Get "https://r.test/v2/": dial tcp 10.0.0.1:443: connect: connection refused', "does not reach", "firewall"),
        (
            'Get "https://r.test/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded)',
            "in time",
            "Try again",
        ),
        ("Bind for 0.0.0.0:80 failed: port is already allocated", "Another container", "another host port"),
        ("listen tcp4 0.0.0.0:80: bind: address already in use", "no container", "ss -ltnp"),
        ("standard_init_linux.go:228: exec user process caused: exec format error", "architecture", "platform"),
        (
            'OCI runtime create failed: exec: "serve": executable file not found in $PATH: unknown',
            "does not exist in the image",
            "spelling",
        ),
    ],
)
def test_each_of_the_engines_complaints_is_explained(said: str, why: str, remedy: str) -> None:
    found_why, found_remedy = explain(said)
    assert why in found_why
    assert remedy in found_remedy


def test_what_is_not_known_is_not_guessed() -> None:
    assert explain("something entirely new happened") == ("", "")


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (409, Conflict), (500, HostError), (0, HostError)])
def test_a_refusal_keeps_the_engines_words_and_the_servers_name(status: int, kind: type[HostError]) -> None:
    error = refusal("it can't be {done}\n", "web-1", status)
    assert type(error) is kind
    assert (str(error), error.status) == ("Server web-1: it can't be {done}", status)


@pytest.mark.parametrize(
    ("code", "words", "problem", "unreachable"),
    [
        (2, "Connection refused", "connection refused", False),
        (2, "Connection timed out", "timed out", False),
        (2, "No route to host", "10.0.0.9 is not reachable from server web-1 (No route to host)", True),
        (2, "Network is unreachable", "not reachable", True),
        (1, "open failed", "AllowTcpForwarding", True),
        (2, "", "not reachable", True),
    ],
)
def test_sshds_answers_to_a_probe(code: int, words: str, problem: str, unreachable: bool) -> None:
    probe = _refused(ChannelRefused(code, words), "web-1", "10.0.0.9")
    assert (probe.ok, probe.status, probe.unreachable) == (False, 0, unreachable)
    assert problem in probe.problem


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (
            b"Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 1000 600 400 60% /\n",
            (400 * 1024, 1000 * 1024),
        ),
        (b"Filesystem ...\n//nas/my share of it 1000 600 400 60% /mnt/my 50% disk\n", (400 * 1024, 1000 * 1024)),
        (b"Filesystem ...\noverfull 1000 1100 -100 110% /\n", (0, 1000 * 1024)),
        (b"", None),
        (b"df: /nowhere: No such file or directory\n", None),
        (b"Filesystem\n- - - - /\n", None),
    ],
)
def test_disk_free_reads_df_or_admits_that_it_cannot(said: bytes, found: tuple[int, int] | None) -> None:
    assert inspected.disk_free(said) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"Filesystem Inodes IUsed IFree IUse% Mounted on\n/dev/sda1 3008 3000 8 100% /\n", (8, 3008)),
        (b"Filesystem Inodes IUsed IFree IUse% Mounted on\n/dev/sdb1 0 0 0 - /btrfs\n", None),
        (b"Filesystem Inodes IUsed IFree IUse% Mounted on\n/dev/sdb1 0 0 0 0% /vfat\n", None),
        (b"", None),
    ],
)
def test_files_free_reads_df_where_they_are_counted(said: bytes, found: tuple[int, int] | None) -> None:
    assert inspected.files_free(said) == found


def test_an_inspected_container_may_lack_almost_everything() -> None:
    found = inspected.container({"Id": "a", "Name": "/web", "Image": "sha256:b"})
    assert (found.name, found.status, found.restart_policy, found.networks, found.health) == ("web", "", "no", {}, "")


def test_an_image_whose_check_is_switched_off_has_none() -> None:
    off = inspected.local_image({"Id": "a", "Config": {"Healthcheck": {"Test": ["NONE"]}, "Volumes": {"/d": {}}}})
    assert (off.has_healthcheck, off.volumes) == (False, ("/d",))


def test_published_ports_leave_out_what_is_only_exposed() -> None:
    listed = [
        {
            "Names": ["/web"],
            "Labels": {"whose": "ours"},
            "Ports": [
                {"PrivatePort": 1, "Type": "tcp"},
                {"IP": "::", "PublicPort": 8, "PrivatePort": 1, "Type": "tcp"},
            ],
        }
    ]
    assert inspected.published_ports(listed) == [("::", 8, "tcp", "web", {"whose": "ours"})]


class Faltering(DockerHost):
    """Its engine's registry fails some times."""

    def __init__(self, *said: str) -> None:
        self.said, self.waited = list(said), [0.0]

    def _ask_registry(self, reference: str) -> RemoteImage:
        if self.said:
            raise refusal(self.said.pop(0), "web-1", 500)
        return RemoteImage("sha256:1", ())

    def wait(self, seconds: float) -> None:
        """It takes no time."""
        self.waited.append(seconds)


FAILED = "received unexpected HTTP status: 500 Internal Server Error"


def test_a_registry_that_fails_for_a_moment_is_asked_again() -> None:
    host = Faltering(FAILED, FAILED)
    assert host.remote_image("r.test/a:1").digest == "sha256:1"
    assert sum(host.waited) > 2


def test_a_registry_that_goes_on_failing_is_told() -> None:
    host = Faltering(FAILED, FAILED, FAILED)
    with pytest.raises(HostError, match="500"):
        host.remote_image("r.test/a:1")


def test_a_registry_that_answers_is_not_asked_again() -> None:
    host = Faltering("manifest unknown", FAILED)
    with pytest.raises(HostError, match="manifest unknown"):
        host.remote_image("r.test/a:1")
    assert host.waited == [0.0]
