"""The mirror's files: what git says about commits and trees that are already here. No network, no locks."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from worker.sources import environment, explain
from worker.sources.blobs import Blobs
from worker.sources.errors import Damaged, GitRefused
from worker.sources.processes import Program, TooLong, TooMuch, end_orphans, run
from worker.sources.shapes import Commit, Entry, EntryKind, GitLimits, Interrupt

_KINDS: dict[str, EntryKind] = {"100644": "file", "100755": "file", "100664": "file", "120000": "link", "040000": "folder", "160000": "submodule"}  # fmt: skip
_LEFTOVERS = (
    "*.lock",
    "refs/**/*.lock",
    "objects/pack/tmp_*",
    "objects/??/tmp_*",
    "objects/tmp_*",
    "objects/incoming-*",
)


class Repo:
    """A bare repository at `folder`/repo.git. Calls raise Damaged where its files don't hold together."""

    def __init__(self, url: str, folder: Path, limits: GitLimits, interrupt: Interrupt) -> None:
        self.url = url
        self.path = folder / "repo.git"
        self.limits = limits
        self._home = folder / "home"
        self._interrupt = interrupt

    def make(self) -> None:
        """Create it if it isn't there. Only under the fetch lock."""
        self._home.mkdir(exist_ok=True)
        if not self.exists():
            self.throw_away()
            with tempfile.TemporaryDirectory(prefix="new-", dir=self.path.parent) as new:
                self._git("init", "--quiet", "--bare", "--template=", "--object-format=sha1", new, inside=False)
                Path(new).rename(self.path)  # whole or not at all: others look whether it's there
                Path(new).mkdir()
        self.clear_leftovers()

    def clear_leftovers(self) -> None:
        """Remove what a killed git left half done, and end one that a killed worker left running. Only under the fetch lock."""
        end_orphans([f"--git-dir={self.path}", "fetch"])
        for pattern in _LEFTOVERS:
            for left in self.path.glob(pattern):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)

    def exists(self) -> bool:
        """It was made and not thrown away since."""
        return (self.path / "HEAD").exists()

    def throw_away(self) -> None:
        """Remove it; the next fetch begins anew."""
        if self.path.exists():
            doomed = Path(tempfile.mkdtemp(prefix="doomed-", dir=self.path.parent))
            self.path.rename(doomed / "repo.git")
            shutil.rmtree(doomed)

    def size(self) -> int:
        """Bytes of its packs, those included that are just arriving."""
        total = 0
        for path in (self.path / "objects" / "pack").glob("*"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:  # a temporary pack got its final name meanwhile
                continue
        return total

    def has(self, commit: str) -> bool:
        """The commit and its root folder are here."""
        return self.exists() and self.commit_of(commit) == commit and bool(self._rev_parse(f"{commit}^{{tree}}"))

    def commit_of(self, name: str) -> str:
        """The commit that a local ref or part of a commit's name stands for; "" if none, or more than one."""
        return self._rev_parse(f"{name}^{{commit}}")

    def shallow(self) -> set[str]:
        """The commits whose parents were left at the server."""
        try:
            return set((self.path / "shallow").read_text().split())
        except FileNotFoundError:
            return set()

    def log(self, commit: str, since: str | None, limit: int) -> list[Commit]:
        """Commits from this one back, newest first, without those that `since` has too."""
        form = "--format=%H%n%an%n%cI%n%s"
        without = [f"^{since}"] if since else []
        listed = self._git("log", "-z", "--no-decorate", "--encoding=UTF-8", f"--max-count={limit}", form, commit, *without, "--")  # fmt: skip
        return [_commit(each) for each in listed.decode(errors="replace").split("\0") if each.strip()]

    def time_of(self, commit: str) -> int:
        """When it was committed, in Unix seconds; 0 for what lies before that time began."""
        return max(0, int(self._git("log", "-1", "--format=%ct", commit, "--").decode().strip() or 0))

    def entry(self, tree: str, path: str) -> Entry | None:
        """What is at this path, each part of it a real folder; None if nothing. "" is the tree itself."""
        found = Entry("", "folder", self._rev_parse(f"{tree}^{{tree}}"))
        if not found.object_id:
            raise Damaged(f"The worker's copy of {self.url} is damaged.", why=f"{tree} has no root folder.")
        parts = [part for part in path.split("/") if part]
        for number, part in enumerate(parts, 1):
            if found.kind != "folder":
                return None
            here = {each.path: each for each in self.tree(found.object_id, whole=False)}
            if part not in here:
                return None
            found = _renamed(here[part], "/".join(parts[:number]))
        return found

    def tree(self, tree: str, *, whole: bool = True) -> list[Entry]:
        """Everything in a folder; with `whole` in the folders below too, these included, with paths from there."""
        deep = ["-r", "-t"] if whole else []
        try:
            listed = self._git("ls-tree", "-z", "-l", "--full-tree", *deep, tree)
        except TooMuch as error:
            raise self.too_many() from error
        entries = [_entry(each) for each in listed.split(b"\0") if each]
        if len(entries) > self.limits.entries:
            raise self.too_many()
        return entries

    def too_many(self) -> GitRefused:
        """The tree has more files than are ever sent."""
        return GitRefused(
            "too_large",
            f"{self.url} has more than {self.limits.entries} files.",
            remedy="Name a subdirectory to build from, or take generated files out of the repository.",
        )

    @contextmanager
    def blobs(self, object_ids: Sequence[str]) -> Iterator[Blobs]:
        """The contents of these objects, one after the other, from one git."""
        with tempfile.TemporaryFile() as asked:
            asked.write("".join(f"{each}\n" for each in object_ids).encode())
            asked.seek(0)
            words = [environment.git_program(), f"--git-dir={self.path}", "cat-file", "--batch", "--buffer"]
            with Program(words, environment.local(self._home), self._home, send=asked) as program:
                yield Blobs(program, self.url, self._interrupt, self.limits.read_seconds)

    def blob(self, object_id: str) -> bytes:
        """One object's content; for small ones."""
        with self.blobs([object_id]) as blobs:
            return b"".join(blobs.next(object_id))

    def settings_of(self, object_id: str, name: str = ".gitmodules") -> list[tuple[str, str]]:
        """A blob read as a git configuration file (`name` is for messages), as (name, value)."""
        code, output, errors = self._try("config", "-z", "--list", "--no-includes", f"--blob={object_id}")
        if code:
            raise GitRefused(
                "broken",
                f"A {name} of {self.url} can't be read.",
                why=explain.tidy(errors),
                remedy="Mend the file.",
            )
        pairs = (each.partition("\n") for each in output.decode(errors="surrogateescape").split("\0") if each)
        return [(key, value) for key, _, value in pairs]

    def _rev_parse(self, what: str) -> str:
        code, output, errors = self._try("rev-parse", "--quiet", "--verify", "--end-of-options", what)
        if code and explain.is_damage(errors):
            raise explain.local_failure(self.url, errors)
        return output.decode().strip() if code == 0 else ""

    def _git(self, *words: str, inside: bool = True) -> bytes:
        code, output, errors = self._try(*words, inside=inside)
        if code:
            raise explain.local_failure(self.url, errors)
        return output

    def _try(self, *words: str, inside: bool = True) -> tuple[int, bytes, str]:
        place = [f"--git-dir={self.path}"] if inside else []
        try:
            done = run(
                [environment.git_program(), *place, *words],
                environment.local(self._home),
                self._home,
                seconds=self.limits.read_seconds,
                interrupt=self._interrupt,
            )
        except TooLong as error:
            raise GitRefused(
                "too_slow",
                f"The worker's own copy of {self.url} could not be read within {self.limits.read_seconds:g} s.",
                why="The worker's disk or processor is very busy, or the repository is huge.",
                remedy="Try again when the worker has less to do.",
            ) from error
        return done.code, done.output, done.errors


def local_ref(full: str) -> str:
    """Under which name the mirror keeps the server's ref: by a hash, since `a` and `a/b` can't both be files."""
    return f"refs/estiva/{hashlib.sha256(full.encode()).hexdigest()[:40]}"


def _commit(text: str) -> Commit:
    commit, author, moment, subject = (*text.strip("\n").split("\n", 3), "", "", "")[:4]
    return Commit(commit, _plain(subject), _plain(author), moment)


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:500].strip()


def _entry(line: bytes) -> Entry:
    about, _, path = line.partition(b"\t")
    mode, _kind, object_id, size = about.decode().split()
    return Entry(
        path=path.decode(errors="surrogateescape"),
        kind=_KINDS.get(mode, "file"),
        object_id=object_id,
        size=int(size) if size.isdigit() else 0,
        executable=mode == "100755",
    )


def _renamed(entry: Entry, path: str) -> Entry:
    return Entry(path, entry.kind, entry.object_id, entry.size, entry.executable)
