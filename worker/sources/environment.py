"""The environment that git runs in, made from scratch: nothing of the worker's own settings or secrets gets in.

How the token travels: as a header that git adds itself (`http.<origin>.extraHeader`), handed over in an environment
variable. So it is on no command line, in no address (which git would print) and in no file; another user of the machine
can't read it, and no helper program has to run. The header is bound to scheme, host and port, and redirects are never
followed by git, which would take the header along: `worker.sources.redirects` looks where one leads.
"""

import base64
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deployments import git_url
from deployments.git_url import GitUrl
from worker.sources import ssh_program
from worker.sources.errors import GitRefused
from worker.sources.private import private_folder
from worker.sources.shapes import GitCredential, GitServer

# A company's proxy and certificates are the worker's to know; both forms are in use.
PASSED_ON = (
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
    "GIT_SSL_CAINFO", "GIT_SSL_CAPATH",
)  # fmt: skip
# What forges expect beside a token where nobody said otherwise; most take any name.
USER_NAMES = {"github.com": "x-access-token", "bitbucket.org": "x-token-auth"}
DEFAULT_USER_NAME = "oauth2"

SETTINGS = {
    "core.bigFileThreshold": "16m",  # larger files stream by when a pack is checked: its sender chooses what they inflate to
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.askPass": "",
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    # Old tools wrote these; they harm nobody and their authors are long gone.
    "fetch.fsck.zeroPaddedFilemode": "ignore",
    "fetch.fsck.missingSpaceBeforeDate": "ignore",
    "fetch.fsck.badTimezone": "ignore",
    "fetch.fsck.missingEmail": "ignore",
    "fetch.fsck.missingNameBeforeEmail": "ignore",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",  # packs appear whole or not at all, loose objects don't
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "http.sslVerify": "true",
    "log.mailmap": "false",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.ext.allow": "never",
    "protocol.file.allow": "never",
    "submodule.recurse": "false",
    "transfer.credentialsInUrl": "die",
}


def git_program() -> str:
    """Where git is; GitRefused where it's missing."""
    program = shutil.which("git")
    if program is None:
        raise GitRefused(
            "broken",
            "git is not installed where the worker runs.",
            remedy="Install the package “git” there (for ssh also openssh-client); Estiva's own image has both.",
        )
    return program


def local(home: Path) -> dict[str, str]:
    """For git at work on the mirror alone: no protocol is allowed at all."""
    return {**_base(home), **_settings(SETTINGS), "GIT_ALLOW_PROTOCOL": ""}


@contextmanager
def towards(server: GitServer) -> Iterator[tuple[dict[str, str], Path]]:
    """For git that talks to this server, with its credential; and a private empty folder, gone afterwards, to run it in."""
    url = git_url.parse(server.url)
    settings = dict(SETTINGS)
    with private_folder() as folder:
        (folder / "home").mkdir()
        environment = _base(folder / "home")
        environment["GIT_ALLOW_PROTOCOL"] = url.scheme
        if header := authorization(url, server.credential):
            settings[f"http.{url.origin}/.extraHeader"] = f"Authorization: {header}"
        if url.scheme != "ssh" and (addresses := server.reaching.addresses(url.host, url.real_port)):
            settings["http.curloptResolve"] = _resolved(url, addresses)
        environment |= _settings(settings)
        if url.scheme != "ssh":
            environment |= _passed_on(os.environ)
            yield environment, folder / "home"
            return
        with ssh_program.prepared(server, folder) as program:
            yield {**environment, "GIT_SSH": str(program), "GIT_SSH_VARIANT": "ssh"}, folder / "home"


def authorization(url: GitUrl, credential: GitCredential) -> str:
    """The value of the header that opens a repository over HTTP; "" for ssh or where there is no token."""
    if credential.token is None or url.scheme == "ssh":
        return ""
    name = credential.username or USER_NAMES.get(url.host, DEFAULT_USER_NAME)
    return "Basic " + base64.b64encode(f"{name}:{credential.token.reveal()}".encode()).decode()


def _resolved(url: GitUrl, addresses: Sequence[str]) -> str:
    """For curl: a name that was looked up and found harmless stands for nothing else a moment later."""
    listed = ",".join(f"[{each}]" if ":" in each else each for each in addresses)
    return f"{url.bare_host}:{url.real_port}:{listed}"


def _base(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(home.parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Git's way to take settings that come before those of any file."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def _passed_on(own: Mapping[str, str]) -> dict[str, str]:
    passed = {name: own[name] for name in PASSED_ON if own.get(name)}
    if certificates := own.get("SSL_CERT_FILE"):  # git's TLS library doesn't look at it by itself
        passed.setdefault("GIT_SSL_CAINFO", certificates)
    return passed
