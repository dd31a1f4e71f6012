"""The story's own application as a repository's files: a Flask page on port 5000 with a Dockerfile `FROM python:3.7`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent / "flask_app"
PORT = 5000
Fault = Literal["", "build", "start", "health", "base"]
RUN_PIP = "RUN pip install --no-cache-dir -r requirements.txt\n"


def files(version: str = "1", *, base: str = "python:3.7", fault: Fault = "", held_by: str = "") -> dict[str, str]:
    """What to commit. `GET /` answers `python-web-app VERSION [COMMIT]`, where COMMIT is a build argument; `GET /healthz` answers ok.

    `base` is the image it is built from, for engines without a mirror. `held_by` adds a step that makes a pipe of this name in the image's
    root and reads from it: the build goes on once something was written there. `fault` breaks it: "build" asks for a package that does not
    exist, "base" for a base image that does not, "start" ends at once with code 1, "health" answers 503.
    """
    named = {path.name: path.read_text() for path in sorted(FOLDER.iterdir()) if path.is_file()}
    named[".dockerignore"] = named.pop("dockerignore")
    named["VERSION"] = f"{version}\n"
    if held_by:
        wait = f"RUN mkfifo /{held_by} && cat /{held_by} && rm /{held_by}\n"
        named["Dockerfile"] = named["Dockerfile"].replace(RUN_PIP, f"{RUN_PIP}{wait}")
    if fault == "build":
        named["requirements.txt"] += "no-such-package-for-estiva==1.0\n"
    elif fault == "base":
        base = f"{base}-no-such-tag"
    elif fault == "start":
        named["app.py"] = 'raise SystemExit("The configuration is missing.")\n'
    elif fault == "health":
        named["Dockerfile"] = named["Dockerfile"].replace("EXPOSE", "ENV UNHEALTHY=1\nEXPOSE")
    named["Dockerfile"] = named["Dockerfile"].replace("FROM python:3.7", f"FROM {base}")
    return named
