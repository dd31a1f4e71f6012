"""What a click was answered with: the answer to the form alone counts, whatever becomes of the page that it leads to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from parts.faults.visitor import Visitor

ANSWERS = {
    "/plans/1/deploy": (302, "/deployments/7/"),
    "/plans/2/deploy": (302, "/plans/2/"),
    "/plans/3/deploy": (503, ""),
    "/plans/4/deploy": (0, ""),
}


class Answers(BaseHTTPRequestHandler):
    """Leads to Deployment 7, back to the plan, to nobody, or breaks off without a word."""

    asked: list[str]

    def do_POST(self) -> None:
        """As the path says."""
        Answers.asked.append(f"{self.path} {self.rfile.read(int(self.headers['Content-Length'])).decode()}")
        status, to = ANSWERS[self.path]
        if status:
            self.send_response(status)
            self.send_header("Location", to)
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    """At a dashboard that answers like that."""
    Answers.asked = []
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Visitor(f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
        thread.join()


def test_the_number_is_where_the_answer_leads(visitor: Visitor) -> None:
    assert visitor.press("/plans/1/", "f1") == (302, 7)
    assert Answers.asked == ["/plans/1/deploy csrfmiddlewaretoken=&fingerprint=f1"]


def test_no_other_answer_has_one(visitor: Visitor) -> None:
    assert visitor.press("/plans/2/", "f") == (302, None)
    assert visitor.press("/plans/3/", "f") == (503, None)


def test_no_answer_is_no_answer(visitor: Visitor) -> None:
    with pytest.raises((OSError, http.client.HTTPException)):
        visitor.press("/plans/4/", "f")
