"""What the trial is asked for, what it upgrades from, and whether workers of that version may live beside the new ones.

A migration that the earlier version's processes can't live with is one after which what they write is refused (a new column that has to be
given a value), or what they read is gone. The standard library and git are enough for all of it.
"""

from __future__ import annotations

import argparse
import ast
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from parts.environment import ROOT
from parts.processes import PartError, run

DESCRIPTION = "Bring docker-compose.yml up for real and go through a life with it; takes about twenty minutes."
ROLLED, LIFE, UNITS = "rolled", "life", "units"
PARTS = (ROLLED, LIFE, UNITS)
MIGRATIONS: Final = "deployments/migrations"
# What changes nothing that an earlier version reads or writes; data is filled by what was written for it
_HARMLESS: Final = frozenset(
    {"CreateModel", "AddIndex", "RemoveIndex", "RenameIndex", "RemoveConstraint", "RunPython", "AlterModelOptions"}
)
_SAID_ONLY: Final = frozenset({"choices", "verbose_name", "help_text", "default"})  # of a field: no database knows them
_TABLES: Final = re.compile(r"migrations\.(?:CreateModel|DeleteModel|RenameModel|AddField|RemoveField|RenameField)\b")


def options(words: list[str]) -> argparse.Namespace:
    """What the command line says: `before`, `only`, `migrations`."""
    parser = argparse.ArgumentParser(prog="bin/trial", description=DESCRIPTION)
    parser.add_argument(
        "--from",
        dest="before",
        metavar="REVISION",
        help="what is upgraded from (default: the newest commit before the last migration that changed a table)",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        help="workers replaced one by one; a production's life with an upgrade at once, a backup and a restore; the units",
    )
    parser.add_argument(
        "--migrations",
        action="store_true",
        help="say which migrations come, and whether workers of the earlier version may go on meanwhile; start nothing",
    )
    return parser.parse_args(words)


def tell(before: str | None) -> int:
    """Say which migrations come after a revision, and what of them keeps its workers from going on; 1 where something does."""
    before = before or upgraded_from()
    with tempfile.TemporaryDirectory(prefix="estiva-migrations-") as folder:
        old, new = tree(Path(folder, "old"), before, MIGRATIONS), tree(Path(folder, "new"), "HEAD", MIGRATIONS)
        names, found = new_migrations(old, new), hindrances(old, new)
    print(f"From {commit(before)} to {commit('HEAD')}: {', '.join(names) or 'no migration'}.")
    for each in found:
        print(f"- {each}")
    print(
        f"Workers of the earlier version {'must end first' if found else 'may go on while they are replaced one by one'}."
    )
    return 1 if found else 0


def tree(place: Path, revision: str, *below: str) -> Path:
    """The source (all of it, or these folders) as it was committed then, in a new folder."""
    place.mkdir()
    packed = place.with_suffix(".tar")
    try:
        _git(ROOT, "archive", f"--output={packed}", revision, *below)
    except PartError as error:
        raise PartError(f"git has no revision {revision} here; name another with --from. {error}") from error
    with tarfile.open(packed) as tar:
        tar.extractall(place, filter="data")
    packed.unlink()
    return place


def commit(revision: str) -> str:
    """Its short name."""
    return _git(ROOT, "rev-parse", "--short", revision).strip()


def changes_tables(text: str) -> bool:
    """Whether this migration adds or removes what rows hold, rather than how they are found."""
    return _TABLES.search(text) is not None


def upgraded_from(root: Path = ROOT) -> str:
    """The newest commit before the last one that brought a migration of tables: an upgrade from it has new code, and something to migrate."""
    log = _git(root, "log", "--diff-filter=A", "--name-only", "--format=commit %H", "--", MIGRATIONS)
    for made, names in _added(log):
        if any(changes_tables(_git(root, "show", f"{made}:{name}")) for name in names):
            return _git(root, "rev-parse", f"{made}~1").strip()
    raise PartError("git knows of no migration here; name what is to be upgraded from with --from.")


def _added(log: str) -> Iterator[tuple[str, list[str]]]:
    """Each commit, newest first, with the files that it added."""
    for said in log.split("commit ")[1:]:
        made, *names = said.split()
        yield made, [name for name in names if name.endswith(".py")]


def _git(root: Path, *words: str) -> str:
    return run(["git", "-C", str(root), *words])


def new_migrations(old: Path, new: Path) -> list[str]:
    """The names of those that only the new source tree has, in their order."""
    before, after = ({path.stem for path in (tree / MIGRATIONS).glob("0*.py")} for tree in (old, new))
    return sorted(after - before)


def hindrances(old: Path, new: Path) -> list[str]:
    """Why processes of the earlier version can't work on the new one's tables; empty where they can."""
    names, fields = new_migrations(old, new), dict[tuple[str, str], str]()
    made, found = set[str](), list[str]()  # models that only the new version knows
    for path in sorted((new / MIGRATIONS).glob("0*.py")):
        for operation in _operations(path):
            if path.stem in names:
                if operation.kind == "CreateModel":
                    made.add(operation.model)
                elif operation.model not in made and (said := operation.hinders(fields)):
                    found.append(f"{path.stem}: {said}")
            operation.learn(fields)
    return found


class _Operation:
    """One of a migration's."""

    def __init__(self, call: ast.Call) -> None:
        self.kind = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        self._given = {each.arg: each.value for each in call.keywords if each.arg}
        self.model = (self._text("model_name") or self._text("name")).lower()

    def _text(self, name: str) -> str:
        value = self._given.get(name)
        return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""

    def learn(self, fields: dict[tuple[str, str], str]) -> None:
        """Remember what a database knows of each field."""
        if self.kind == "CreateModel" and isinstance(listed := self._given.get("fields"), ast.List):
            for each in listed.elts:
                if isinstance(each, ast.Tuple) and isinstance(each.elts[0], ast.Constant):
                    fields[(self.model, str(each.elts[0].value))] = _in_database(each.elts[1])
        elif self.kind in ("AddField", "AlterField") and (field := self._given.get("field")) is not None:
            fields[(self.model, self._text("name"))] = _in_database(field)

    def hinders(self, fields: Mapping[tuple[str, str], str]) -> str:
        """What of it the earlier version can't live with."""
        if self.kind in _HARMLESS:
            return ""
        name, field = self._text("name"), self._given.get("field")
        if self.kind == "AddField" and isinstance(field, ast.Call):
            return (
                ""
                if _may_be_left_out(field)
                else f"{self.model}.{name} has to be given, and the earlier version doesn't"
            )
        if self.kind == "AlterField" and field is not None and fields.get((self.model, name)) == _in_database(field):
            return ""
        return f"{self.kind} of {self.model}{f'.{name}' if 'model_name' in self._given else ''}"


def _operations(path: Path) -> Iterator[_Operation]:
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.Assign) and any(getattr(each, "id", "") == "operations" for each in node.targets):
            listed = node.value.elts if isinstance(node.value, ast.List) else []
            yield from (_Operation(each) for each in listed if isinstance(each, ast.Call))


def _may_be_left_out(field: ast.Call) -> bool:
    """Whether a row may be written without it: Django's own `default` is for Django alone."""
    kind = field.func.attr if isinstance(field.func, ast.Attribute) else ""
    given = {each.arg: each.value for each in field.keywords}
    null = given.get("null")
    return kind == "ManyToManyField" or "db_default" in given or (isinstance(null, ast.Constant) and null.value is True)


def _in_database(field: ast.expr) -> str:
    """A field without what only people and Django are told."""
    if not isinstance(field, ast.Call):
        return ast.dump(field)
    kept = [ast.dump(each) for each in field.keywords if each.arg not in _SAID_ONLY]
    return f"{ast.dump(field.func)} {[ast.dump(each) for each in field.args]} {sorted(kept)}"
