"""The door to repositories: their mirrors, what opens them, and meeting an ssh server for the first time."""

from deployments import git_url
from worker.connections import ssh
from worker.engine.errors import HostLost
from worker.sources.context import Context
from worker.sources.errors import GitRefused
from worker.sources.mirror import Mirror
from worker.sources.shapes import (
    Commit,
    ContextOptions,
    Entry,
    GitCredential,
    GitLimits,
    GitServer,
    Interrupt,
    Progress,
    Ref,
    Refs,
    nobody,
)
from worker.sources.space import keep_within, mirror_folder, remove_mirror, remove_unused

__all__ = [
    "Commit",
    "Context",
    "ContextOptions",
    "Entry",
    "GitCredential",
    "GitLimits",
    "GitRefused",
    "GitServer",
    "Mirror",
    "Progress",
    "Ref",
    "Refs",
    "keep_within",
    "meet_git_server",
    "mirror_folder",
    "remove_mirror",
    "remove_unused",
]


def meet_git_server(url: str, interrupt: Interrupt = nobody) -> tuple[str, str] | None:
    """The host key (type, base64) that an ssh Git server shows; None for http(s), which has certificates instead.

    No login is tried and no credential is needed. Somebody compares the fingerprint before it's trusted.
    """
    try:
        where = git_url.parse(url)
    except git_url.GitUrlError as error:
        raise GitRefused("unsafe", f"This address is not used: {error}") from error
    if where.scheme != "ssh":
        return None
    address = ssh.SshAddress(where.host, where.bare_host, where.real_port, where.user)
    try:
        key = ssh.offered_host_key(ssh.open_socket(address, interrupt), address, interrupt).key
    except HostLost as error:
        raise GitRefused("unreachable", error.message, why=error.why, remedy=error.remedy) from error
    return key.type, key.base64
