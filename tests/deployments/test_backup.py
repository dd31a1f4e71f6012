"""Backup and restore: all of it comes back as it was, into an empty database only, and only where the backup holds."""

import gzip
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.models import Model

from deployments import audit, backup, releases
from deployments.actors import ESTIVA, Actor
from deployments.backup import dump, load, tables
from deployments.inventory import shared_variables
from deployments.models import (
    AuditEntry,
    Deployment,
    Host,
    Installation,
    LogChunk,
    Placement,
    SecretVersion,
    Tally,
    User,
    WorkerProcess,
)
from deployments.sealing import open_sealed
from tests import factories
from tests.deployments.world import World, make_world

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

ANA = Actor(7, "Ana Prado", "203.0.113.7")


def fill() -> Deployment:
    """A team's rows: sealed, dated, JSON, with numbers given that are in use no more."""
    Installation.objects.get_or_create(defaults={"name": "h1b2c3d4"})
    world = make_world(servers=2)
    factories.variable(world.placement, "GREETING", "naïve “quotes” \\ and\nlines", secret=True)
    share_variables(world)
    factories.worker()
    done = factories.ran(factories.release(world.placement))
    share = done.targets.first()
    assert share is not None
    LogChunk.objects.create(target=share, first_line=1, last_line=2, fence=1, lines='[[1,"é\\u0000"],[2,""]]')
    audit.record(ANA, "host.update", world.hosts[0], before={"port": 22}, after={"port": 2222, "deep": [None, 1, "x"]})
    gone = Host.objects.create(name="gone", address="gone.example.com", user="root", public_key="k")
    gone.delete()
    return done


def share_variables(world: World) -> None:
    """A set of variables that is in use: its secret's versions have no placement."""
    row = shared_variables.create_set(actor=world.actor, environment=world.production, name="mail")
    for name, is_secret in (("SMTP_HOST", False), ("SMTP_PASSWORD", True)):
        shared_variables.set_shared_variable(
            actor=world.actor, variable_set=row, name=name, value="mail", is_secret=is_secret
        )
    shared_variables.use_sets(actor=world.actor, placement=world.placement, set_ids=[row.pk])


def written() -> bytes:
    file = io.BytesIO()
    backup.write(file)
    return file.getvalue()


def lines(packed: bytes) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]


def repacked(content: list[Any]) -> bytes:
    """The same lines under a checksum that fits them."""
    file = io.BytesIO()
    from deployments.backup.file import Writer

    out = Writer(file)
    for line in content[:-1]:
        out.line(line)
    out.end(content[-1]["rows"])
    return file.getvalue()


def rows(packed: bytes, leapt: int = 0) -> list[Any]:
    """What it holds, but for what differs by the day; with the numbers of releases as if they had leapt so far."""
    name, place, found = "", -1, []
    for line in lines(packed)[1:-1]:
        if isinstance(line, dict):
            name = line["table"]
            place = line["columns"].index("next_release") if name == Placement._meta.db_table else -1
        elif place >= 0:
            line[place] += leapt
        found.append(line)
    return found


def empty() -> None:
    """As after `migrate` on a new database."""
    with transaction.atomic(), connection.cursor() as cursor:
        rows: list[type[Model]] = [*tables.tables(), WorkerProcess]
        for model in rows:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")
        Installation.objects.create(name="a1234567")


def restored(packed: bytes) -> backup.Restored:
    return backup.restore(io.BytesIO(packed))


def refusal(packed: bytes) -> str:
    """Why it is refused; and that nothing of it is there."""
    with pytest.raises(backup.BackupRefused) as refused:
        restored(packed)
    assert Installation.objects.get().name == "a1234567"
    assert not User.objects.exists()
    return str(refused.value)


def test_every_column_has_a_form() -> None:
    kinds = tables._PLAIN | {"DateTimeField", "BinaryField"}
    for model in tables.tables():
        assert {column.get_internal_type() for column in tables.columns(model)} <= kinds, model


def test_all_comes_back_as_it_was() -> None:
    done = fill()
    name, before, head = Installation.objects.get().name, written(), audit.signed_head()
    empty()
    found = restored(before)
    assert rows(written()) == rows(before, leapt=load.LEAP)
    assert (found.installation, found.audit_head) == (name, str(head))
    assert found.audit_entries == AuditEntry.objects.count() > 0
    assert Installation.objects.get().created_at.isoformat()[:19] in str(lines(before)), "not stamped anew"
    sealed = SecretVersion.objects.get(name="GREETING").sealed
    assert open_sealed(sealed) == "naïve “quotes” \\ and\nlines"
    assert Deployment.objects.get(pk=done.pk).ended_at == done.ended_at


def test_life_goes_on_afterwards() -> None:
    done = fill()
    newest = Host.objects.order_by("-pk")[0].pk
    packed = written()
    empty()
    restored(packed)
    audit.record(ANA, "host.update", ("host", 1, "web-1"))
    assert audit.verify().ok
    # The row that is gone had the next number; and servers may know of more than the backup does
    assert factories.host().pk > newest + 1 + load.LEAP - 1
    assert factories.ran(factories.release(done.placement)).pk > done.pk + load.LEAP - 1


def test_no_number_of_a_release_is_given_twice() -> None:
    """Neither of an application that has been deployed, nor of one that was first deployed after the backup."""
    done = fill()
    other = factories.placement()
    before = {each.pk: each.next_release for each in Placement.objects.all()}
    assert before == {done.placement_id: 2, other.pk: 1}
    packed = written()
    empty()
    restored(packed)
    assert {each.pk: each.next_release for each in Placement.objects.all()} == {
        key: number + load.LEAP for key, number in before.items()
    }
    placement = Placement.objects.get(pk=done.placement_id)
    content = releases.content_now(placement)
    with transaction.atomic():
        made = releases.record_release(actor=ESTIVA, placement=placement, content=content)
    assert made.number == 2 + load.LEAP


def test_neither_keys_nor_plain_secrets_are_in_it(settings: LazySettings) -> None:
    fill()
    content = gzip.decompress(written()).decode()
    for name in (*tables.KEYS, "ESTIVA_SEALING_PRIVATE_KEY", "SECRET_KEY"):
        assert str(getattr(settings, name)) not in content
    assert "quotes" not in content


def test_a_database_in_use_is_left_alone() -> None:
    fill()
    packed = written()
    with pytest.raises(backup.BackupRefused, match="in use"):
        restored(packed)
    assert lines(written())[1:-1] == lines(packed)[1:-1]


def changed_row(content: list[Any]) -> bytes:
    raw = bytearray(gzip.decompress(repacked(content)))
    place = raw.index(b"Ana Prado")
    raw[place] = ord("U")
    return gzip.compress(bytes(raw))


def another_format(content: list[Any]) -> bytes:
    return repacked([{**content[0], "estiva_backup": 99}, *content[1:]])


def other_migrations(content: list[Any]) -> bytes:
    return repacked([{**content[0], "migrations": {"deployments": ["0001_people"]}}, *content[1:]])


def without_an_entry(content: list[Any]) -> bytes:
    """Made by somebody who knows the format, and not the audit's key."""
    name = AuditEntry._meta.db_table
    place = next(i for i, line in enumerate(content) if isinstance(line, dict) and line.get("table") == name)
    counts = {**content[-1]["rows"], name: content[-1]["rows"][name] - 1}
    return repacked([*content[: place + 1], *content[place + 2 : -1], {"rows": counts}])


def contradicting(content: list[Any]) -> bytes:
    """A row twice."""
    place = next(i for i, line in enumerate(content) if isinstance(line, list))
    return repacked([*content[: place + 1], *content[place:]])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (changed_row, "checksum"),
        (lambda content: repacked(content)[:-20], "can't be read"),
        (lambda content: gzip.compress(gzip.decompress(repacked(content)).rpartition(b'{"rows"')[0]), "cut short"),
        (lambda content: gzip.compress(b'{"hello": 1}\n'), "not a backup"),
        (lambda content: b"PGDMP", "can't be read"),
        (another_format, "format is 99"),
        (other_migrations, "0001_people"),
        (without_an_entry, "audit trail in the backup does not hold"),
        (contradicting, "contradict"),
    ],
)
def test_what_does_not_hold_is_refused_whole(spoil: Callable[[list[Any]], bytes], words: str) -> None:
    fill()
    packed = spoil(lines(written()))
    empty()
    assert words in refusal(packed)


@pytest.mark.parametrize("name", tables.KEYS)
def test_another_key_is_named(name: str, settings: LazySettings) -> None:
    fill()
    packed = written()
    empty()
    setattr(settings, name, "another")
    assert f"other keys: {name}." in refusal(packed)


def test_a_rotated_field_key_still_fits(settings: LazySettings) -> None:
    fill()
    packed = written()
    empty()
    settings.ESTIVA_FIELD_KEY = f"bmV3ZXIga2V5IHRoYW4gdGhlIGJhY2t1cCdzIG93bi4=,{settings.ESTIVA_FIELD_KEY}"
    assert restored(packed).audit_entries


def meanwhile() -> None:
    """Somebody acts, on a connection of their own."""

    def act() -> None:
        try:
            audit.record(ANA, "host.update", ("host", 1, "meanwhile"))
        finally:
            connections.close_all()

    other = threading.Thread(target=act)
    other.start()
    other.join()


def test_what_is_written_meanwhile_is_not_half_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    write_table, begun = dump._write_table, list[str]()

    def slowly(out: Any, model: Any) -> int:
        if not begun:
            meanwhile()
        begun.append(model._meta.label)
        return write_table(out, model)

    monkeypatch.setattr(dump, "_write_table", slowly)
    packed = written()
    assert AuditEntry.objects.filter(object_name="meanwhile").exists(), "the other was not kept waiting"
    before = AuditEntry.objects.count() - 1
    empty()
    assert restored(packed).audit_entries == before


def test_the_commands_write_a_file_for_its_owner_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill()
    file = tmp_path / "estiva.backup"
    call_command("backup", str(file))
    assert Tally.objects.get(name="backups").times == 1, "/metrics tells of it"
    assert (file.stat().st_mode & 0o777, [each.name for each in tmp_path.iterdir()]) == (0o600, ["estiva.backup"])
    assert "keys are not in it" in capsys.readouterr().err
    with pytest.raises(CommandError, match="there already"):
        call_command("backup", str(file))
    with pytest.raises(CommandError, match="in use"):
        call_command("restore", str(file))
    empty()
    call_command("restore", str(file))
    assert "none edited, missing or reordered" in capsys.readouterr().out
    with pytest.raises(CommandError, match="can't be read"):
        call_command("restore", str(tmp_path / "missing"))
