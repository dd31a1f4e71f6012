"""What the trial upgrades from, and what it says of the migrations that come."""

from __future__ import annotations

from pathlib import Path

import pytest

from parts import trial_revisions
from parts.processes import PartError, run
from parts.trial_revisions import MIGRATIONS

BEGIN = """
migrations.CreateModel(
    name="Ship", fields=[("id", models.BigAutoField(primary_key=True)), ("kind", models.CharField(choices=[("a", "A")], max_length=8))],
)"""
INDEX = 'migrations.AddIndex(model_name="ship", index=models.Index(fields=["kind"], name="ship_kind"))'
NULLABLE = 'migrations.AddField(model_name="ship", name="flag", field=models.JSONField(null=True))'


def tree(folder: Path, **files: str) -> Path:
    """A source tree with these migrations: each one's operations."""
    place = folder / MIGRATIONS
    place.mkdir(parents=True, exist_ok=True)
    for name, operations in files.items():
        text = f"from django.db import migrations, models\nclass Migration(migrations.Migration):\n    operations = [{operations}]\n"
        (place / f"{name.removeprefix('m')}.py").write_text(text)
    return folder


def test_what_an_upgrade_brings_is_told_with_what_hinders_in_it(tmp_path: Path) -> None:
    old = tree(tmp_path / "old", m0001_begin=BEGIN)
    new = tree(tmp_path / "new", m0001_begin=BEGIN, m0002_new=NULLABLE.replace("null=True", "default=dict"))
    assert trial_revisions.new_migrations(old, new) == ["0002_new"]
    (found,) = trial_revisions.hindrances(old, new)
    assert found.startswith("0002_new: AddField of ship.flag: it has to be given")


def test_what_comes_for_a_table_that_is_new_itself_hinders_nobody(tmp_path: Path) -> None:
    old = tree(tmp_path / "old", m0001_begin=BEGIN)
    crew = 'migrations.CreateModel(name="Crew", fields=[])'
    age = 'migrations.AddField(model_name="crew", name="age", field=models.IntegerField())'
    assert (
        trial_revisions.hindrances(old, tree(tmp_path / "new", m0001_begin=BEGIN, m0002_crew=crew, m0003_age=age)) == []
    )


def test_what_was_there_before_hinders_nobody(tmp_path: Path) -> None:
    same = {"m0001_begin": BEGIN, "m0002_flag": NULLABLE.replace("null=True", "default=dict")}
    assert trial_revisions.hindrances(tree(tmp_path / "old", **same), tree(tmp_path / "new", **same)) == []


def test_the_upgrade_begins_before_the_last_migration_that_changed_a_table(tmp_path: Path) -> None:
    def commit(said: str) -> str:
        git = ["git", "-C", str(tmp_path), "-c", "user.name=Ana", "-c", "user.email=ana@harbour.example"]
        run([*git, "add", "--all"])
        run([*git, "commit", "--quiet", "--allow-empty", "--message", said])
        return run([*git, "rev-parse", "HEAD"]).strip()

    run(["git", "init", "--quiet", str(tmp_path)])
    with pytest.raises(PartError):
        trial_revisions.upgraded_from(tmp_path)
    tree(tmp_path, m0001_begin=BEGIN)
    commit("Begin")
    wanted = commit("Change the program")
    tree(tmp_path, m0002_flag=NULLABLE)
    commit("Add a flag")
    commit("Change the program once more")
    tree(tmp_path, m0003_index=INDEX)
    commit("Index it")
    assert trial_revisions.upgraded_from(tmp_path) == wanted
