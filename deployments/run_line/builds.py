"""`docker build` and `git clone` lines: where an image comes from."""

import re
from collections.abc import Sequence
from typing import Final

from django.utils.translation import gettext_lazy as _

from deployments.run_line import around
from deployments.run_line.flags import BUILD, CLONE
from deployments.run_line.ledger import Ledger
from deployments.run_line.parsing import Flag, Parsed, parse
from deployments.run_line.result import Build, Repository
from deployments.run_line.shell import Word

_CACHES_AND_OUTPUT: Final = (
    "--builder --compress --force-rm --help --iidfile --load --metadata-file --no-cache --progress --pull --quiet --rm"
)
_HARMLESS: Final = frozenset(_CACHES_AND_OUTPUT.split())
_CREDENTIAL: Final = re.compile(r"(?<=://)[^/@\s]*@")
_REMOTE: Final = re.compile(r"(?:https?|ssh|git)://|git@")

_LATER: Final = _("Estiva decides about caches and output itself; “rebuild without cache” is offered with a deploy.")
_SECRET: Final = _("Name it among the build secrets, and its value among the application's secrets.")
_PUSH: Final = _("Set the registry to push to with the build settings.")
_OTHER: Final = _("Estiva has no such build setting.")
_NEEDED: Final = _("Nothing is replaced here: write your own value.")


def read_build(words: Sequence[Word], ledger: Ledger) -> tuple[Build, Repository | None]:
    """The words after `docker build`; a Git URL as the context is a repository."""
    parsed = parse(words, BUILD, mixed=True)
    single: dict[str, str] = {}
    tags: list[str] = []
    args: list[tuple[str, str | None]] = []
    for flag in parsed.flags:
        if flag.name == "--tag":
            tags.append(flag.value)  # as written, since the run names the image in the same way
            ledger.use(flag.words)
        elif flag.unresolved:
            ledger.puzzle(flag.words, _NEEDED, flag.text)
        elif flag.name == "--build-arg":
            name, equals, value = flag.value.partition("=")
            args.append((name, value if equals else None))
            ledger.use(flag.words)
        elif flag.name in {"--file", "--target", "--platform"}:
            single[flag.name] = flag.value
            ledger.use(flag.words)
        else:
            _other(flag, ledger)
    _odd(parsed, ledger)
    context, repository = _context(parsed, ledger)
    found = Build(
        tags=tuple(tags),
        context=context,
        dockerfile=single.get("--file", ""),
        target=single.get("--target", ""),
        platform=single.get("--platform", ""),
        args=tuple(args),
    )
    return found, repository


def _other(flag: Flag, ledger: Ledger) -> None:
    if flag.name in _HARMLESS:
        ledger.leave(flag.words, _LATER, flag.text)
    else:
        why = {"--secret": _SECRET, "--push": _PUSH}.get(flag.name, _OTHER)
        ledger.puzzle(flag.words, why, flag.text)


def _odd(parsed: Parsed, ledger: Ledger) -> None:
    ledger.shell(parsed.dashes)
    for word in parsed.unknown:
        ledger.puzzle([word], around.UNKNOWN_FLAG)
    for word in parsed.valueless:
        ledger.puzzle([word], around.VALUELESS)


def _context(parsed: Parsed, ledger: Ledger) -> tuple[str, Repository | None]:
    first, more = parsed.rest[:1], parsed.rest[1:]
    if more:
        ledger.puzzle(more, _("A build has one folder; this is one too many."))
    if not first:
        return "", None
    context = first[0].value
    if first[0].unresolved:
        ledger.puzzle(first, _NEEDED)
        return context, None
    ledger.use(first)
    if not _REMOTE.match(context):
        return context, None
    url, _hash, fragment = context.partition("#")
    ref, _colon, folder = fragment.partition(":")
    return folder, Repository(_clean(url, first, ledger), ref)


def read_clone(words: Sequence[Word], ledger: Ledger) -> Repository | None:
    """The words after `git clone`."""
    parsed = parse(words, CLONE, mixed=True)
    branch = ""
    for flag in parsed.flags:
        if flag.unresolved:
            ledger.puzzle(flag.words, _NEEDED, flag.text)
            continue
        branch = flag.value if flag.name == "--branch" else branch
        ledger.use(flag.words)
    _odd(parsed, ledger)
    if not parsed.rest:
        return None
    url = parsed.rest[0]
    if url.unresolved:
        ledger.puzzle([url], _NEEDED)
        return None
    ledger.use(parsed.rest[:2])  # the folder it is cloned into matters to nobody else
    if parsed.rest[2:]:
        ledger.puzzle(parsed.rest[2:], around.SHELL_UNKNOWN)
    return Repository(_clean(url.value, [url], ledger), branch)


def _clean(url: str, words: Sequence[Word], ledger: Ledger) -> str:
    """Without a name and password, which are a credential's and not an address's."""
    if not url.startswith("http") or not _CREDENTIAL.search(url):
        return url
    bare = _CREDENTIAL.sub("", url, count=1)
    ledger.puzzle(words, around.CREDENTIAL_WHY, bare)
    return bare
