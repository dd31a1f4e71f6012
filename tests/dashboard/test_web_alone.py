"""The real web process while its database is away: it starts, says what is wrong, and lives on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.processes import free_port
from tests.dashboard.web import Stream, Web

pytestmark = pytest.mark.real

SESSION = "0123456789abcdefghijklmnopqrstuv"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process whose database and Redis nobody runs."""
    nowhere = f"postgres://estiva:hunter2@127.0.0.1:{free_port()}/estiva"
    folder: Path = tmp_path_factory.mktemp("web")
    with Web(folder, f"unix://{folder}/nothing.sock", database_url=nowhere) as server:
        yield server
        server.close_streams()


def test_it_is_alive_but_not_ready(web: Web) -> None:
    assert web.get("/healthz").status == 200
    ready = web.get("/readyz")
    assert ready.status == 503
    assert "The database doesn't answer." in ready.text


@pytest.mark.parametrize("path", ["/", "/account/link/abc"])
def test_pages_say_that_the_database_is_away(web: Web, path: str) -> None:
    answer = web.get(path, session=SESSION)
    assert answer.status == 503
    assert "database does not answer" in answer.text
    assert "hunter2" not in answer.text


def test_the_live_stream_says_so_too(web: Web) -> None:
    assert Stream(web, SESSION, "overview").open().status == 503


def test_the_log_tells_whoever_runs_it(web: Web) -> None:
    web.get("/", session=SESSION)
    Stream(web, SESSION, "overview").open()
    log = web.process.log.read_text()
    assert "the database can't tell whether there is an admin" in log
    assert "the database doesn't answer" in log
    assert "a live stream was refused: the database doesn't answer" in log
    assert "hunter2" not in log
