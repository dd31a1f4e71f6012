"""The data sets that `bin/bench pages` keeps: whose making they are, and that one benchmark at a time stands on one."""

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from parts.environment import ROOT
from parts.part import end_remembered, remembered
from parts.processes import PartError, descendants, kill_all

KEPT: Final = ROOT / "var" / "bench-pages"
SOURCES: Final = ("load", "world", "history", "beside", "health", "copy")
"""Of `bench.pages_…`: what a data set is made by, its seed among it. What the tables look like follows migrations, on anybody's data."""


def folder_of(name: str) -> Path:
    """Where the data set of this name lies."""
    folder = KEPT / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold it for ourselves; the server that a run left there when it was killed is ended first."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PartError(f"Another benchmark stands on the data set in {folder}: wait for it.") from error
        below = [each for pid in remembered(folder) for each in descendants(pid)]
        end_remembered(folder)
        kill_all(below)  # they would go by themselves, but a moment after the next server asks for their memory
        yield


def made_by(sources: Sequence[Path] = ()) -> str:
    """What tells the makers of a data set from later ones: a digest of their text."""
    digest = hashlib.sha256()
    for path in sources or [Path(__file__).with_name(f"pages_{name}.py") for name in SOURCES]:
        digest.update(f"{path.name}\0{path.read_text()}\0".encode())
    return digest.hexdigest()


def counts(folder: Path, maker: str) -> dict[str, float] | None:
    """What lies in it by table; None where it isn't whole, or has another maker: then it has to be made anew."""
    file = folder / "counts.json"
    told = json.loads(file.read_text()) if file.exists() else {}
    return dict(told["counts"]) if told.get("made_by") == maker else None


def keep(folder: Path, maker: str, counted: Mapping[str, float]) -> None:
    """It is whole."""
    (folder / "counts.json").write_text(json.dumps({"made_by": maker, "counts": dict(counted)}))


def begin(folder: Path) -> None:
    """It is about to be made: until it is whole again, nobody may take it for one."""
    (folder / "counts.json").unlink(missing_ok=True)
