"""What every test shares: a throwaway installation's settings, the database, and the real parts, each started when first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import settings as hypothesis_settings

from parts import environment, packages
from parts.leftovers import clear_folder, clear_leftovers
from parts.part import remove_folder, temporary_folder
from parts.postgres import Postgres
from parts.processes import free_port

pytest_plugins = ["tests.real_parts"]

ON_POSTGRES = os.environ.get("ESTIVA_TEST_DATABASE") == "postgres"
NEEDS = {
    "compose_sshd": "sshd",
    "engine": "dockerd",
    "engine26": "dockerd",
    "git_server": "git",
    "make_engine": "dockerd",
    "make_engine26": "dockerd",
    "make_git_server": "git",
    "sshd": "sshd",
    "make_sshd": "sshd",
    "registry": "docker-registry",
    "postgres_server": "postgres",
}

# The settings are read when the first test module imports a model, so they must stand here before anything is collected.
FOLDER = temporary_folder("test")
POSTGRES_PORT = free_port()
os.environ.update(environment.throwaway(FOLDER))
if ON_POSTGRES:
    os.environ["ESTIVA_DATABASE_URL"] = f"postgres://estiva@127.0.0.1:{POSTGRES_PORT}/estiva"

hypothesis_settings.register_profile("estiva", deadline=None)
hypothesis_settings.load_profile("estiva")


def pytest_configure() -> None:
    """Read the settings, so that pytest-django, whose turn comes later, sets Django up for tests without models too."""
    assert settings.INSTALLED_APPS
    # A slow hash is what production wants and what a test of anything else waits for.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_sessionfinish() -> None:
    """Leave nothing running and nothing lying about, also after an interrupted run."""
    clear_folder(FOLDER)
    remove_folder(FOLDER)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a real part; skip, by name, those whose program this machine can't have."""
    for item in items:
        _keep_first_rows(item)
        needed = {NEEDS[name] for name in getattr(item, "fixturenames", ()) if name in NEEDS}
        if not needed:
            continue
        item.add_marker(pytest.mark.real)
        lacking = packages.lacking(sorted(needed))
        if lacking and not packages.can_install():
            item.add_marker(pytest.mark.skip(reason=f"needs root on Debian, or: {', '.join(lacking)}"))


def _keep_first_rows(item: pytest.Item) -> None:
    """A test that commits empties the tables at its end: the rows that migrations made come back before the next one.

    All such tests must agree on that: else the rows that Django makes by itself collide with those that come back.
    """
    names: list[str] = getattr(item, "fixturenames", [])
    marker = item.get_closest_marker("django_db")
    commits = (marker is not None and marker.kwargs.get("transaction", False)) or "transactional_db" in names
    if commits and "django_db_serialized_rollback" not in names:
        names.append("django_db_serialized_rollback")


@pytest.fixture(scope="session")
def folder() -> Path:
    """This run's own folder, short enough for sockets, removed at the end."""
    return FOLDER


@pytest.fixture(scope="session", autouse=True)
def _no_leftovers() -> None:
    """What an earlier, killed run left is ended before this one begins."""
    clear_leftovers()


@pytest.fixture(scope="session")
def postgres_server(folder: Path) -> Iterator[Postgres]:
    """One PostgreSQL for the run; tests that restart it must leave it running."""
    with Postgres(folder / "postgres", POSTGRES_PORT) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Postgres) -> str:
    """The address of an empty database on it."""
    return postgres_server.url()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest, folder: Path) -> None:
    """Threads must see one another's rows, so the SQLite test database is a file; on PostgreSQL the server must run first."""
    from django.db import connections

    if ON_POSTGRES:
        request.getfixturevalue("postgres_server")
    else:
        connections["default"].settings_dict["TEST"]["NAME"] = str(folder / "test.sqlite3")
