"""Workers are replaced one by one: no migration may keep those of the version before from going on with the new tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from parts import hindrances
from parts.environment import ROOT
from parts.hindrances import Migration, migrations

OURS: Final = ROOT / "deployments" / "migrations"

# They hinder, and stay as they are: they were made before anything was released, and tables have been made with them. An upgrade from
# before one of them ends the earlier workers first, as `bin/trial --migrations` says. Nothing is added here: a new migration is split.
BEFORE_ANY_RELEASE: Final = frozenset(
    {
        "0010_first_rows",
        "0011_cache",
        "0013_sources",
        "0014_builds",
        "0016_automatic_plans",
        "0018_waves",
        "0022_drained_servers",
        "0024_key_rotation",
        "0025_shared_variables",
        "0027_access_tokens",
        "0028_terminals",
        "0029_adopted_and_ignored",
        "0030_engines_beside_workers",
        "0031_service_of_a_run",
    }
)

SHIP = """
migrations.CreateModel(
    name="Ship",
    fields=[
        ("id", models.BigAutoField(primary_key=True)),
        ("kind", models.CharField(choices=[("a", "A")], max_length=8)),
        ("port", models.CharField(max_length=8, null=True)),
        ("tons", models.IntegerField(db_default=0)),
    ],
)"""
CREW = 'migrations.CreateModel("Crew", [("age", models.IntegerField())])'


def added(field: str) -> str:
    return f'migrations.AddField(model_name="ship", name="flag", field=models.{field})'


def altered(name: str, field: str) -> str:
    return f'migrations.AlterField(model_name="ship", name="{name}", field=models.{field})'


def apart(*, database: str = "", state: str = "") -> str:
    return f"migrations.SeparateDatabaseAndState([{database}], state_operations=[{state}])"


def written(folder: Path, *operations: str, before: str = "") -> list[Migration]:
    """What is read of migrations with these operations, the first of which makes the ship; `before`: the class of the last."""
    for number, each in enumerate((SHIP, *operations), start=1):
        listed = each if each.startswith("[") else f"[{each}]"
        text = f"{before}\nclass Migration(migrations.Migration):\n    operations = {listed}\n"
        (folder / f"{number:04}_step.py").write_text(text)
    return migrations(folder)


GONE = "reads and writes it as it was"
GIVEN = "it has to be given, and the earlier version doesn't"
REMOVED = 'migrations.RemoveField(model_name="ship", name="kind")'


def test_workers_of_the_version_before_can_go_on_with_every_migration() -> None:
    found = hindrances.one_by_one(migrations(OURS))
    new = [str(each) for name, several in found.items() if name not in BEFORE_ANY_RELEASE for each in several]
    assert not new, "\n".join([*new, hindrances.SPLIT])


def test_each_exception_is_one() -> None:
    assert found_names() >= BEFORE_ANY_RELEASE
    assert hindrances.idle_marks(migrations(OURS)) == []


def found_names() -> set[str]:
    return set(hindrances.one_by_one(migrations(OURS)))


@pytest.mark.parametrize(
    "operation",
    [
        'migrations.AddIndex(model_name="ship", index=models.Index(fields=["kind"], name="ship_kind"))',
        'migrations.RemoveIndex(model_name="ship", name="ship_kind")',
        'migrations.AlterModelOptions(name="ship", options={"ordering": ("id",)})',
        CREW,
        CREW + ', migrations.AddConstraint("crew", models.UniqueConstraint(fields=("age",), name="one_age_each"))',
        CREW + ', migrations.AddField("crew", "name", models.TextField()), migrations.DeleteModel("Crew")',
        added("JSONField(null=True)"),
        added("JSONField(default=dict, db_default={})"),
        added("CharField(max_length=8, null=True, unique=True)"),
        added('ManyToManyField(to="deployments.crew")'),
        added('OneToOneField(null=True, on_delete=models.PROTECT, to="deployments.crew")'),
        'migrations.AddField("ship", "flag", models.JSONField(null=True))',
        altered("kind", 'CharField(choices=[("b", "B")], max_length=8, blank=True)'),
        altered("kind", "CharField(max_length=16)"),
        altered("kind", 'CharField(max_length=8, db_default="a")'),
        altered("tons", "IntegerField(db_default=1)"),
        apart(state=REMOVED),
        apart(database=added("JSONField(null=True)")),
    ],
)
def test_what_hinders_nobody(tmp_path: Path, operation: str) -> None:
    assert hindrances.one_by_one(written(tmp_path, operation)) == {}


@pytest.mark.parametrize(
    ("operation", "what", "why"),
    [
        (added("JSONField(default=dict)"), "AddField of ship.flag", GIVEN),
        (added("JSONField()"), "AddField of ship.flag", GIVEN),
        (added("JSONField(null=False)"), "AddField of ship.flag", GIVEN),
        (added('CharField(max_length=8, db_default="", unique=True)'), "AddField of ship.flag", GIVEN),
        (added('OneToOneField(db_default=1, to="deployments.crew")'), "AddField of ship.flag", GIVEN),
        ('migrations.AddField("ship", "flag", models.TextField())', "AddField of ship.flag", GIVEN),
        ('AddField("ship", "flag", TextField())', "AddField of ship.flag", GIVEN),
        (altered("port", "CharField(max_length=8)"), "AlterField of ship.port", "it has to be given from now on"),
        (altered("kind", "CharField(max_length=4)"), "AlterField of ship.kind", "takes no more"),
        (altered("kind", "CharField(max_length=8, unique=True)"), "AlterField of ship.kind", "takes no more"),
        (altered("kind", "CharField(max_length=8, null=True)"), "AlterField of ship.kind", "doesn't expect"),
        (altered("kind", "IntegerField()"), "AlterField of ship.kind", "takes no more"),
        (altered("tons", "IntegerField()"), "AlterField of ship.tons", "takes no more"),
        (REMOVED, "RemoveField of ship.kind", GONE),
        ('migrations.RemoveField("ship", "kind")', "RemoveField of ship.kind", GONE),
        (apart(database=REMOVED), "RemoveField of ship.kind", GONE),
        ('migrations.RenameField("ship", "kind", "sort")', "RenameField of ship.kind", GONE),
        ('migrations.RenameModel(old_name="Ship", new_name="Boat")', "RenameModel of ship", GONE),
        ('migrations.DeleteModel(name="Ship")', "DeleteModel of ship", GONE),
        ('migrations.AlterModelTable("ship", "boats")', "AlterModelTable of ship", GONE),
        (
            'migrations.AddConstraint(model_name="ship", constraint=models.UniqueConstraint(fields=("kind",), name="one_each"))',
            "AddConstraint of ship.one_each",
            "doesn't keep that rule",
        ),
        ('migrations.AlterUniqueTogether("ship", {("kind", "port")})', "AlterUniqueTogether of ship", "keep that rule"),
        ('migrations.RemoveConstraint("ship", "one_each")', "RemoveConstraint of ship.one_each", "may count on"),
        ("migrations.RunPython(fill, back)", "RunPython of fill", "for its author to say"),
        ("migrations.RunSQL('DROP TABLE ship')", "RunSQL of 'DROP TABLE ship'", "for its author to say"),
        ("migrations.SomethingNew()", "SomethingNew of ", "isn't known"),
        ("*made_by_a_program()", "*made_by_a_program()", "isn't known"),
        ("[] + made_by_a_program()", "[] + made_by_a_program()", "isn't known"),
    ],
)
def test_what_hinders_is_named_until_a_mark_says_why_not(tmp_path: Path, operation: str, what: str, why: str) -> None:
    (found,) = hindrances.one_by_one(written(tmp_path, operation))["0002_step"]
    assert (found.what, found.migration) == (what, "0002_step")
    assert why in found.why
    said = f"{hindrances.MARK} = {{{what!r}: 'Nobody has looked at it since 0001.'}}"
    assert hindrances.one_by_one(written(tmp_path, operation, before=said)) == {}


def test_a_mark_without_a_reason_is_none(tmp_path: Path) -> None:
    known = written(tmp_path, REMOVED, before=f"{hindrances.MARK} = {{'RemoveField of ship.kind': ' '}}")
    assert [*hindrances.one_by_one(known)] == ["0002_step"]


def test_a_mark_of_what_hinders_nobody_is_named(tmp_path: Path) -> None:
    known = written(tmp_path, before=f"{hindrances.MARK} = {{'RunPython of fill': 'It fills what is new.'}}")
    assert hindrances.idle_marks(known) == ["0001_step: RunPython of fill"]


def test_a_table_is_new_only_to_those_who_come_from_before_it(tmp_path: Path) -> None:
    known = written(tmp_path, CREW, 'migrations.AddField("crew", "name", models.TextField())')
    assert hindrances.hindrances(known, {"0002_step", "0003_step"}) == []
    assert [*hindrances.one_by_one(known)] == ["0003_step"]


def test_the_way_of_a_column_out_of_the_tables(tmp_path: Path) -> None:
    """As the message says it: only its last part, in a later version, needs a word of its author."""
    known = written(
        tmp_path,
        altered("kind", 'CharField(max_length=8, db_default="")'),
        apart(state=REMOVED),
        apart(database=REMOVED),
    )
    assert [*hindrances.one_by_one(known)] == ["0004_step"]
