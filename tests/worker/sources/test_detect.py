"""What a project looks like, and the Dockerfile that is proposed for it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from worker.sources.detect import Detected, detect, detect_at, generated_dockerfile

from .conftest import MakeMirror, MakeRepo, as_project

FLASK = "from flask import Flask\n\napp = Flask(__name__)\n\nif __name__ == '__main__':\n    app.run(host='0.0.0.0', port=5000)\n"
MANAGE = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"


def found(files: Mapping[str, str]) -> Detected:
    """What is recognised in these files."""
    detected = detect(*as_project(files))
    assert detected is not None
    return detected


@pytest.mark.parametrize(
    ("files", "framework", "port", "command", "install"),
    [
        ({"requirements.txt": "Flask==3\n", "app.py": FLASK}, "Flask", 5000, "flask --app app:app run --host 0.0.0.0 --port 5000", "requirements"),
        ({"requirements.txt": "flask\ngunicorn\n", "main.py": "web = Flask('x')\nweb.run(port=8081)"},
            "Flask", 8081, "gunicorn --bind 0.0.0.0:8081 main:web", "requirements"),
        ({"requirements.txt": "flask\ngunicorn", "app.py": "def create_app():\n"},
            "Flask", 5000, "gunicorn --bind 0.0.0.0:5000 app:create_app()", "requirements"),
        ({"requirements.txt": "fastapi\nuvicorn", "main.py": "app: FastAPI = FastAPI()"},
            "FastAPI", 8000, "uvicorn main:app --host 0.0.0.0 --port 8000", "requirements"),
        ({"requirements.txt": "django\ngunicorn", "manage.py": MANAGE}, "Django", 8000, "gunicorn --bind 0.0.0.0:8000 shop.wsgi", "requirements"),
        ({"requirements.txt": "-r base.txt\ndjango", "manage.py": MANAGE}, "Django", 8000, "python manage.py runserver 0.0.0.0:8000", "requirements with more"),
        ({"pyproject.toml": "[tool.poetry]\n", "app.py": "x"}, "", 8000, "python app.py", "poetry"),
        ({"pyproject.toml": "[project]\n", "uv.lock": "", "main.py": "port=os.environ.get('PORT', 9000)"}, "", 9000, "python main.py", "uv"),
        ({"pyproject.toml": "[project]\n", "main.py": ""}, "", 8000, "python main.py", "package"),
        ({"Pipfile": "", "Pipfile.lock": "", "server.py": ""}, "", 8000, "python server.py", "pipenv"),
        ({"app.py": FLASK}, "Flask", 5000, "flask --app app:app run --host 0.0.0.0 --port 5000", ""),
    ],
)  # fmt: skip
def test_python(files: dict[str, str], framework: str, port: int, command: str, install: str) -> None:
    detected = found(files)
    assert detected.kind == "python"
    assert (detected.framework, detected.port, " ".join(detected.command), detected.install) == (framework, port, command, install)  # fmt: skip
    assert detected.reasons


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        (".python-version", "3.11.4\n", "3.11"),
        ("runtime.txt", "python-3.9.18", "3.9"),
        ("pyproject.toml", '[project]\nrequires-python = ">=3.10,<4"\n', "3.10"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.13"\n', "3.13"),
        ("Pipfile", '[requires]\npython_version = "3.8"\n', "3.8"),
        ("README.md", "python 2.7", "3.12"),
    ],
)
def test_pythons_version(name: str, text: str, version: str) -> None:
    detected = found({"requirements.txt": "x", name: text})
    assert detected.version == version
    assert f"FROM python:{version}-slim\n" in generated_dockerfile(detected)


@pytest.mark.parametrize(
    ("package", "others", "framework", "port", "command", "install"),
    [
        ({"scripts": {"start": "node x"}, "dependencies": {"express": "4"}}, {"package-lock.json": "", "server.js": "app.listen(4000)"},
            "Express", 4000, "npm start", "npm"),
        ({"main": "src/index.js"}, {"yarn.lock": ""}, "", 3000, "node src/index.js", "yarn"),
        ({"scripts": {"build": "next build", "start": "next start"}, "dependencies": {"next": "15"}}, {"pnpm-lock.yaml": ""},
            "Next.js", 3000, "npm start", "pnpm"),
        ({"scripts": {"build": "vite build"}, "devDependencies": {"vite": "6"}}, {"package-lock.json": ""}, "static pages", 8080, "", "npm"),
        ({"scripts": {"build": "x", "start": "x"}, "dependencies": {"react-scripts": "5"}}, {}, "static pages", 8080, "", "npm without lock"),
        ({}, {"index.js": "const port = process.env.PORT || 5050"}, "", 5050, "node index.js", "npm without lock"),
    ],
)  # fmt: skip
def test_node(
    package: dict[str, object], others: dict[str, str], framework: str, port: int, command: str, install: str
) -> None:
    detected = found({"package.json": json.dumps(package), **others})
    assert detected.kind == "node"
    assert (detected.framework, detected.port, " ".join(detected.command), detected.install) == (framework, port, command, install)  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"x"', '{"scripts": [], "engines": "x", "dependencies": null, "main": 7}']
)
def test_a_broken_package_json_is_no_obstacle(text: str) -> None:
    assert generated_dockerfile(found({"package.json": text})).startswith("# Proposed by Estiva for a node project.")


@pytest.mark.parametrize(
    ("files", "version", "package", "port"),
    [
        ({"go.mod": "module x\n\ngo 1.23.1\n", "main.go": 'http.ListenAndServe(":9090", nil)'}, "1.23", ".", 9090),
        ({"go.mod": "module x\ngo 1.22\n", "go.sum": "", "cmd/shop/main.go": "", "cmd/tool/x.go": ""}, "1.22", "./cmd/shop", 8080),
        ({"go.mod": "module x\n", "cmd/a/main.go": "", "cmd/b/main.go": ""}, "1.24", "./cmd/a", 8080),
        ({"go.mod": "module x\n"}, "1.24", ".", 8080),
    ],
)  # fmt: skip
def test_go(files: dict[str, str], version: str, package: str, port: int) -> None:
    detected = found(files)
    assert (detected.kind, detected.version, detected.build, detected.port) == ("go", version, package, port)
    assert f"go build -trimpath -o /out/app {package}\n" in generated_dockerfile(detected)


@pytest.mark.parametrize(
    ("files", "folder"), [({"index.html": ""}, "."), ({"public/index.html": "", "x": ""}, "public")]
)
def test_static_pages(files: dict[str, str], folder: str) -> None:
    detected = found(files)
    assert (detected.kind, detected.build, detected.port) == ("static", folder, 8080)
    assert f"COPY {folder} /usr/share/nginx/html\n" in generated_dockerfile(detected)


@pytest.mark.parametrize("files", [{}, {"README.md": ""}, {"Cargo.toml": "", "src/main.rs": ""}, {"pom.xml": ""}])
def test_nothing_is_guessed_from_nothing(files: dict[str, str]) -> None:
    assert detect(*as_project(files)) is None


def test_two_kinds_at_once_are_a_doubt() -> None:
    detected = found({"requirements.txt": "django", "manage.py": MANAGE, "package.json": "{}", "index.html": ""})
    assert detected.kind == "python"
    assert any("also looks like a node project" in doubt for doubt in detected.doubts)


def test_the_storys_own_application() -> None:
    text = generated_dockerfile(
        found({"requirements.txt": "Flask==2.2.5\n", "runtime.txt": "python-3.7.9", "app.py": FLASK})
    )
    lines = text.splitlines()
    order = [
        "FROM python:3.7-slim",
        "COPY requirements.txt ./",
        "RUN pip install --no-cache-dir --requirement requirements.txt",
        "COPY . .",
        "USER app",
        "EXPOSE 5000",
        'CMD ["flask", "--app", "app:app", "run", "--host", "0.0.0.0", "--port", "5000"]',
    ]
    assert [line for line in lines if line in order] == order
    assert "# - There is requirements.txt." in lines
    assert any(line.startswith("# - To check: Flask's own server is meant for development") for line in lines)


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "x"}, {"pyproject.toml": "", "uv.lock": ""}, {"package.json": '{"scripts": {"build": "x"}}'},
        {"go.mod": "module x"},
    ],
)  # fmt: skip
def test_no_proposal_runs_as_root(files: dict[str, str]) -> None:
    lines = generated_dockerfile(found(files)).splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    assert [line for line in lines[last:] if line.startswith("USER ") and line != "USER root"]


def test_a_commit_is_looked_at(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"web/requirements.txt": "flask", "web/app.py": FLASK, "web/setup.py": "x" * 600_000})
    mirror = make_mirror(repo)
    commit = mirror.resolve("main")
    detected = detect_at(mirror, commit, "web")
    assert detected is not None
    assert detected.framework == "Flask"
    assert detect_at(mirror, commit) is None
