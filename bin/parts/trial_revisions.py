"""What the trial is asked for, what it upgrades from, and whether workers of that version may live beside the new ones.

The standard library and git are enough for all of it.
"""

from __future__ import annotations

import argparse
import re
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from parts import hindrances as judge
from parts.environment import ROOT
from parts.processes import PartError, run

DESCRIPTION = "Bring docker-compose.yml up for real and go through a life with it; takes about twenty minutes."
ROLLED, LIFE, UNITS = "rolled", "life", "units"
PARTS = (ROLLED, LIFE, UNITS)
MIGRATIONS: Final = "deployments/migrations"
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
    before, after = ({path.stem for path in (tree / MIGRATIONS).glob("[!_]*.py")} for tree in (old, new))
    return sorted(after - before)


def hindrances(old: Path, new: Path) -> list[str]:
    """Why processes of the earlier version can't work on the new one's tables; empty where they can."""
    known = judge.migrations(new / MIGRATIONS)
    return [str(each) for each in judge.hindrances(known, new_migrations(old, new))]
