"""Why builds fail, from real words: BuildKit's of Docker 20.10 and 26.1, and those of pip, npm, apt and others."""

# ruff: noqa: E501  (real words stand as they came)

import re
import string
import time

import pytest

from worker.engine.build_causes import CAUSES
from worker.engine.build_diagnosis import diagnose

RAN = "executor failed running [/bin/sh -c x]: exit code: 1"
NPM = """npm error code EBADENGINE
npm error engine Unsupported engine
npm error engine Not compatible with your version of node/npm: a@1.0.0
npm error notsup Not compatible with your version of node/npm: a@1.0.0
npm error notsup Required: {"node":">=99"}
npm error notsup Actual:   {"node":"v20.20.2","npm":"11.19.1"}"""

# (what BuildKit says, what the command wrote last, a part of why, a part of the remedy)
REAL: list[tuple[str, str, str, str]] = [
    ("failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 2: unknown instruction: RUNN", "", "Line 2 of the Dockerfile can't be read: unknown instruction: RUNN.", "Mend that line"),
    ("dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)", "", "Line 2 of the Dockerfile can't be read: unknown instruction: RUNN (did you mean RUN?).", "Mend"),
    ("failed to read dockerfile: open /var/lib/docker/tmp/buildkit-mount1/Dockerfile: no such file or directory", "", "no Dockerfile at that path", "subdirectory"),
    ("failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory", "", "no Dockerfile at that path", "subdirectory"),
    ("failed to create LLB definition: file with no instructions", "", "no instruction", "FROM"),
    ("failed to create LLB definition: failed to reach build target web in Dockerfile", "", "no stage named web.", "target stage"),
    ("target stage \"web\" could not be found", "", "no stage named web.", "target stage"),
    ("\"/missing\" not found: not found", "", "COPY or ADD asks for /missing, which is not in what was sent", ".dockerignore"),
    ("failed to calculate checksum of ref f9fea0e1-c202::zuaj: \"/missing\": not found", "", "asks for /missing,", ".dockerignore"),
    ("secret npm not found: not found", "", "mounts the secret npm,", "build secret npm"),
    ("secret npm: not found", "", "mounts the secret npm,", "build secret npm"),
    ("127.0.0.1:23374/team/nothing:9: not found", "", "does not exist in the registry (127.0.0.1:23374/team/nothing:9)", "after FROM"),
    ("docker.io/library/python:9.9: not found", "", "does not exist in the registry (docker.io/library/python:9.9)", "after FROM"),
    ("pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed", "", "refuses the base image", "credentials"),
    ("failed to do request: Head \"https://registry-1.docker.io/v2/library/python/manifests/3.7\": dial tcp: lookup registry-1.docker.io on 10.0.0.53:53: no such host", "", "does not reach the registry", "proxy"),
    ("failed to do request: Head \"https://r.test/v2/x/manifests/1\": x509: certificate signed by unknown authority", "", "certificate is not trusted", "certs.d"),
    ("resolve image config for docker-image://docker.io/docker/dockerfile:1\nfailed to do request: dial tcp: no such host", "", "# syntax=", "Leave that line out"),
    ("no match for platform in manifest sha256:2ba1: not found", "", "does not exist for the platform that is built for, linux/arm64.", "linux/arm64"),
    ("no matching manifest for windows/amd64 in the manifest list entries", "", "built for, windows/amd64.", "windows/amd64"),
    ("unable to find user 1000: invalid argument", "", "no user 1000 at", "adduser"),
    ("failed to copy: write /var/lib/docker/x: no space left on device", "", "disk is full", "prune"),
    (RAN, "standard_init_linux.go:228: exec user process caused: exec format error", "another processor", "emulation"),
    (RAN, "cp: error writing '/x': No space left on device", "disk is full", "prune"),
    ("executor failed running [/bin/sh -c dd]: exit code: 137", "", "more memory", "memory limit"),
    ("process \"/bin/sh -c dd\" did not complete successfully: exit code: 137", "Killed", "more memory", "memory limit"),
    (RAN, "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "more memory", "memory limit"),
    (RAN, "wget: bad address 'nowhere.invalid'", "could not reach the network", "HTTP_PROXY"),
    (RAN, "Err:1 http://deb.debian.org/debian bookworm InRelease\n  Temporary failure resolving 'deb.debian.org'", "could not reach the network", "HTTP_PROXY"),
    (RAN, "fatal: unable to access 'https://x.test/y/': Could not resolve host: x.test", "could not reach the network", "HTTP_PROXY"),
    (RAN, "npm error code EAI_AGAIN\nnpm error syscall getaddrinfo", "could not reach the network", "HTTP_PROXY"),
    (RAN, "WARNING: Retrying after connection broken by 'NewConnectionError(<x>: Failed to establish a new connection: [Errno -2] Name or service not known')': /simple/flask/\nERROR: Could not find a version that satisfies the requirement flask (from versions: none)", "could not reach the network", "HTTP_PROXY"),
    (RAN, "E: The repository 'http://deb.debian.org/debian buster Release' does not have a Release file.", "has reached its end", "newer base image"),
    (RAN, "E: The repository 'http://deb.debian.org/debian buster Release' no longer has a Release file.", "has reached its end", "newer base image"),
    (RAN, "SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain", "does not trust", "authority"),
    (RAN, "ERROR: Package 'shop' requires a different Python: 3.7.17 not in '>=3.9'", "needs Python >=3.9, and the base image has 3.7.17.", "base image with that Python"),
    (RAN, "ERROR: Ignored the following versions that require a different python version: 4.2 Requires-Python >=3.8; 5.0 Requires-Python >=3.10\nERROR: Could not find a version that satisfies the requirement Django==5.0", "another version of Python than the base image has: >=3.8", "Python"),
    (RAN, "ERROR: Could not find a version that satisfies the requirement requests==99.0 (from versions: 0.2.0, 2.34.2)\nERROR: No matching distribution found for requests==99.0", "pip found no version of requests==99.0 that fits", "requirements"),
    (RAN, "  File \"app.py\", line 3\n    match x:\n          ^\nSyntaxError: invalid syntax", "newer (or older) Python", "after FROM"),
    (RAN, "SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?", "newer (or older) Python", "after FROM"),
    (RAN, NPM, "needs Node >=99, and the base image has v20.20.2.", "FROM node:"),
    (RAN, "error vite@5.0.0: The engine \"node\" is incompatible with this module. Expected version \"^18.0.0 || >=20.0.0\". Got \"14.21.3\"", "needs Node ^18.0.0 || >=20.0.0, and the base image has 14.21.3.", "FROM node:"),
    (RAN, "Error: error:0308010C:digital envelope routines::unsupported", "another version of Node", "package.json"),
    (RAN, "SyntaxError: Unexpected token '??='", "newer Node", "after FROM"),
    (RAN, "npm error The `npm ci` command can only install with an existing package-lock.json or", "no lock file", "commit the lock file"),
    (RAN, "go: go.mod requires go >= 1.22 (running go 1.19.8; GOTOOLCHAIN=local)", "newer Go than the base image has: 1.22", "go.mod"),
    (RAN, "error: command 'gcc' failed: No such file or directory", "no compiler", "build-essential"),
    (RAN, "Error: pg_config executable not found.", "no compiler", "-dev"),
    ("executor failed running [/bin/sh -c nonsense]: exit code: 127", "/bin/sh: nonsense: not found", "(nonsense)", "Install it"),
    ("process \"/bin/sh -c nonsense\" did not complete successfully: exit code: 127", "/bin/sh: 1: nonsense: not found", "(nonsense)", "Install it"),
    (RAN, "runc run failed: unable to start container process: exec: \"/bin/sh\": stat /bin/sh: no such file or directory", "isn't in the image", "Install it"),
    ("executor failed running [/bin/sh -c /s]: exit code: 126", "/bin/sh: /s: Permission denied", "may not do what it tries", "chmod"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "output", "why", "remedy"), REAL)
def test_real_words(error: str, output: str, why: str, remedy: str) -> None:
    found = diagnose(error, output.splitlines(), platform="linux/arm64")
    assert why in found.why
    assert remedy in found.remedy
    assert not found.generic
    assert "{" not in found.why + found.remedy
    assert "  " not in found.why + found.remedy


def test_the_memory_that_a_build_may_have_is_named() -> None:
    said = "executor failed running [/bin/sh -c dd]: exit code: 137"
    assert (
        diagnose(said, [], memory=64 << 20).why == "A command used more memory than it may have, 64 MB, and was ended."
    )
    assert diagnose(said, []).why == "A command used more memory than it may have, and was ended."


def test_what_is_not_known_is_not_explained_away() -> None:
    found = diagnose("executor failed running [/bin/sh -c make]: exit code: 2", ["make: *** [all] Error 2"])
    assert (found.exit_code, found.generic) == (2, True)
    assert "exit code 2" in found.why
    assert diagnose("something else", []).exit_code is None


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.why[:40])
def test_every_cause_can_be_said(cause: object) -> None:
    """Each names only groups that its pattern has, or words that are always there."""
    assert isinstance(cause, type(CAUSES[0]))
    known = set(re.compile(cause.pattern).groupindex) | {
        *("allowed", "wanted", "image_words", "program_words", "needs_words", "has")
    }
    named = {name for text in (cause.why, cause.remedy) for _, name, _, _ in string.Formatter().parse(text) if name}
    assert named <= known


def test_every_cause_is_met_by_real_words() -> None:
    """A row that nothing reaches is a row that stands behind another by mistake."""
    met = set()
    for error, output, _, _ in REAL:
        places = {"error": error, "output": output, "both": f"{output}\n{error}"}
        met.add(next(n for n, each in enumerate(CAUSES) if re.search(each.pattern, places[each.where], re.IGNORECASE)))
    unmet = [each.why for number, each in enumerate(CAUSES) if number not in met]
    assert len(unmet) <= 3, unmet


@pytest.mark.parametrize("text", ["a/" * 20_000, "resolve " * 10_000, "secret " * 10_000, "a:" * 20_000, '"/' * 20_000])
def test_no_text_takes_long(text: str) -> None:
    """Whoever writes a Dockerfile chooses what is searched, and the search holds up everything else in the process."""
    before = time.process_time()
    diagnose(f"executor failed running [{text}]: exit code: 1", [text])
    assert time.process_time() - before < 2
