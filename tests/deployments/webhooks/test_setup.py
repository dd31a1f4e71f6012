"""What people copy works as it stands: the script is run, against a server that checks what it sent."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from deployments.webhooks import reading, setup
from deployments.webhooks.push import Push
from deployments.webhooks.request import WebhookRequest

SECRET = "estiva_gull-Harbour_71"


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl")
@pytest.mark.parametrize(
    ("branch", "tag", "ref"),
    [
        ("release/2", "", "release/2"),
        ("", "2.4.2", "2.4.2"),
        ("", "", "main"),
        ("release/*", "v*", "main"),
        ("'$(id)'", "", "main"),
    ],
)
def test_the_script_is_let_in(tmp_path: Path, branch: str, tag: str, ref: str) -> None:
    taken: list[WebhookRequest] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            taken.append(WebhookRequest(headers, body, time.time()))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        script = tmp_path / "call.sh"
        address = f"http://127.0.0.1:{server.server_port}/hooks/x"
        script.write_text(setup.snippet("plain", address, SECRET, branch=branch, tag=tag))
        done = subprocess.run(["sh", str(script)], capture_output=True, text=True, timeout=20, check=False)
        thread.join(20)
    assert (done.returncode, done.stderr) == (0, "")
    (push,) = reading.authenticate("plain", taken[0], SECRET).read()
    assert isinstance(push, Push)
    assert push.ref == ref


def test_a_registry_is_told_address_and_secret() -> None:
    said = setup.snippet("registry", "https://deploy.example.com/hooks/x", SECRET)
    assert "url: https://deploy.example.com/hooks/x\n" in said
    assert f"Authorization: [Bearer {SECRET}]\n" in said


def test_where_a_form_is_filled_in_there_is_nothing_to_copy() -> None:
    assert setup.snippet("github", "https://deploy.example.com/hooks/x") == ""


def test_without_the_secret_a_placeholder_stands_for_it() -> None:
    assert setup.PLACEHOLDER in setup.snippet("plain", "https://deploy.example.com/hooks/x")
