"""What a Plan of a Compose application is made from: its files, and those beside them that they refer to."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deployments.compose_settings import LOOKED_FOR
from deployments.models import Plan
from deployments.yaml_lines import YamlError
from worker.compose_brief import folder_of
from worker.connections.compose_yaml import read_document
from worker.engine.compose.dotenv import BadFile, read_dotenv
from worker.engine.compose.interpolate import BadInterpolation
from worker.engine.compose.references import Reference, references
from worker.engine.events import Finding
from worker.operations.source import STEP, Found, commits_of, find
from worker.operations.steps import Looking
from worker.redact import Masker
from worker.sources.git import Mirror

PASTED: Final = "compose.yaml"
_MOST: Final = 1_000_000  # bytes of all files together
_OVERRIDES: Final = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_DOTENV: Final = ".env"
_LFS: Final = "version https://git-lfs.github.com/spec/"


def find_compose(looking: Looking, row: Plan, variables: Mapping[str, str], masker: Masker) -> Found:
    """`documents` and `files` of a source, and of a repository its commit; of an earlier Release all is known already."""
    if "files" in row.source:
        return Found()
    text = row.source["compose"].get("text")
    if text:
        gathered = _Gathered(None, "", "", variables, masker)
        gathered.put(PASTED, text)
        return gathered.found(Found(), [PASTED])
    looking.plan_steps([(STEP, "Repository")])
    return find(looking, row, lambda mirror, plan: _look(mirror, plan, variables, masker))


def _look(mirror: Mirror, row: Plan, variables: Mapping[str, str], masker: Masker) -> Found:
    settings = row.source["compose"]
    found = commits_of(mirror, row, settings["ref"])
    commit = found.source["commit"]
    gathered = _Gathered(mirror, commit, folder_of(settings), variables, masker)
    documents = settings["files"] or _looked_for(mirror, commit)
    if not documents:
        said = f"There is none of {', '.join(LOOKED_FOR)} at {commit[:7]}."
        found.findings.append(Finding("file", "bad", said, "Commit one, or name the Compose files in the settings."))
        return found
    names = [posixpath.relpath(each, gathered.folder or ".") for each in documents]
    for name in names:
        gathered.fetch(Reference(name, "the Compose file"))
    return gathered.found(found, names)


def _looked_for(mirror: Mirror, commit: str) -> list[str]:
    """As Compose itself does: the first that is there, and the first that changes it."""
    there = {each.path for each in mirror.listing(commit)}
    first = next((each for each in LOOKED_FOR if each in there), None)
    override = next((each for each in _OVERRIDES if each in there), None)
    return [each for each in (first, override) if each is not None] if first else []


@dataclass(slots=True)
class _Gathered:
    """Files by path from the first document's folder, and what was wrong with others. Without a `mirror` there are no more."""

    mirror: Mirror | None
    commit: str
    folder: str
    variables: Mapping[str, str]
    masker: Masker
    files: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    size: int = 0

    def found(self, found: Found, documents: list[str]) -> Found:
        """All that the documents refer to; `documents` and `files` only where each of them could be read."""
        trees = [tree for name in documents if name in self.files for tree in self._read(name)]
        if self.mirror is not None:
            self.fetch(Reference(_DOTENV, "the file of variables", required=False))
        known = self._known()
        for tree in trees:
            for each in references(tree, known.get):
                self.fetch(each)
        found.findings += self.findings
        if len(trees) == len(documents):
            found.source["documents"] = documents
            found.source["files"] = [[name, text] for name, text in self.files.items()]
        return found

    def fetch(self, wanted: Reference) -> None:
        """Read one from the repository, unless it is known."""
        path = posixpath.normpath(wanted.path)
        if path in self.files:
            return
        if self.masker.mask(path) != path:
            self._bad(
                f"{wanted.what} is named by a secret variable.", "File names are shown: use a plain variable for it."
            )
        elif self.mirror is None:
            if wanted.required:
                said = f"{wanted.what}: a Compose file that is kept here has no file {path} beside it."
                self._bad(said, "Set its variables or its text as variables of the application, or use a repository.")
        elif "\0" in path or "\n" in path or posixpath.normpath(posixpath.join(self.folder, path)).startswith(".."):
            self._bad(f"{wanted.what}: {path!r} leads out of the repository.", "Name a file of the repository.")
        else:
            self._from_repository(self.mirror, path, wanted)

    def put(self, path: str, text: str) -> None:
        """One more, as long as all of them together are small."""
        self.size += len(text.encode())
        if self.size > _MOST:
            said = f"With {path} the files of the application are larger than {_MOST // 1000} kB together."
            self._bad(said, "Put large files into an image, and keep settings here.")
        else:
            self.files[path] = text

    def _from_repository(self, mirror: Mirror, path: str, wanted: Reference) -> None:
        full = posixpath.normpath(posixpath.join(self.folder, path))
        entry = mirror.entry(self.commit, full)
        if entry is None and not wanted.required:
            return
        if entry is None:
            said = f"{wanted.what}: there is no file {full} at {self.commit[:7]}."
            self._bad(said, "Commit it, or take it out of the Compose file.")
        elif entry.kind != "file":
            kind = "symbolic link, which is not followed" if entry.kind == "link" else entry.kind
            self._bad(f"{wanted.what}: {full} is a {kind}.", "Name a plain file.")
        else:
            self._decoded(path, wanted.what, mirror.read(self.commit, full, _MOST) or b"")

    def _decoded(self, path: str, what: str, content: bytes) -> None:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            self._bad(f"{what}: {path} is not UTF-8 text.", "Save it as UTF-8, or put it into an image.")
        elif text.startswith(_LFS):
            said = f"{what}: {path} is kept in Git LFS, from where files beside a Compose file are not fetched."
            self._bad(said, "Take it out of LFS, or put it into an image.")
        else:
            self.put(path, text)

    def _read(self, name: str) -> Iterator[Mapping[str, Any]]:
        try:
            yield read_document(name, self.files[name]).tree
        except YamlError as error:
            for each in error.problems:
                self._bad(f"{name}, line {each.line}: {each.message}", "Correct the Compose file.")

    def _known(self) -> dict[str, str]:
        """What variables in names of files stand for."""
        own = dict(self.variables)
        try:
            return read_dotenv(self.files.get(_DOTENV, ""), own.get) | own
        except (BadFile, BadInterpolation) as error:
            self._bad(f"{_DOTENV}, {error}", "Correct that line.")
            return own

    def _bad(self, said: str, remedy: str) -> None:
        self.findings.append(Finding("file", "bad", said, remedy))
