"""What in a migration keeps workers of the version before from going on with the new tables.

Workers are replaced one by one, so those of both versions are at work on the new tables for a while. A migration hinders the earlier ones
where what they write is refused then, what they read is gone, or a rule that they count on isn't kept. What can't be judged from its text
(data that is filled, SQL) hinders until its author says there why not. Only the text is read: the standard library is enough.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parts.migration_operations import Operation, Tables

MARK: Final = "EARLIER_WORKERS"
SPLIT: Final = f"""
Workers of the version before go on with these tables until the last of them is replaced (docs/operations.md, "Workers one by one"). So split the change:
- expand, now: a new column has null=True or db_default=... (default= is Django's alone); what is renamed or takes another form stands as a new column or table
  beside the old one; code writes both, and reads what is there. What is to go leaves only the models, in SeparateDatabaseAndState(state_operations=[...]),
  once its column may be left out (an AlterField that gives it null=True or db_default=...).
- contract, in a later version, when no worker of the version before knows the old form: NOT NULL, the rule, the removal.
A migration that is in no version yet may be made anew instead, together with those it belongs to.
Where it is the contraction, or is known to hinder nobody, the migration says why, by the words above:
{MARK} = {{"RemoveField of ship.kind": "Workers leave it alone since 0041."}}"""


@dataclass(frozen=True, slots=True)
class Hindrance:
    """`what` names the operation, as a mark does; `why` it hinders."""

    migration: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.migration}: {self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file's. `marks`: of which operations its author says why they hinder nobody."""

    name: str
    operations: Sequence[Operation]
    marks: Collection[str] = ()


def migrations(folder: Path) -> list[Migration]:
    """All that are in it, in their order."""
    return [_read(path) for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]


def hindrances(known: Sequence[Migration], new: Collection[str], *, marked: bool = False) -> list[Hindrance]:
    """Why processes that know all but the `new` ones can't work on the tables that all of them make; empty where they can.

    `marked`: with those of which a mark says why they can.
    """
    tables, found = Tables(), list[Hindrance]()
    for each in known:
        is_new = each.name in new
        for operation in each.operations:
            why = operation.hinders(tables) if is_new else ""
            if why and (marked or operation.what not in each.marks):
                found.append(Hindrance(each.name, operation.what, why))
            operation.learn(tables, is_new=is_new)
    return found


def one_by_one(known: Sequence[Migration]) -> dict[str, list[Hindrance]]:
    """Of each migration what hinders workers that know those before it: an upgrade may begin anywhere."""
    found = {each.name: hindrances(known[: at + 1], {each.name}) for at, each in enumerate(known)}
    return {name: said for name, said in found.items() if said}


def idle_marks(known: Sequence[Migration]) -> list[str]:
    """Marks of what isn't there, or wouldn't hinder anybody."""
    found = list[str]()
    for at, each in enumerate(known):
        needed = {said.what for said in hindrances(known[: at + 1], {each.name}, marked=True)} if each.marks else set()
        found += [f"{each.name}: {mark}" for mark in each.marks if mark not in needed]
    return found


def _read(path: Path) -> Migration:
    module = ast.parse(path.read_text(), filename=str(path))
    marks = next((value for name, value in _assigned(module.body) if name == MARK), None)
    said = {} if marks is None else ast.literal_eval(marks)
    bodies = [each.body for each in module.body if isinstance(each, ast.ClassDef) and each.name == "Migration"]
    listed = [value for body in bodies for name, value in _assigned(body) if name == "operations"]
    operations = [each for value in listed for each in Operation.listed(value)]
    return Migration(path.stem, operations, [what for what, why in said.items() if str(why).strip()])


def _assigned(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Names that are given a value there, or more of one."""
    for each in body:
        targets = each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)]
        value = getattr(each, "value", None)
        if value is not None:
            yield from ((name.id, value) for name in targets if isinstance(name, ast.Name))
