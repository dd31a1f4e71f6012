"""Terminals into a running container, from the click to their record, on an old and a current engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from deployments import queue, terminal_keys, terminals
from deployments.inventory import applications, variables
from deployments.live import LogLine, decode_lines
from deployments.models import AuditEntry, Environment, Host, Operation, Terminal, TerminalChunk
from deployments.states import OperationStatus
from deployments.terminal_keys import Keys
from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests import factories as make
from tests.integration import harness
from tests.real_parts import SampleImages
from worker.brief import installation_name
from worker.keeper import Keeper
from worker.operations import running
from worker.operations import terminal as operation

SHELL = ("/bin/busybox", "sh")
SECRET = "correct-horse-battery"
END = Terminal.End


class Place:
    """The shop on a server, and what is opened into its container."""

    def __init__(self, host: Host, engine: DockerEngine, container: dict[str, Any]) -> None:
        self.host, self.engine, self.container = host, engine, container
        self.keeper = Keeper("look@test", "look", 1, beat_seconds=1.0, look_seconds=0.1)
        self._number = 0

    def open(self, *command: str) -> Terminal:
        """Ada asks for it."""
        self._number = 0
        return terminals.request_terminal(
            actor=harness.admin(), host=self.host, container=self.container, command=command or SHELL
        )

    def begin(self, terminal: Terminal) -> threading.Thread:
        """A worker takes it up, in a thread of its own."""
        thread = threading.Thread(target=self._run, args=(terminal.pk,), daemon=True)
        thread.start()
        return thread

    def _run(self, number: int) -> None:
        try:
            running.run(number, self.keeper)
        finally:
            connection.close()

    def type(self, terminal: Terminal, text: str, size: tuple[int, int] | None = None) -> None:
        """As the browser does: again until it is taken."""
        self._number += 1
        until(lambda: terminal_keys.put(terminal.pk, "a-tab", self._number, Keys(text, size)).taken, text)

    def processes(self) -> list[str]:
        """What runs in the container."""
        listed = self.engine.api.json("GET", f"/containers/{self.container['id']}/top?ps_args=-o%20pid,args")
        return [" ".join(row[1:]) for row in listed["Processes"]]


def until(true: Callable[[], object], what: str, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


def pieces(terminal: Terminal) -> list[LogLine]:
    return [
        piece for chunk in TerminalChunk.objects.filter(terminal=terminal.pk) for piece in decode_lines(chunk.lines)
    ]


def screen(terminal: Terminal) -> str:
    """What the program wrote, as recorded."""
    return "".join(piece.text for piece in pieces(terminal) if piece.stream == "stdout")


def shows(terminal: Terminal, text: str) -> None:
    until(lambda: text in screen(terminal), f"{text} on {screen(terminal)!r}")


def ended(terminal: Terminal, thread: threading.Thread, how: str, status: str) -> Terminal:
    """It ended so, and that is on record and in the audit trail."""
    thread.join(30)
    assert not thread.is_alive()
    terminal.refresh_from_db()
    row = Operation.objects.get(pk=terminal.pk)
    assert (terminal.ended_how, row.status) == (how, status), row.result
    entry = AuditEntry.objects.filter(action="terminal.end").latest("pk")
    assert (entry.after["how"], entry.after["asked_by"]) == (how, "Ada")
    return terminal


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    transactional_db: None,
    django_db_serialized_rollback: None,
    valkey: Valkey,
    sshd: SshServer,
    sample_images: SampleImages,
) -> Iterator[Place]:
    """A container of the shop's first release, which has a secret; its environment allows terminals."""
    is_old = getattr(request, "param", "26.1") == "20.10"
    engine: DockerEngine = request.getfixturevalue("tidy_engine" if is_old else "tidy_engine26")
    host, image = harness.trusted_host(sshd, engine), sample_images.push("1")
    shop = harness.placement(host, image)
    variables.set_variable(actor=harness.admin(), placement=shop, name="TOKEN", value=SECRET, is_secret=True)
    version = shop.secret_versions.get()
    make.release(shop, "1", variables=[{"name": "TOKEN", "secret": version.pk, "number": 1}])
    applications.update_environment(actor=harness.admin(), environment=shop.environment, allows_terminal=True)
    labels = {"estiva.installation": installation_name(), "estiva.placement": str(shop.pk), "estiva.release": "1"}
    engine.api.request("POST", f"/images/create?fromImage={image.pinned}")
    body = {"Image": image.pinned, "Env": [f"TOKEN={SECRET}"], "Labels": labels}
    made = engine.api.json("POST", "/containers/create?name=shop-production-r1.f1", body)
    engine.api.json("POST", f"/containers/{made['Id']}/start")
    name = "shop-production-r1.f1"
    row = {"id": made["Id"], "name": name, "ours": True, "placement": shop.pk, "release": "1", "state": "running"}
    found = Place(host, engine, row)
    found.keeper.start()
    yield found
    found.keeper.begin_stop()
    found.keeper.join()


BOTH = pytest.mark.parametrize("place", ["20.10", "26.1"], indirect=True)


@BOTH
def test_a_terminal_from_click_to_record(place: Place) -> None:
    terminal = place.open()
    thread = place.begin(terminal)
    shows(terminal, "# ")
    place.type(terminal, "", (101, 33))
    place.type(terminal, "echo $((6*7)); /bin/busybox stty size; echo tok=$TOKEN.\n")
    shows(terminal, "42\r\n33 101\r\n")
    shows(terminal, "tok=[redacted].")
    place.type(terminal, "read -s word; echo got ${#word}\n")
    shows(terminal, "${#word}\r\n")
    place.type(terminal, "a-password-typed\n")
    shows(terminal, "got 16")
    place.type(terminal, "exit 3\n")
    terminal = ended(terminal, thread, END.ITSELF, OperationStatus.SUCCEEDED)
    assert terminal.exit_code == 3
    kept = pieces(terminal)
    assert [piece.number for piece in kept] == list(range(1, len(kept) + 1))
    assert terminal.last_piece == len(kept)
    assert "101x33" in {piece.text for piece in kept if piece.stream == "size"}
    assert "a-password-typed" not in screen(terminal)
    assert SECRET not in screen(terminal)
    assert not list(queue.connection().scan_iter("estiva:terminal:*"))
    asked = AuditEntry.objects.get(action="terminal.open")
    assert (asked.actor_name, asked.after["command"]) == ("Ada", list(SHELL))


@BOTH
def test_what_a_click_ends_is_gone(place: Place) -> None:
    terminal = place.open()
    thread = place.begin(terminal)
    shows(terminal, "# ")
    place.type(terminal, "/bin/busybox sleep 987\n")
    until(lambda: any("sleep 987" in each for each in place.processes()), "it sleeps")
    assert terminals.end_terminal(actor=harness.admin(), terminal_id=terminal.pk)
    terminal = ended(terminal, thread, END.PERSON, OperationStatus.CANCELLED)
    assert terminal.outcome == {"status": "cancelled", "what": "Ended by Ada.", "why": "", "remedy": ""}
    assert [each for each in place.processes() if "sleep 987" in each] == []


def test_nobody_types(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminals, "IDLE_SECONDS", 1)
    terminal = place.open()
    thread = place.begin(terminal)
    ended(terminal, thread, END.IDLE, OperationStatus.CANCELLED)


def test_the_environment_allows_it_no_longer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation, "RIGHTS_SECONDS", 0.1)
    terminal = place.open()
    thread = place.begin(terminal)
    shows(terminal, "# ")
    Environment.objects.update(allows_terminal=False)
    ended(terminal, thread, END.RIGHTS, OperationStatus.CANCELLED)


def test_the_record_is_full(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.terminal_record.MOST_BYTES", 20_000)
    terminal = place.open()
    thread = place.begin(terminal)
    shows(terminal, "# ")
    place.type(terminal, "/bin/busybox yes\n")
    terminal = ended(terminal, thread, END.FULL, OperationStatus.CANCELLED)
    assert [each for each in place.processes() if "yes" in each] == []
    assert terminal.record_bytes >= 20_000


@BOTH
def test_the_container_is_stopped(place: Place) -> None:
    terminal = place.open()
    thread = place.begin(terminal)
    shows(terminal, "# ")
    place.engine.api.json("POST", f"/containers/{place.container['id']}/stop?t=1")
    ended(terminal, thread, END.CONTAINER, OperationStatus.FAILED)


def test_there_is_no_such_program(place: Place) -> None:
    terminal = place.open("/bin/nothing-of-this-name")
    thread = place.begin(terminal)
    terminal = ended(terminal, thread, END.ITSELF, OperationStatus.FAILED)
    assert terminal.exit_code in {126, 127}
    assert "nothing-of-this-name" in terminal.outcome["what"]


def test_no_word_of_a_command_is_read_by_a_shell(place: Place, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    hostile = [f"$(touch {canary})", f"; touch {canary}", "--rm", "'\"`id`", "two words", "$TOKEN", "a\\nb"]
    terminal = place.open("/bin/busybox", "printf", "<%s>\n", *hostile)
    terminal = ended(terminal, place.begin(terminal), END.ITSELF, OperationStatus.SUCCEEDED)
    assert screen(terminal) == "".join(f"<{word}>\r\n" for word in hostile)
    assert not canary.exists()


def test_the_worker_stops_and_another_one_tidies_up(place: Place) -> None:
    terminal = place.open()
    thread = place.begin(terminal)
    shows(terminal, "# ")
    place.type(terminal, "/bin/busybox sleep 988\n")
    until(lambda: any("sleep 988" in each for each in place.processes()), "it sleeps")
    place.keeper.begin_stop()
    place.keeper.join()
    thread.join(10)
    assert Operation.objects.get(pk=terminal.pk).status == OperationStatus.QUEUED
    place.keeper = Keeper("look@other", "look", 1)
    place.keeper.start()
    terminal = ended(terminal, place.begin(terminal), END.WORKER, OperationStatus.FAILED)
    assert "Restart the container" not in terminal.outcome["remedy"]
    assert [each for each in place.processes() if "sleep 988" in each] == []
