"""Programs from another Debian release, unpacked beside the machine's own: nothing is installed, and the machine's apt stays as it is.

apt runs on a folder of its own with a sources list of its own; only the mirror's address is taken from the machine's sources.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from parts.processes import PartError, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TARGET = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
# Hooks of the machine's own apt would clear away the machine's own downloads.
HOOKS = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success", "DPkg::Post-Invoke")
DOWNLOAD_SECONDS = 300


def cached(name: str, recipe: object, make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills, made once for this recipe and kept under ~/.cache/estiva; runs side by side wait for one another."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "estiva"
    home.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
    place = home / f"{name}-{digest}"
    with (home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            draft = Path(tempfile.mkdtemp(prefix=f"{name}-draft-", dir=home))
            draft.chmod(0o755)
            try:
                make(draft)
                draft.rename(place)
            finally:
                shutil.rmtree(draft, ignore_errors=True)  # there only if `make` failed
    return place


class DebianArchive:
    """One release's packages, through an apt whose state lies in `folder`."""

    def __init__(self, folder: Path, release: str) -> None:
        self._folder = folder
        self._release = release
        self._config = folder / "apt.conf"

    def prepare(self) -> None:
        """Read the release's list of packages; PartError where that is not Debian, or the archive can't be reached."""
        for needed in ("state/lists/partial", "cache/archives/partial"):
            (self._folder / needed).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
        (self._folder / "sources.list").write_text(f"deb {signed}{mirror()} {self._release} main\n")
        settings = {
            "Dir::State": "state",
            "Dir::State::status": "status",
            "Dir::Cache": "cache",
            "Dir::Etc::sourcelist": "sources.list",
            "Dir::Etc::sourceparts": "none",
        }
        lines = [f'{name} "{self._folder / path}";' for name, path in settings.items()]
        lines += ['Acquire::Languages "none";', 'APT::Sandbox::User "root";', *(f"#clear {hook};" for hook in HOOKS)]
        self._config.write_text("\n".join(lines) + "\n")
        self._apt_get("update", "-q", "--error-on=any")

    def unpack(self, packages: Sequence[str], into: Path) -> None:
        """Download these packages, not what they depend on, and unpack their files; none of their scripts is run."""
        with tempfile.TemporaryDirectory(dir=self._folder) as downloads:
            self._apt_get("download", "-q", *packages, cwd=Path(downloads))
            for file in sorted(Path(downloads).glob("*.deb")):
                run(["dpkg", "-x", str(file), str(into)])

    def _apt_get(self, *words: str, cwd: Path | None = None) -> None:
        try:
            run(["apt-get", "-c", str(self._config), *words], timeout=DOWNLOAD_SECONDS, cwd=cwd or self._folder)
        except PartError as error:
            raise PartError(f"Debian's {self._release} could not be read: {error}") from error


def mirror() -> str:
    """The address this machine gets Debian's packages from; PartError on another system."""
    if shutil.which("apt-get") is None or "ID=debian" not in _os_release():
        raise PartError("this machine is not Debian")
    codename = next((line.partition("=")[2] for line in _os_release() if line.startswith("VERSION_CODENAME=")), "")
    rows = [
        row.split("|") for row in run(["apt-get", "indextargets", "--format", TARGET, "Identifier: Packages"]).split()
    ]
    sites = [site for site, release, component in rows if component == "main" and release in (codename, "stable")]
    if not sites:
        raise PartError(f"none of this machine's package sources is Debian's {codename}")
    return sites[0]


def _os_release() -> list[str]:
    return Path("/etc/os-release").read_text().splitlines()
