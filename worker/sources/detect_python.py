"""Python projects: their framework, entry, version and the way their dependencies are installed."""

import re

from worker.sources.project import Detected, Project

DEFAULT_VERSION = "3.12"
_EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - within the container; what is published is another setting
_MARKS = ("requirements.txt", "pyproject.toml", "Pipfile", "setup.py", "manage.py")
_ENTRIES = ("app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "application.py", "run.py")
_OBJECT = re.compile(
    r"^(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*(?::[^=\n]+)?=\s*(?P<kind>Flask|FastAPI|Starlette|Quart)\(", re.MULTILINE
)
_FACTORY = re.compile(r"^def create_app\(\s*\)", re.MULTILINE)
_PORT = re.compile(r"\bport\s*=\s*(?:int\()?(?:os\.(?:environ\.get|getenv)\([^,()]+,\s*)?[\"']?(\d{2,5})\b")
_SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE[\"'],\s*[\"']([A-Za-z_][A-Za-z0-9_]*)\.[A-Za-z0-9_.]+[\"']")
_VERSIONS = (
    (".python-version", re.compile(r"^\s*(3\.\d{1,2})(?:\.\d+)?\s*$", re.MULTILINE)),
    ("runtime.txt", re.compile(r"^python-(3\.\d{1,2})", re.MULTILINE)),
    ("Pipfile", re.compile(r"^python_(?:full_)?version\s*=\s*[\"'](3\.\d{1,2})", re.MULTILINE)),
    ("pyproject.toml", re.compile(r"^(?:requires-python|python)\s*=\s*[\"'][\^~>=\s]*(3\.\d{1,2})", re.MULTILINE)),
)


def recognise(project: Project) -> Detected | None:
    """A Python project, or None."""
    mark = project.first(_MARKS)
    if not mark and not (entry := _entry_alone(project)):
        return None
    project.reasons.append(f"There is {mark}." if mark else f"There is {entry}, and no list of dependencies.")
    framework, port, command = _program(project)
    return Detected(
        kind="python",
        framework=framework,
        version=_version(project),
        port=port,
        command=command,
        install=_install(project),
        reasons=tuple(project.reasons),
        doubts=tuple(project.doubts),
    )


def _entry_alone(project: Project) -> str:
    """A program without any list of dependencies counts where nothing else would explain the folder."""
    return "" if project.has("package.json") or project.has("go.mod") else project.first(_ENTRIES)


def _version(project: Project) -> str:
    for name, pattern in _VERSIONS:
        if found := pattern.search(project.text(name)):
            project.reasons.append(f"{name} names Python {found[1]}.")
            return found[1]
    project.doubts.append(f"No file says which Python it needs; {DEFAULT_VERSION} is a guess.")
    return DEFAULT_VERSION


def _install(project: Project) -> str:
    """One of the ways `dockerfiles` knows."""
    pyproject = project.text("pyproject.toml")
    if project.has("requirements.txt"):
        further = re.search(
            r"^\s*(-r|-c|-e|--requirement|--constraint|--editable|\.|file:)", project.text("requirements.txt"), re.M
        )
        return "requirements with more" if further else "requirements"
    if project.has("uv.lock"):
        return "uv"
    if project.has("poetry.lock") or "[tool.poetry]" in pyproject:
        return "poetry"
    if project.has("Pipfile"):
        return "pipenv" if project.has("Pipfile.lock") else "pipenv without lock"
    if project.has("pyproject.toml") or project.has("setup.py"):
        return "package"
    project.doubts.append("No list of dependencies was found (requirements.txt, pyproject.toml): none are installed.")
    return ""


def _program(project: Project) -> tuple[str, int, tuple[str, ...]]:
    """Framework, port and command."""
    needs = _needs(project)
    if project.has("manage.py"):
        return _django(project, needs)
    for name in [each for each in _ENTRIES if project.has(each)]:
        text = project.text(name)
        module = name.removesuffix(".py")
        if found := _OBJECT.search(text):
            project.reasons.append(f"{name} makes a {found['kind']} application called {found['name']}.")
            return _served(project, found["kind"], f"{module}:{found['name']}", _port(text), needs)
        if "flask" in needs and _FACTORY.search(text):
            project.reasons.append(f"{name} has create_app().")
            return _served(project, "Flask", f"{module}:create_app()", _port(text), needs)
    return _plain(project)


def _needs(project: Project) -> set[str]:
    """The packages that the project's own lists name, in lower case."""
    lists = ("requirements.txt", "pyproject.toml", "Pipfile", "setup.py")
    words = re.findall(r"[a-z][a-z0-9_-]+", " ".join(project.text(name) for name in lists).lower())
    return {word.replace("_", "-") for word in words}


def _django(project: Project, needs: set[str]) -> tuple[str, int, tuple[str, ...]]:
    found = _SETTINGS.search(project.text("manage.py"))
    if found:
        project.reasons.append(f"manage.py names the settings of {found[1]}: a Django project.")
    if found and "gunicorn" in needs:
        return "Django", 8000, ("gunicorn", "--bind", "0.0.0.0:8000", f"{found[1]}.wsgi")
    _unfit(project, "Django's own server", "gunicorn")
    project.doubts.append("ALLOWED_HOSTS must allow the address it is reached under.")
    return "Django", 8000, ("python", "manage.py", "runserver", "0.0.0.0:8000")


def _served(project: Project, kind: str, target: str, port: int, needs: set[str]) -> tuple[str, int, tuple[str, ...]]:
    if kind == "Flask":
        port = port or 5000
        if "gunicorn" in needs:
            return kind, port, ("gunicorn", "--bind", f"0.0.0.0:{port}", target)
        _unfit(project, "Flask's own server", "gunicorn")
        return kind, port, ("flask", "--app", target, "run", "--host", _EVERY_ADDRESS, "--port", str(port))
    port = port or 8000
    if "hypercorn" in needs and "uvicorn" not in needs:
        return kind, port, ("hypercorn", "--bind", f"0.0.0.0:{port}", target)
    if not needs & {"uvicorn", "fastapi-cli"}:
        project.doubts.append("uvicorn runs it and is not among the dependencies: add it.")
    return kind, port, ("uvicorn", target, "--host", _EVERY_ADDRESS, "--port", str(port))


def _plain(project: Project) -> tuple[str, int, tuple[str, ...]]:
    name = project.first(_ENTRIES) or "main.py"
    if not project.has(name):
        project.doubts.append("No program to start was found; main.py is a placeholder.")
    port = _port(project.text(name))
    if not port:
        project.doubts.append("The port is a guess; if it serves nothing, remove EXPOSE.")
    return "", port or 8000, ("python", name)


def _port(text: str) -> int:
    found = _PORT.search(text)
    return int(found[1]) if found and 0 < int(found[1]) < 65536 else 0


def _unfit(project: Project, server: str, better: str) -> None:
    project.doubts.append(
        f"{server} is meant for development: add {better} to the dependencies, and it is used instead."
    )
