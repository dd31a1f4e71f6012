"""Node projects: what package.json says of building and starting, and which tool installs."""

import json
import re
from collections.abc import Mapping
from typing import Any

from worker.sources.project import Detected, Project

DEFAULT_VERSION = "22"
_LOCKS = (
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
)
_SERVERS = {
    "next": "Next.js",
    "nuxt": "Nuxt",
    "@nestjs/core": "NestJS",
    "express": "Express",
    "fastify": "Fastify",
    "koa": "Koa",
}
_PAGES = {"vite": "dist", "react-scripts": "build", "@vue/cli-service": "dist", "parcel": "dist", "astro": "dist"}
_MAIN = re.compile(r"(?:\./)?[A-Za-z0-9_][A-Za-z0-9_./-]{0,100}\.[cm]?js")
_PORT = re.compile(r"(?:listen\(\s*|PORT\s*(?:\|\||\?\?)\s*)[\"']?(\d{2,5})\b")


def recognise(project: Project) -> Detected | None:
    """A Node project, or None."""
    if not project.has("package.json"):
        return None
    project.reasons.append("There is package.json.")
    said = _package(project)
    scripts, needs = _group(said, "scripts"), {**_group(said, "dependencies"), **_group(said, "devDependencies")}
    framework = next((words for name, words in _SERVERS.items() if name in needs), "")
    if framework:
        project.reasons.append(f"It depends on {framework}.")
    pages = (
        "" if framework or ("start" in scripts and "react-scripts" not in needs) else _pages(project, scripts, needs)
    )
    return Detected(
        kind="node",
        framework=framework or ("static pages" if pages else ""),
        version=_version(project, said),
        port=8080 if pages else _port(project, said),
        command=() if pages else _command(project, said, scripts),
        install=_install(project),
        build=pages or ("yes" if "build" in scripts else ""),
        reasons=tuple(project.reasons),
        doubts=tuple(project.doubts),
    )


def _package(project: Project) -> Mapping[str, Any]:
    try:
        said = json.loads(project.text("package.json"))
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict):
        return said
    project.doubts.append("package.json can't be read as JSON.")
    return {}


def _group(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    group = said.get(name)
    return group if isinstance(group, dict) else {}


def _version(project: Project, said: Mapping[str, Any]) -> str:
    wishes = (
        (".nvmrc", project.text(".nvmrc")),
        (".node-version", project.text(".node-version")),
        ("package.json", str(_group(said, "engines").get("node", ""))),
    )
    for name, wish in wishes:
        if found := re.match(r"\s*[v^~>=\s]*(\d{1,2})\b", wish):
            project.reasons.append(f"{name} names Node {found[1]}.")
            return found[1]
    project.doubts.append(f"No file says which Node it needs; {DEFAULT_VERSION} is a guess.")
    return DEFAULT_VERSION


def _install(project: Project) -> str:
    for name, tool in _LOCKS:
        if project.has(name):
            project.reasons.append(f"{name} says that {tool} installs its dependencies.")
            return tool
    project.doubts.append("There is no lock file: each build may get other versions. Commit package-lock.json.")
    return "npm without lock"


def _pages(project: Project, scripts: Mapping[str, Any], needs: Mapping[str, Any]) -> str:
    """The folder into which it builds pages that any web server can serve; "" if it doesn't."""
    tool = next((name for name in _PAGES if name in needs), "")
    if not tool or "build" not in scripts:
        return ""
    project.reasons.append(f"{tool} builds static pages into {_PAGES[tool]}.")
    return _PAGES[tool]


def _command(project: Project, said: Mapping[str, Any], scripts: Mapping[str, Any]) -> tuple[str, ...]:
    if "start" in scripts:
        project.reasons.append("Its start script starts it.")
        return ("npm", "start")
    main = said.get("main")
    if isinstance(main, str) and _MAIN.fullmatch(main) and ".." not in main:
        return ("node", main)
    name = project.first(("server.js", "index.js", "app.js", "main.js")) or "index.js"
    if not project.has(name):
        project.doubts.append("No program to start was found; index.js is a placeholder.")
    return ("node", name)


def _port(project: Project, said: Mapping[str, Any]) -> int:
    main = str(said.get("main", ""))
    names = (main if _MAIN.fullmatch(main) else "", "server.js", "index.js", "app.js", "main.js")
    for name in names:
        found = _PORT.search(project.text(name)) if project.has(name) else None
        if found and 0 < int(found[1]) < 65536:
            project.reasons.append(f"{name} listens on port {found[1]}.")
            return int(found[1])
    project.doubts.append("The port is a guess: many programs heed PORT, which is set.")
    return 3000
