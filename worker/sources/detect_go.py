"""Go projects: the version of go.mod, and which package is the program."""

import re

from worker.sources.project import Detected, Project

DEFAULT_VERSION = "1.24"
_VERSION = re.compile(r"^go (1\.\d{1,3})", re.MULTILINE)
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
_PORT = re.compile(r"[\"'][A-Za-z0-9.]*:(\d{2,5})[\"']")


def recognise(project: Project) -> Detected | None:
    """A Go project, or None."""
    if not project.has("go.mod"):
        return None
    project.reasons.append("There is go.mod.")
    found = _VERSION.search(project.text("go.mod"))
    if found:
        project.reasons.append(f"go.mod names Go {found[1]}.")
    else:
        project.doubts.append(f"go.mod names no version; {DEFAULT_VERSION} is a guess.")
    package = _package(project)
    return Detected(
        kind="go",
        framework="",
        version=found[1] if found else DEFAULT_VERSION,
        port=_port(project, package),
        command=("/usr/local/bin/app",),
        install="modules" if project.has("go.sum") else "",
        build=package,
        reasons=tuple(project.reasons),
        doubts=tuple(project.doubts),
    )


def _package(project: Project) -> str:
    """The folder of package main, as `go build` takes it."""
    if project.has("main.go") or "cmd" not in project.folders:
        return "."
    programs = [
        entry.name for entry in project.listing("cmd")
        if entry.kind == "folder" and _FOLDER.fullmatch(entry.name) and "main.go" in project.within(f"cmd/{entry.name}")
    ]  # fmt: skip
    if not programs:
        project.doubts.append("No main.go was found; the root folder is a guess.")
        return "."
    if len(programs) > 1:
        project.doubts.append(f"There are several programs: {', '.join(programs)}. The first is taken.")
    project.reasons.append(f"cmd/{programs[0]} has a main.go.")
    return f"./cmd/{programs[0]}"


def _port(project: Project, package: str) -> int:
    name = "main.go" if package == "." else f"{package.removeprefix('./')}/main.go"
    found = _PORT.search(project.text(name))
    if found and 0 < int(found[1]) < 65536:
        project.reasons.append(f"{name} mentions port {found[1]}.")
        return int(found[1])
    project.doubts.append("The port is a guess.")
    return 8080
