"""One repository's copy on the worker: kept between deployments, shared by processes, thrown away when damaged."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

from worker.sources import context, locks
from worker.sources.context import Context
from worker.sources.errors import Damaged, GitRefused, Unexplained
from worker.sources.refs import COMMIT, PART_OF_COMMIT, check_commit, check_ref, commit_at, full_name, missing
from worker.sources.remote import Remote
from worker.sources.repo import Repo, local_ref
from worker.sources.shapes import (
    MIB,
    Commit,
    ContextOptions,
    Entry,
    GitLimits,
    GitServer,
    Interrupt,
    Progress,
    Refs,
    nobody,
    unheard,
)
from worker.sources.space import mirror_folder

_DEEPER = 10  # each time the history is too short, so many times more of it is fetched
_MOST_BRANCHES = 500
T = TypeVar("T")


class Mirror:
    """The cached bare mirror of `server` in its own folder under `folder`, which all repositories share.

    Any method may go to the server for what is missing here. All raise GitRefused, and what `interrupt` raises: it is
    called about ten times a second, and nothing that was started is running any more when it got through.
    """

    def __init__(
        self,
        server: GitServer,
        folder: Path,
        limits: GitLimits | None = None,
        interrupt: Interrupt = nobody,
        progress: Progress = unheard,
    ) -> None:
        self.server, self.limits, self.interrupt = server, limits or GitLimits(), interrupt
        self.progress, self.root = progress, folder
        self.remote = Remote(server, self.limits, interrupt, progress)
        self.folder = mirror_folder(folder, server.url)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.repo = Repo(server.url, self.folder, self.limits, interrupt)
        self._present: set[str] = set()

    def refs(self) -> Refs:
        """Branches and tags as the server has them now."""
        return self.remote.list_refs()

    def fetch(self, ref: str | None = None) -> None:
        """Bring the branch, tag or commit up to date; None is the server's default branch."""
        self.resolve(ref)

    def resolve(self, ref: str | None = None) -> str:
        """The whole name of the commit that a branch, tag or (part of a) commit stands for now; it is here afterwards."""
        if ref is not None:
            check_ref(ref)
            if COMMIT.fullmatch(ref):
                self.have(ref)
                return ref
        refs = self.refs()
        wanted = refs.default if ref is None else ref
        if not wanted:
            raise missing("HEAD", refs, self.server.url)
        if full := full_name(wanted, refs):
            return self._named(full, refs)
        return self._part_of_commit(wanted, refs)

    def have(self, commit: str) -> None:
        """Fetch this commit unless it's here."""
        check_commit(commit)
        if not self._has(commit):
            self._fetch_commit(commit)

    def commits(self, commit: str, *, since: str | None = None, limit: int = 50) -> list[Commit]:
        """What led to this commit, newest first, at most `limit`; without what `since` contains, where that is known."""
        known = since if since and self._try_to_have(check_commit(since)) else None
        found = self.reading(commit, lambda repo: repo.log(commit, known, limit))
        depth = self.limits.depth
        while len(found) < limit and depth < self.limits.most_depth and self._is_cut(found):
            depth = min(depth * _DEEPER, self.limits.most_depth)
            self._fetch_commit(commit, depth)
            found = self.reading(commit, lambda repo: repo.log(commit, known, limit))
        return found

    def read(self, commit: str, path: str, limit: int) -> bytes | None:
        """A file at a commit; None where there is none. Links, also to files, and what lies behind them count as none."""
        found = self.entry(commit, path)
        if found is None or found.kind != "file":
            return None
        if found.size > limit:
            raise GitRefused(
                "too_large", f"{path} in {self.server.url} has {found.size} bytes; at most {limit} are read of it."
            )
        return self.reading(commit, lambda repo: repo.blob(found.object_id))

    def entry(self, commit: str, path: str) -> Entry | None:
        """What is at this path of a commit, without following links; None if nothing."""
        return self.reading(commit, lambda repo: repo.entry(commit, path))

    def listing(self, commit: str, under: str = "") -> list[Entry]:
        """What a folder of a commit holds, not what is below; paths are names in it. Empty where there is no such folder."""
        place = self.entry(commit, under)
        if place is None or place.kind != "folder":
            return []
        return self.reading(commit, lambda repo: repo.tree(place.object_id, whole=False))

    def context(self, commit: str, options: ContextOptions) -> Context:
        """What a build of this commit gets, as a tar stream in pieces. Everything that can be refused is, before the first."""
        try:
            return context.prepare(self, commit, options)
        except Damaged:
            self.throw_away()
            return context.prepare(self, commit, options)

    def reading(self, commit: str, work: Callable[[Repo], T]) -> T:
        """Let `work` read the mirror, which has the commit; where it looks damaged once more, then after fetching anew."""
        for attempt in range(3):
            try:
                self.have(commit)
                with self.in_use():
                    return work(self.repo)
            except Damaged:
                self._present.clear()
                if attempt == 2:
                    raise
                if attempt == 1:  # the first time somebody may have been fetching into it that very moment
                    self.throw_away()
        raise AssertionError("the last round returns or raises")

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While inside nobody throws the mirror away; others may read it, and fetch into it."""
        with self._lock("use.lock", shared=True):
            os.utime(self.folder / "use.lock")  # the least recently used go first when space is short
            yield

    def throw_away(self) -> None:
        """Remove the copy, when nobody reads it or fetches into it. Not to be called inside `in_use`."""
        with self._lock("fetch.lock", shared=False):
            self._discard()

    def sibling(self, server: GitServer) -> "Mirror":
        """The mirror of another repository, under the same rules: of a submodule."""
        return Mirror(server, self.root, self.limits, self.interrupt, self.progress)

    def _discard(self) -> None:
        """The same for who holds the fetch lock."""
        self._present.clear()
        with self._lock("use.lock", shared=False):
            self.repo.throw_away()

    def _has(self, commit: str) -> bool:
        if commit in self._present:
            return True
        try:
            found = self.repo.has(commit)
        except Damaged:
            return False  # fetching will mend it, or find it beyond mending
        if found:
            self._present.add(commit)
        return found

    def _named(self, full: str, refs: Refs) -> str:
        """The commit of a branch or tag, fetched where it isn't here yet."""
        expected = commit_at(full, refs)
        if not self._has(expected):
            self._bring([f"+{full}:{local_ref(full)}"], self.limits.depth)
            # it may have moved since the list was made: what came is what counts
            expected = self.repo.commit_of(local_ref(full))
        if not expected:
            raise GitRefused(
                "ref", f"{full} in {self.server.url} is no commit.", remedy="Choose a tag or branch of the code itself."
            )
        return expected

    def _part_of_commit(self, ref: str, refs: Refs) -> str:
        """The one commit whose name begins so: a tip, one that is here, or one further back."""
        part = ref.lower()
        if COMMIT.fullmatch(part):
            self.have(part)
            return part
        if not PART_OF_COMMIT.fullmatch(part):
            raise missing(ref, refs, self.server.url)
        tips = {each.commit for each in (*refs.branches, *refs.tags) if each.commit.startswith(part)}
        if len(tips) == 1:
            self.have(commit := tips.pop())
            return commit
        if found := self._here(part):
            return found
        self._bring_branches(refs)
        if found := self._here(part):
            return found
        raise missing(ref, refs, self.server.url)

    def _here(self, part: str) -> str:
        return self.repo.commit_of(part) if self.repo.exists() else ""

    def _fetch_commit(self, commit: str, depth: int | None = None) -> None:
        """Fetch a commit by its name; at servers that don't allow this, through the branches that may lead to it."""
        try:
            self._bring([f"+{commit}:{local_ref(commit)}"], depth or self.limits.depth)
        except GitRefused as refusal:
            if refusal.kind != "ref":
                raise
            refs = self.refs()
            self._bring_branches(refs, commit)
            if not self._has(commit):
                raise missing(commit, refs, self.server.url) from refusal

    def _bring_branches(self, refs: Refs, tip: str = "") -> None:
        """Fetch the branches and tags that stand at `tip`; where none does, all branches as deep as is ever gone."""
        named = [*(("refs/heads/", each) for each in refs.branches), *(("refs/tags/", each) for each in refs.tags)]
        exact = [prefix + each.name for prefix, each in named if each.commit == tip]
        names = exact or [f"refs/heads/{each.name}" for each in refs.branches[:_MOST_BRANCHES]]
        if names:
            depth = self.limits.depth if exact else self.limits.most_depth
            self._bring([f"+{name}:{local_ref(name)}" for name in names], depth)

    def _try_to_have(self, commit: str) -> bool:
        if self._has(commit):
            return True
        try:
            self._bring([f"+{commit}:{local_ref(commit)}"], self.limits.depth)
        except GitRefused as refusal:
            if refusal.kind != "ref":
                raise
        return self._has(commit)

    def _is_cut(self, found: list[Commit]) -> bool:
        """One of these commits has parents that were left at the server."""
        return bool(self.repo.shallow() & {each.commit for each in found})

    def _bring(self, sources: list[str], depth: int) -> None:
        """Fetch into the mirror, which is made, or made anew, as needed."""
        with self._lock("fetch.lock", shared=False):
            os.utime(self.folder / "fetch.lock")  # when it was last of use
            before = self.repo.size()
            try:
                self._fetch(sources, depth)
            except GitRefused as refusal:
                # what was here before may be in the way: by its damage, or by its size
                old = isinstance(refusal, Damaged | Unexplained) or refusal.kind == "too_large"
                if not (old and before):
                    raise
                self._discard()
                self._fetch(sources, depth)

    def _fetch(self, sources: list[str], depth: int) -> None:
        self.repo.make()
        try:
            self.remote.fetch(self.repo.path, sources, depth, self._watch)
        finally:
            self.repo.clear_leftovers()

    def _watch(self) -> None:
        if self.repo.size() > self.limits.mirror_size:
            raise GitRefused(
                "too_large",
                f"{self.server.url} is larger than {self.limits.mirror_size // MIB} MiB; fetching it was stopped.",
                why="Large files, now or in the last commits, are in the repository itself.",
                remedy="Move them to Git LFS or out of the repository, or raise the worker's limit.",
            )

    def _lock(self, name: str, *, shared: bool) -> AbstractContextManager[None]:
        return locks.held(self.folder / name, shared=shared, seconds=self.limits.lock_seconds, interrupt=self.interrupt)
