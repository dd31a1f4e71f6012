"""The virtual environment beside the code: made when missing, brought up to the pinned requirements, left alone when it has them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from parts import packages
from parts.environment import ROOT
from parts.processes import PartError

FOLDER = ROOT / ".venv"
PYTHON = FOLDER / "bin" / "python"
STAMP = FOLDER / "requirements.sha256"
OLDEST = (3, 11)


def ensure(*files: str) -> None:
    """Make sure `.venv` holds what these requirement files pin; PartError with pip's words if it can't."""
    if sys.version_info < OLDEST:
        raise PartError(f"Estiva needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this is {sys.version.split()[0]}.")
    wanted = _digest(files)
    if PYTHON.exists() and wanted in _installed():
        return
    if not PYTHON.exists():
        print("Making .venv", flush=True)
        _make()
    print(f"Installing {' and '.join(files)} into .venv (a minute the first time)", flush=True)
    words = [word for name in files for word in ("-r", str(ROOT / name))]
    _run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words])
    STAMP.write_text("\n".join([*_installed(), wanted]))


def reenter(script: Path, arguments: list[str]) -> None:
    """Go on as the virtual environment's Python, if this one is not it; the arguments stay the same."""
    if Path(sys.prefix).resolve() != FOLDER.resolve():
        os.execv(PYTHON, [str(PYTHON), str(script), *arguments])


def _make() -> None:
    try:
        _run([sys.executable, "-m", "venv", str(FOLDER)])
    except PartError:
        if not packages.can_install():
            raise
        packages.install(["python3-venv"])  # Debian ships Python without it
        _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])


def _installed() -> list[str]:
    """The digests of the requirement files that were installed since the environment was made."""
    return STAMP.read_text().split() if STAMP.exists() else []


def _digest(files: tuple[str, ...]) -> str:
    content = b"".join((ROOT / name).read_bytes() for name in files)
    return hashlib.sha256(sys.version.encode() + content).hexdigest()


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise PartError(f"{' '.join(argv[:4])} … failed:\n{(done.stdout + done.stderr).strip()[-3000:]}")
