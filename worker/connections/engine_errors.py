"""What the engine and the connection say when they fail, as the engine's own errors and in people's words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import paramiko
import requests
import urllib3.exceptions

from worker.connections.channels import ConnectionGone
from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused
from worker.engine.errors import Cancelled, Conflict, HostError, HostLost, LeaseLost, NotFound

_OURS = (HostError, HostLost, Cancelled, LeaseLost)

# (what the engine says, why, what to do); the first that matches counts
_EXPLANATIONS: tuple[tuple[str, str, str], ...] = (
    (
        r"no matching manifest for (?P<platform>\S+)",
        "The image does not exist for this server's platform, {platform}.",
        "Build the image for {platform} as well (docker buildx build --platform {platform}), or choose another server.",
    ),
    (
        r"no image found in manifest list for architecture \"?(?P<architecture>[\w]+)",
        "The image does not exist for this server's platform, {architecture}.",
        "Build the image for {architecture} as well (podman build --platform linux/{architecture}), or choose another server.",
    ),
    (
        r"container-init binary not found",
        "An init process was asked for, and podman's, catatonit, is not installed there.",
        "Install it on the server: sudo apt-get install catatonit. Else turn the init process off in the settings.",
    ),
    (
        r"image operating system \"?(?P<os>\w+)\"? cannot be used on this platform",
        "The image was built for {os}, which this server's engine does not run.",
        "Build the image for this server's platform, or choose another server.",
    ),
    (
        r"manifest unknown|manifest for .* not found|not found: manifest",
        "The registry has no such tag or digest in that repository.",
        "Check the spelling, and that the image was pushed.",
    ),
    (
        r"repository .* not found|name unknown|repository name not known",
        "The registry has no such repository.",
        "Check the spelling, and that the image was pushed.",
    ),
    (
        r"toomanyrequests|rate limit",
        "The registry limits how often this server may pull.",
        "Wait and try again, sign in to the registry, or use a mirror.",
    ),
    (
        r"received unexpected HTTP status: 5\d\d",
        "The registry itself failed: it answered with an error of its own.",
        "Deploy again; if it stays so, look at the registry's own log, or ask whoever runs it.",
    ),
    (
        r"verification failed for digest",
        "What the registry sent isn't what its digest says.",
        "Deploy again; if it stays so, push the image anew, and look at what stands between: a mirror or a proxy.",
    ),
    (
        r"no space left on device",
        "The server's disk is full, or holds as many files as it can (inodes).",
        "Free space on the server, for example: docker image prune, docker builder prune. `df -h` and `df -i` there show which it is.",
    ),
    (
        r"creating mount source path '(?P<folder>[^']+)'.*read-only file system",
        "{folder} does not exist on the server, and cannot be made: that part of its file system is read-only.",
        "Choose another folder in the settings: one that exists, or one that can be made there.",
    ),
    (
        r"(OCI runtime|runc|crun).*(mount|rootfs).*read-only file system",
        "Something is mounted inside another that is read-only in the container, at a place that is not there.",
        "Make that place in what is around it (an empty folder or file), or mount what is around it not read-only.",
    ),
    (
        r"read-only file system",
        "The server's file system takes no writes any more. Most often its kernel found an error of the disk, and keeps what is there.",
        "On the server, `dmesg` tells what was found, and `findmnt -T /var/lib/docker` how it is mounted. "
        "Have the disk checked (fsck); where it is well: mount -o remount,rw. Then deploy again.",
    ),
    (
        r"pull access denied|unauthorized|authentication required|denied: |no basic auth credentials|access forbidden",
        "The registry refuses this server: the image is private, does not exist, or the credentials are wrong.",
        "Check the image's name and the registry's credentials.",
    ),
    (
        r"server gave HTTP response to HTTPS client",
        "The registry speaks plain HTTP, and this server's engine wants TLS.",
        "Give the registry a certificate, or list it under insecure-registries in /etc/docker/daemon.json there.",
    ),
    (
        r"x509|certificate|tls: ",
        "The registry's certificate is not trusted by the server.",
        "Install the issuing authority's certificate on the server (/etc/docker/certs.d/REGISTRY/ca.crt).",
    ),
    (
        r"no such host|lookup .* on ",
        "The server cannot resolve the registry's name.",
        "Check the spelling of the registry, and the server's name servers.",
    ),
    (
        r"(dial tcp|Get \"http|registry).*(connection refused|no route to host|network is unreachable)",
        "The server does not reach the registry.",
        "Check that the registry runs, and the server's network and firewall.",
    ),
    (
        r"Client\.Timeout|i/o timeout|TLS handshake timeout|context deadline exceeded|request canceled",
        "The registry did not answer the server in time.",
        "Try again; if it stays so, check the network between server and registry, and the server's proxy settings.",
    ),
    (
        r"network (?P<network>\S+) is ambiguous",
        "The server has several networks with the name {network}, and more than one of them is in use.",
        "On the server, `docker network ls` shows them; take what is in the needless one out of it, and remove it by its ID (docker network rm).",
    ),
    (
        r"port is already allocated",
        "Another container on the server publishes that port.",
        "Stop that container, or choose another host port.",
    ),
    (
        r"cannot listen on the (TCP|UDP) port",  # podman, whoever holds it
        "Another container or program on the server holds that port.",
        "Find it on the server with: ss -ltnp; stop it, or choose another host port.",
    ),
    (
        r"address already in use",
        "A program on the server that is no container holds that port.",
        "Find it on the server with: ss -ltnp; stop it, or choose another host port.",
    ),
    (
        r"cannot assign requested address",
        "The server has no such address to publish the port on.",
        "Choose an address that the server has, or 0.0.0.0 for all.",
    ),
    (
        r"exec format error",
        "The program in the image was built for another processor architecture.",
        "Build the image for this server's platform.",
    ),
    (
        r"exec: .*(no such file or directory|executable file not found)|stat .*: no such file or directory",
        "The command or entrypoint does not exist in the image.",
        "Check command and entrypoint, and their spelling.",
    ),
    (
        r"exec: .*permission denied",
        "The command or entrypoint exists in the image but may not be executed.",
        "Set its executable bit where the image is built.",
    ),
    (
        r"unable to find user|no matching entries in passwd file",
        "The image has no such user.",
        "Use a numeric user, or one that the image's /etc/passwd knows.",
    ),
)


_PODMAN_TAKEN = re.compile(r"the container name .* is already in use")  # which podman 4 answers with 500


def explain(said: str) -> tuple[str, str]:
    """Why the engine probably said so, and what to do; empty where we don't know."""
    for pattern, why, remedy in _EXPLANATIONS:
        found = re.search(pattern, said, re.IGNORECASE | re.DOTALL)
        if found:
            words = {name: value.rstrip(".,;") for name, value in found.groupdict().items() if value}
            return why.format(**words), remedy.format(**words)
    return "", ""


def refusal(said: str, host_name: str, status: int = 0) -> HostError:
    """The engine's refusal as an error of ours."""
    why, remedy = explain(said)
    if _PODMAN_TAKEN.search(said):
        status = 409
    kind = {404: NotFound, 409: Conflict}.get(status, HostError)
    return kind(f"Server {host_name}: {said.strip()}", status=status, why=why, remedy=remedy)


def is_momentary(error: HostError) -> bool:
    """Whether a registry may well be asked the same once more: it was it that failed, and registries do for a moment."""
    return re.search(r"unexpected HTTP status: 5\d\d", error.message) is not None


def engine_words(answer: requests.Response) -> str:
    """What the engine says in a refusing answer."""
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:1000]


@contextmanager
def translated(session: SshSession) -> Iterator[None]:
    """Whatever goes wrong inside comes out as one of `worker.engine.errors`."""
    name = session.address.host_name
    try:
        yield
    except _OURS:
        raise
    except docker.errors.APIError as error:
        raise refusal(str(error.explanation or error), name, error.status_code or 0) from error
    except ChannelRefused as error:
        raise HostError(f"Server {name}: sshd refused a channel: {error.words}.") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, paramiko.SSHException, EOFError, OSError) as error:
        raise _lost(session, error) from error
    except (docker.errors.DockerException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostError(
            f"Server {name}: the engine's answer was not understood ({type(error).__name__}: {error}).",
            why="Something other than a Docker Engine answers there, or a version we don't know.",
            remedy="Check the path of the Docker socket and the engine's version.",
        ) from error


@contextmanager
def stalling(session: SshSession, reference: str) -> Iterator[None]:
    """A pull that falls silent while the connection lives: the registry's doing, not the connection's."""
    try:
        yield
    except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
        if not session.transport.is_active():
            raise
        raise HostError(
            f"Server {session.address.host_name}: the pull of {reference} came to a standstill and was broken off.",
            why="The registry, or the network between it and the server, stopped answering.",
            remedy="Deploy again: layers that are complete are not downloaded twice.",
        ) from error


def pull_too_slow(host: str, reference: str, deadline: float) -> HostError:
    """A pull's deadline has passed."""
    return HostError(
        f"Server {host}: pulling {reference} took longer than {deadline:g} s and was broken off.",
        why="The registry or the network between it and the server is slow.",
        remedy="Deploy again: layers that are complete are not downloaded twice.",
    )


def _lost(session: SshSession, error: BaseException) -> HostLost:
    if not session.transport.is_active() or isinstance(error, ConnectionGone):
        return session.lost(error)
    name = session.address.host_name
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return HostLost(
            f"The engine on server {name} fell silent in the middle of a call.",
            why="It is overloaded or hangs: the connection itself is alive.",
            remedy="Look at the server's load and at: journalctl -u docker.",
        )
    return HostLost(
        f"The engine on server {name} ended the connection in the middle of a call.",
        why=f"It was stopped or restarted ({error}).",
        remedy="Look at the server: systemctl status docker.",
    )
