"""Mirrors on a worker: one Repository's own, and gone with it."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from deployments.models import Application, Repository
from deployments.states import RepositoryState
from worker import git_servers

pytestmark = pytest.mark.django_db


def mirror(folder: Path) -> Path:
    """As a fetch leaves it."""
    (folder / "m" / "repo.git").mkdir(parents=True)
    (folder / "m" / "fetch.lock").touch()
    return folder / "m" / "repo.git"


def test_no_two_repositories_share_a_mirror() -> None:
    assert git_servers.mirrors(1) != git_servers.mirrors(2)


def test_what_a_removed_repository_left_is_freed(tmp_path: Path, settings: LazySettings) -> None:
    settings.ESTIVA_VAR = tmp_path
    application = Application.objects.create(name="shop")
    kept = Repository.objects.create(application=application, url="https://git.example.com/a.git")
    mine, gone = mirror(git_servers.mirrors(kept.pk)), mirror(git_servers.mirrors(kept.pk + 1))

    git_servers.tidy()

    assert mine.exists()
    assert not gone.exists()


def test_all_mirrors_together_keep_within_the_limit(tmp_path: Path, settings: LazySettings) -> None:
    settings.ESTIVA_VAR, settings.ESTIVA_GIT_CACHE_BYTES = tmp_path, 150
    application = Application.objects.create(name="shop")
    kept = Repository.objects.create(application=application, url="https://git.example.com/a.git")
    mine = mirror(git_servers.mirrors(kept.pk))
    (mine / "pack").write_bytes(bytes(150))

    git_servers.tidy()
    assert mine.exists()

    settings.ESTIVA_GIT_CACHE_BYTES = 149
    git_servers.tidy()
    assert not mine.exists()


def test_what_an_admin_allows_is_within_reach(settings: LazySettings) -> None:
    settings.ESTIVA_GIT_ALLOWED_HOSTS = ["lfs.corp.example.com", "10.1.0.0/16"]
    row = Repository(url="https://git.example.com/a.git", state=RepositoryState.READY)
    reaching = git_servers.git_server(row).reaching
    assert reaching.own == "git.example.com"
    assert reaching.permits("lib.example.com", "10.1.2.3")
    assert not reaching.permits("lib.example.com", "10.2.2.3")
