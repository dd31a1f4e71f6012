"""The audit trail: what was tampered with shows, and an export carries what is stored."""

import csv
import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import QuerySet

from deployments import audit
from deployments.actors import ESTIVA, Actor, unknown
from deployments.errors import Refused
from deployments.inventory import applications
from deployments.models import AuditEntry, AuditHead, Environment
from tests.deployments.world import make_world

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

ANA = Actor(7, "Ana Prado", "203.0.113.7")


def write(count: int) -> None:
    for number in range(1, count + 1):
        audit.record(ANA, "host.update", ("host", number, f"web-{number}"), before={"port": 22}, after={"port": number})


def problems() -> str:
    found = audit.verify()
    assert not found.ok
    return " ".join(found.problems)


def test_an_untouched_trail_holds() -> None:
    write(5)

    found = audit.verify()

    assert (found.ok, found.problems, found.number, found.head.number) == (True, (), 5, 5)
    assert [entry.number for entry in AuditEntry.objects.order_by("number")] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("moment", ["before the walk", "after the walk"])
def test_entries_written_meanwhile_are_no_alarm(before: int, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(before)
    walk = QuerySet.iterator

    def interrupted(rows: QuerySet[AuditEntry], chunk_size: int | None = None) -> Iterator[AuditEntry]:
        if moment == "before the walk":
            write(2)
        yield from list(walk(rows, chunk_size=chunk_size))
        if moment == "after the walk":
            write(2)

    monkeypatch.setattr(QuerySet, "iterator", interrupted)

    found = audit.verify()

    assert (found.ok, found.problems) == (True, ())
    assert found.head.number == before, "the head that was compared"


def test_an_empty_trail_holds() -> None:
    assert audit.verify().ok


@pytest.mark.parametrize(
    "change",
    [
        {"actor_name": "Bruno Lima"},
        {"action": "host.retire"},
        {"outcome": "denied"},
        {"message": "nothing"},
        {"after": {"port": 23}},
        {"before": {}},
        {"object_name": "web-9"},
        {"address": ""},
        {"actor_id": None},
    ],
)
def test_an_edited_entry_shows(change: dict[str, object]) -> None:
    write(3)
    AuditEntry.objects.filter(number=2).update(**change)

    assert problems() == "Entry 2 was changed after it was written."


def test_a_changed_time_shows() -> None:
    write(3)
    first = AuditEntry.objects.get(number=1)
    AuditEntry.objects.filter(number=2).update(at=first.at.replace(year=2020))

    assert "Entry 2 was changed" in problems()


def test_a_removed_entry_shows() -> None:
    write(5)
    AuditEntry.objects.filter(number__in=(2, 3)).delete()

    assert problems() == "Entries 2 to 3 are missing."


def test_the_first_removed_shows() -> None:
    write(3)
    AuditEntry.objects.filter(number=1).delete()

    assert "Entries 1 to 1 are missing." in problems()


def test_the_newest_removed_shows() -> None:
    write(5)
    AuditEntry.objects.filter(number__gte=4).delete()

    assert problems() == "The newest entries, 4 to 5, are missing."


def test_reordered_entries_show() -> None:
    write(4)
    second, third = AuditEntry.objects.get(number=2), AuditEntry.objects.get(number=3)
    AuditEntry.objects.filter(pk=second.pk).update(number=99)
    AuditEntry.objects.filter(pk=third.pk).update(number=2)
    AuditEntry.objects.filter(pk=second.pk).update(number=3)

    assert "Entry 2 was changed" in problems()
    assert "Entry 2 does not follow" in problems()


def test_a_closed_gap_shows() -> None:
    """Whoever renumbers what follows has no key to sign it again."""
    write(3)
    AuditEntry.objects.filter(number=2).delete()
    AuditEntry.objects.filter(number=3).update(number=2)
    AuditHead.objects.update(number=2)

    assert "Entry 2" in problems()
    assert "head" in problems()


def test_an_added_entry_shows() -> None:
    write(2)
    forged = AuditEntry.objects.get(number=2)
    forged.pk, forged.number, forged.previous_mac = None, 3, forged.mac
    forged.save(force_insert=True)

    assert "Entry 3 was changed" in problems()
    assert "not covered by the chain's head" in problems()


def test_a_head_put_back_shows_beside_a_noted_one() -> None:
    """The head of yesterday was signed too, so only one noted elsewhere tells."""
    write(3)
    earlier = AuditHead.objects.get()
    write(2)
    noted = str(audit.signed_head())
    AuditEntry.objects.filter(number__gt=3).delete()
    AuditHead.objects.update(number=3, mac=earlier.mac, head_mac=earlier.head_mac)

    assert audit.verify().ok, "from within, this is yesterday"
    found = audit.verify(noted)
    assert found.problems == ("Entry 5, which the noted head names, is missing.",)


def test_a_noted_head_holds_as_the_trail_goes_on() -> None:
    write(2)
    noted = str(audit.signed_head())
    write(2)

    assert audit.verify(noted).ok


@pytest.mark.parametrize("noted", ["2:abc:def", "nonsense", "2:::"])
def test_a_forged_note_is_no_proof(noted: str) -> None:
    write(2)

    assert not audit.verify(noted).ok


def test_a_head_that_was_removed_stops_the_writing() -> None:
    write(2)
    AuditHead.objects.all().delete()

    assert problems() == "The chain's head is missing."
    with pytest.raises(audit.AuditBroken):
        write(1)


def test_a_forged_head_is_not_built_upon() -> None:
    """Else the next entry would sign the removal of the newest ones."""
    write(5)
    third = AuditEntry.objects.get(number=3)
    AuditEntry.objects.filter(number__gt=3).delete()
    AuditHead.objects.update(number=3, mac=third.mac)

    with pytest.raises(audit.AuditBroken, match="not signed"), transaction.atomic():
        write(1)

    assert AuditEntry.objects.count() == 3
    assert problems() == "The chain's head was changed."


def test_an_emptied_head_is_not_built_upon() -> None:
    write(2)
    AuditEntry.objects.filter(number=1).delete()
    AuditHead.objects.update(number=0, mac="", head_mac="")

    with pytest.raises(audit.AuditBroken, match="missing"):
        write(1)


def test_with_a_mistyped_key_nothing_is_done(settings: LazySettings) -> None:
    world = make_world()
    settings.ESTIVA_AUDIT_KEY = settings.ESTIVA_AUDIT_KEY + "x"

    with pytest.raises(Refused, match="ESTIVA_AUDIT_KEY"):
        applications.create_environment(actor=world.actor, name="testing")

    assert not Environment.objects.filter(name="testing").exists()


def test_an_entry_goes_with_what_it_tells() -> None:
    class _Abandoned(Exception):
        pass

    def abandon() -> None:
        with transaction.atomic():
            write(1)
            raise _Abandoned

    with pytest.raises(_Abandoned):
        abandon()

    assert not AuditEntry.objects.exists()
    write(1)
    assert audit.verify().ok


def test_odd_values_are_stored_as_they_verify() -> None:
    odd = {"float": 1e20, "nul": "a\x00b", "half": "\ud800", "nested": [{"ü": None}, True, 2], "set": {"x"}}
    audit.record(unknown("\x00mallory", "::1"), "session.failed", None, after=odd, message="ナ\x00")

    entry = AuditEntry.objects.get()
    assert entry.after["nul"] == "a\ufffdb"
    assert audit.verify().ok


def test_a_denied_attempt_is_an_entry() -> None:
    audit.denied(ANA, "host.retire", ("host", 1, "web-1"), "Only admins may.")

    entry = AuditEntry.objects.get()
    assert (entry.outcome, entry.message, entry.actor_id) == (AuditEntry.Outcome.DENIED, "Only admins may.", 7)


def test_csv_is_read_back_and_runs_nowhere() -> None:
    audit.record(ESTIVA, "host.update", ("host", 1, '=HYPERLINK("x")'), message='one, "two"\nthree')

    rows = list(csv.DictReader(StringIO("".join(audit.csv_rows(AuditEntry.objects.all())))))

    assert rows[0]["object_name"] == '\'=HYPERLINK("x")'
    assert rows[0]["message"] == 'one, "two"\nthree'


def test_ndjson_is_one_entry_a_line_newest_first() -> None:
    write(3)

    lines = [json.loads(line) for line in audit.ndjson_rows(AuditEntry.objects.all())]

    assert [line["number"] for line in lines] == [3, 2, 1]
    assert lines[1]["after"] == {"port": 2}
    assert lines[1]["mac"] == lines[0]["previous_mac"]


def test_the_command_says_whether_it_holds() -> None:
    write(2)
    said = StringIO()
    call_command("audit", "head", stdout=said)
    noted = said.getvalue().strip()
    call_command("audit", "verify", "--noted", noted, stdout=said)
    assert "2 entries" in said.getvalue()

    AuditEntry.objects.filter(number=2).delete()
    with pytest.raises(CommandError):
        call_command("audit", "verify", stdout=said, stderr=StringIO())


def test_no_secret_reaches_the_trail() -> None:
    make_world()

    text = "".join(audit.ndjson_rows(AuditEntry.objects.all()))

    assert "PRIVATE KEY" not in text
    assert "host.register" in text


def test_a_long_trail_is_walked_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_AT_ONCE", 2)
    for number in range(5):
        audit.record(ANA, "host.update", ("host", number, "web-1"))
    assert (audit.verify().ok, audit.verify().number) == (True, 5)
    AuditEntry.objects.filter(number=4).delete()
    assert not audit.verify().ok
