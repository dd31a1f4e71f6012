"""What git says, and what people are told."""

from __future__ import annotations

import base64

import pytest

from deployments import git_url
from worker.engine.spec import Secret
from worker.sources import explain
from worker.sources.git import GitCredential, GitServer

URL = "https://git.example.com/team/app.git"
SSH = "ssh://git@git.example.com/team/app.git"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("fatal: unable to access 'x': Could not resolve host: git.example.com", "unreachable", "can't be resolved"),
        ("fatal: unable to access 'x': Failed to connect to git.example.com port 443 after 2 ms: Couldn't connect to server", "unreachable", "does not answer"),
        ("ssh: connect to host git.example.com port 22: Connection timed out", "unreachable", "does not answer"),
        ("kex_exchange_identification: Connection closed by remote host", "unreachable", "does not answer"),
        ("fatal: unable to access 'x': server certificate verification failed. CAfile: none CRLfile: none", "unreachable", "trusted connection"),
        ("fatal: unable to access 'x': gnutls_handshake() failed: Handshake failed", "unreachable", "trusted connection"),
        ("fatal: Authentication failed for 'x'", "authentication", "refused the credential"),
        ("remote: HTTP Basic: Access denied. The provided password or token is incorrect", "authentication", "refused the credential"),
        ("fatal: unable to access 'x': The requested URL returned error: 403", "authentication", "refused the credential"),
        ("git@git.example.com: Permission denied (publickey).", "authentication", "refused the credential"),
        ("remote: Repository not found.\nfatal: repository 'x' not found", "not_found", "no repository at"),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", "not_found", "no repository at"),
        ("remote: The project you were looking for could not be found or you don't have permission to view it.", "not_found", "no repository at"),
        ("fatal: '/team/app.git' does not appear to be a git repository", "not_found", "no repository at"),
        ("fatal: x/info/refs not valid: is this a git repository?", "not_found", "no repository at"),
        ("fatal: couldn't find remote ref refs/heads/gone", "ref", "does not have this branch"),
        ("fatal: remote error: upload-pack: not our ref 123", "ref", "does not have this branch"),
        ("error: Server does not allow request for unadvertised object 123", "ref", "does not have this branch"),
        ("Host key verification failed.", "host_key", "another host key"),
        ("Unable to negotiate with 1.2.3.4 port 22: no matching host key type found. Their offer: ssh-dss", "host_key", "another host key"),
        ("fatal: unable to access 'x': The requested URL returned error: 301", "broken", "sends elsewhere"),
        ("fatal: unable to access 'x': The requested URL returned error: 502", "unreachable", "error of its own"),
        ("fatal: unable to access 'x': The requested URL returned error: 429", "unreachable", "patience"),
        ("error: RPC failed; curl 18 transfer closed\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output", "unreachable", "broke while"),
        ("fatal: unable to access 'x': Operation too slow. Less than 1000 bytes/sec transferred the last 60 seconds", "too_slow", "almost nothing"),
        ("fatal: write error: No space left on device", "broken", "disk is full"),
        ("error: object 12: hasDotdot: contains '..'\nfatal: fsck error in packed object", "unsafe", "malformed or malicious"),
        ("fatal: dumb http transport does not support shallow capabilities", "broken", "plain files"),
        ("fatal: something new", "broken", "could not be fetched"),
    ],
)  # fmt: skip
def test_causes(said: str, kind: str, words: str) -> None:
    url = SSH if "ssh" in said or "publickey" in said else URL
    server = GitServer(url, GitCredential("ada", Secret("tok-123456")))
    refusal = explain.remote_failure(server, git_url.parse(url), said)
    assert (refusal.kind, words in refusal.message) == (kind, True), refusal.message
    assert refusal.remedy
    assert "{" not in refusal.message + refusal.remedy


def test_without_a_credential_one_is_asked_for() -> None:
    said = "fatal: could not read Username for 'https://git.example.com': terminal prompts disabled"
    refusal = explain.remote_failure(GitServer(URL), git_url.parse(URL), said)
    assert (refusal.kind, "asks for a login" in refusal.message) == ("authentication", True)


def test_the_complaint_is_tidied_and_masked() -> None:
    server = GitServer(URL, GitCredential("ada", Secret("tok-123456")))
    said = "Receiving objects:  10% (1/10)\rReceiving objects: 100% (10/10)\nremote: \x1b[31mtok-123456 is bad\nAuthorization: Basic dG9r\nsame\nsame\n"
    shown = explain.masked(said, server)
    assert shown == "remote: [redacted] is bad\nAuthorization: Basic [redacted]\nsame"


def test_a_token_that_comes_back_as_it_travelled_is_masked() -> None:
    server = GitServer("https://git.example.com/a.git", GitCredential("deploy", token=Secret("correct-horse-battery")))
    travelled = base64.b64encode(b"deploy:correct-horse-battery").decode()
    said = explain.masked(f"remote: what is {travelled}?", server)
    assert travelled not in said
    assert "[redacted]" in said
