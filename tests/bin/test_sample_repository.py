"""The demo's repository: a second start serves what the first one left, at the same address and with the same password."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from parts import sample_repository
from parts.git_repo import git
from parts.installation import Installation
from parts.registry import Registry
from parts.sample_repository import SampleRepository
from parts.sample_server import SampleServer
from parts.sshd import SshServer
from parts.supervisor import Supervisor

pytestmark = pytest.mark.real


@pytest.fixture
def server(sshd: SshServer, mirror: Registry) -> SampleServer:
    return SampleServer(sshd, Path("/nowhere/docker.sock"), mirror, 5000, 5001)


def started(folder: Path, server: SampleServer) -> tuple[SampleRepository, str]:
    """What a start finds, and the commit that a clone with the printed address gets."""
    with Supervisor() as supervisor:
        sample = sample_repository.start(Installation(folder, throwaway=True), supervisor, server)
        return sample, git("ls-remote", sample.clone_url, "refs/heads/main").decode()


def test_a_second_start_finds_address_password_and_commits(tmp_path: Path, server: SampleServer) -> None:
    first, commit = started(tmp_path, server)
    again, later = started(tmp_path, server)
    assert (again, later) == (first, commit)
    assert commit
    assert first.application_url == "http://127.0.0.1:5001/"
    assert first.password in first.clone_url
    assert first.password not in first.url
    assert stat.S_IMODE((tmp_path / "git-password").stat().st_mode) == 0o600


def test_somebody_elses_engine_gets_its_base_image_from_our_registry(tmp_path: Path, server: SampleServer) -> None:
    own, _commit = started(tmp_path / "own", server)
    borrowed, _commit = started(tmp_path / "borrowed", replace(server, is_borrowed=True))
    assert own.base == "python:3.7"
    assert borrowed.base == f"{server.registry.address}/library/python:3.7"
