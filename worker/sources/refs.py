"""Names of branches, tags and commits: which are legal, what a server listed, and which one somebody meant."""

import difflib
import re

from worker.sources.errors import GitRefused
from worker.sources.shapes import Ref, Refs

COMMIT = re.compile(r"[0-9a-f]{40}")
PART_OF_COMMIT = re.compile(r"[0-9a-f]{4,40}")
# What git itself forbids in a name (git check-ref-format), and a leading “-”, which would be an option.
_ILLEGAL = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|(^|/)[.-]|[./]$|^/|^@$")
_HEADS, _TAGS = "refs/heads/", "refs/tags/"


def check_ref(ref: str) -> str:
    """The name as it was given, if git could have such a branch, tag or commit; else GitRefused."""
    if not ref or len(ref) > 250 or _ILLEGAL.search(ref) or not ref.isprintable():
        raise GitRefused(
            "ref",
            f"{ref[:100]!r} can't be the name of a branch, tag or commit.",
            why="Git allows no spaces, control characters, “..”, “~”, “^”, “:”, “?”, “*”, “[” or “\\” in names.",
            remedy="Choose a name from the repository's list of branches.",
        )
    return ref


def check_commit(commit: str) -> str:
    """A whole commit name; anything else is a mistake of the caller's."""
    if not COMMIT.fullmatch(commit):
        raise GitRefused("ref", f"{commit[:100]!r} is no whole commit name.", remedy="Resolve it first.")
    return commit


def read_refs(listed: bytes, url: str) -> Refs:
    """What `git ls-remote --symref` wrote."""
    default, branches, tags = "", {}, {}
    for line in listed.decode(errors="replace").splitlines():
        value, tab, name = line.partition("\t")
        if not tab:
            continue
        if value.startswith("ref: ") and name == "HEAD":
            default = value.removeprefix("ref: ").removeprefix(_HEADS)
        elif len(value) == 64:
            raise GitRefused(
                "broken",
                f"{url} uses SHA-256 object names, which Estiva does not read yet.",
                remedy="Use a repository with SHA-1 object names, as forges make them by default.",
            )
        elif not COMMIT.fullmatch(value):
            continue
        elif name.startswith(_HEADS):
            branches[name.removeprefix(_HEADS)] = value
        elif name.startswith(_TAGS):
            tags[name.removeprefix(_TAGS).removesuffix("^{}")] = value  # the peeled line comes second and wins
    legal = {name: commit for name, commit in branches.items() if not _ILLEGAL.search(name)}
    return Refs(
        branches=tuple(Ref(*each) for each in sorted(legal.items())),
        tags=tuple(Ref(*each) for each in sorted(tags.items()) if not _ILLEGAL.search(each[0])),
        default=default if default in legal else "",
    )


def full_name(ref: str, refs: Refs) -> str:
    """`refs/heads/…` or `refs/tags/…` of what somebody called this; "" if nothing is. A branch comes before a tag."""
    for prefix, known in ((_HEADS, refs.branches), (_TAGS, refs.tags)):
        name = ref.removeprefix(prefix)
        if any(each.name == name for each in known):
            return prefix + name
    return ""


def commit_at(full: str, refs: Refs) -> str:
    """The commit that a full name stood for when the refs were listed."""
    prefix, known = (_HEADS, refs.branches) if full.startswith(_HEADS) else (_TAGS, refs.tags)
    return next(each.commit for each in known if prefix + each.name == full)


def missing(ref: str, refs: Refs, url: str) -> GitRefused:
    """There is nothing of that name; what there is that looks like it."""
    names = [each.name for each in (*refs.branches, *refs.tags)]
    if not names:
        return GitRefused(
            "ref", f"{url} is empty: it has no branch yet.", remedy="Push a commit to it, then try again."
        )
    near = difflib.get_close_matches(ref, names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Its default branch is {refs.default or names[0]}."
    return GitRefused("ref", f"{url} has no branch, tag or commit “{ref}”.", remedy=hint)
