"""Dockerfiles that are proposed: small base, dependencies before code so that their layer is reused, no root at run time."""

import json

from worker.sources.project import Detected

USER_ID = 10001
_NGINX = "nginxinc/nginx-unprivileged:1.27-alpine"
_GO_RUNTIME = "alpine:3.21"
_PAGES = "/usr/share/nginx/html"
_DEPENDENCIES = "# Dependencies first: this layer is used again as long as they stay the same."
# How each way of installing begins (what it copies) and what it runs, before and after the code is there.
_PYTHON: dict[str, tuple[list[str], list[str]]] = {
    "": ([], []),
    "requirements": (["COPY requirements.txt ./", "RUN pip install --no-cache-dir --requirement requirements.txt"], []),
    "requirements with more": ([], ["RUN pip install --no-cache-dir --requirement requirements.txt"]),
    "uv": (
        ["RUN pip install --no-cache-dir uv", "COPY pyproject.toml uv.lock ./",
         "RUN uv sync --frozen --no-dev --no-install-project", "ENV PATH=/app/.venv/bin:$PATH"],
        [],
    ),
    "poetry": (
        ["RUN pip install --no-cache-dir poetry", "COPY pyproject.toml poetry.loc[k] ./",
         "RUN poetry config virtualenvs.create false && poetry install --only main --no-root --no-interaction"],
        [],
    ),
    "pipenv": (["RUN pip install --no-cache-dir pipenv", "COPY Pipfile Pipfile.lock ./", "RUN pipenv install --system --deploy"], []),
    "pipenv without lock": (["RUN pip install --no-cache-dir pipenv", "COPY Pipfile ./", "RUN pipenv install --system --skip-lock"], []),
    "package": ([], ["RUN pip install --no-cache-dir ."]),
}  # fmt: skip
_NODE = {
    "npm": ("package-lock.json", "npm ci", "npm prune --omit=dev"),
    "npm without lock": ("", "npm install", "npm prune --omit=dev"),
    "yarn": ("yarn.lock", "corepack enable && yarn install --frozen-lockfile", ""),
    "pnpm": ("pnpm-lock.yaml", "corepack enable && pnpm install --frozen-lockfile", ""),
}


def generated_dockerfile(detected: Detected) -> str:
    """A Dockerfile for somebody to review; its comments say what it rests on and what is a guess."""
    makers = {"python": _python, "node": _node, "go": _go, "static": _static}
    lines = makers[detected.kind](detected)
    return "\n".join([*_preface(detected), *lines]) + "\n"


def _preface(detected: Detected) -> list[str]:
    what = f"{detected.kind} project{f' ({detected.framework})' if detected.framework else ''}"
    said = [*detected.reasons, *(f"To check: {doubt}" for doubt in detected.doubts)]
    return [
        f"# Proposed by Estiva for a {what}. Review it before you accept it.",
        *(f"# - {each}" for each in said),
        "",
    ]


def _python(detected: Detected) -> list[str]:
    before, after = _PYTHON[detected.install]
    return [
        f"FROM python:{detected.version}-slim",
        "",
        "ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1",
        f"RUN useradd --system --uid {USER_ID} --create-home app",
        "WORKDIR /app",
        "",
        *([_DEPENDENCIES, *before, ""] if before else []),
        "COPY . .",
        *after,
        "",
        "USER app",
        f"EXPOSE {detected.port}",
        _command(detected),
    ]


def _node(detected: Detected) -> list[str]:
    lock, install, prune = _NODE[detected.install]
    build = [
        f"FROM node:{detected.version}-slim AS build",
        "WORKDIR /app",
        "",
        _DEPENDENCIES,
        f"COPY package.json {lock + ' ' if lock else ''}./",
        f"RUN {install}",
        "",
        "COPY . .",
    ]
    if detected.framework == "static pages":
        return [*build, "RUN npm run build", "", f"FROM {_NGINX}", f"COPY --from=build /app/{detected.build} {_PAGES}",
                f"EXPOSE {detected.port}"]  # fmt: skip
    return [
        *build,
        *(["RUN npm run build"] if detected.build else []),
        *([f"RUN {prune}"] if prune else []),
        "",
        f"FROM node:{detected.version}-slim",
        f"ENV NODE_ENV=production PORT={detected.port}",
        "WORKDIR /app",
        "COPY --from=build --chown=node:node /app ./",
        "USER node",
        f"EXPOSE {detected.port}",
        _command(detected),
    ]


def _go(detected: Detected) -> list[str]:
    return [
        f"FROM golang:{detected.version} AS build",
        "WORKDIR /src",
        "",
        _DEPENDENCIES,
        f"COPY go.mod {'go.sum ' if detected.install else ''}./",
        "RUN go mod download",
        "",
        "COPY . .",
        f"RUN CGO_ENABLED=0 go build -trimpath -o /out/app {detected.build}",
        "",
        f"FROM {_GO_RUNTIME}",
        f"RUN adduser -S -D -u {USER_ID} app",
        f"COPY --from=build /out/app {detected.command[0]}",
        "USER app",
        f"EXPOSE {detected.port}",
        _command(detected),
    ]


def _static(detected: Detected) -> list[str]:
    return [f"FROM {_NGINX}", f"COPY {detected.build} {_PAGES}", f"EXPOSE {detected.port}"]


def _command(detected: Detected) -> str:
    return f"CMD {json.dumps(list(detected.command))}"
