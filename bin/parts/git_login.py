"""What our sshd runs for whoever logs in with a key of the Git server: git, on the repositories this key may reach, and nothing else.

    git_login.py FOLDER RIGHT:REPOSITORY…

`git-lfs-authenticate` is answered with what stands in the file lfs-login.json beside FOLDER.
The client's wish stands in SSH_ORIGINAL_COMMAND, for example `git-upload-pack '/team/shop.git'`.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

LFS = "git-lfs-authenticate"
SERVICES = {"git-upload-pack": "upload-pack", "git-receive-pack": "receive-pack"}


def main(arguments: list[str], wish: str) -> str:
    """Become git, or return why not."""
    root = Path(arguments[0]).resolve()
    program, asked = words(wish.removesuffix(" download") if wish.startswith(f"{LFS} ") else wish)
    if program not in (*SERVICES, LFS):
        return "Only Git may be used here."
    repository = (root / asked.lstrip("/")).resolve()
    rights = allowed(root, repository, arguments[1:])
    if not rights or not (repository / "HEAD").exists():
        return "Repository not found."
    if program == LFS:
        told = json.loads((root.parent / "lfs-login.json").read_text())
        path = repository.relative_to(root)
        print(json.dumps({"href": f"{told['origin']}/{path}/info/lfs", "header": told["header"]}))
        sys.exit(0)
    if program == "git-receive-pack" and "write" not in rights:
        return "This key may only read."
    return os.execvp("git", ["git", SERVICES[program], str(repository)])


def words(wish: str) -> tuple[str, str]:
    """Program and repository; two empty strings for what is no such pair."""
    try:
        program, asked = shlex.split(wish)
    except ValueError:
        return "", ""
    return program, asked


def allowed(root: Path, repository: Path, grants: list[str]) -> set[str]:
    """The rights ("read", "write") that these grants give on the repository: each is RIGHT:NAME, or RIGHT: for all."""
    if not repository.is_relative_to(root):
        return set()
    pairs = [grant.partition(":") for grant in grants]
    return {right for right, _, name in pairs if not name or repository == root / f"{name}.git"}


if __name__ == "__main__":
    sys.exit(f"ERROR: {main(sys.argv[1:], os.environ.get('SSH_ORIGINAL_COMMAND', ''))}")
