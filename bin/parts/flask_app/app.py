"""The application people deploy first: a page, a health check, and what it is built from."""

import os
import signal
import sys
from pathlib import Path

from flask import Flask, Response

app = Flask(__name__)
VERSION = Path(__file__).with_name("VERSION").read_text().strip()
COMMIT = os.environ.get("COMMIT", "")


@app.get("/")
def page() -> str:
    return f"python-web-app {VERSION} {COMMIT}".strip() + "\n"


@app.get("/healthz")
def health() -> Response:
    if os.environ.get("UNHEALTHY"):
        return Response("the database cannot be reached\n", 503)
    return Response("ok\n")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app.run(host="0.0.0.0", port=5000)  # noqa: S104 - published by Docker
