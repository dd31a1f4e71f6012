"""A build's request and answer as bytes: nothing that somebody typed becomes a line or a parameter of its own."""

import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connections.build_http import Messages, request_head
from worker.engine.build_events import BuildRequest, RegistryAuth
from worker.engine.spec import Secret

TYPED = st.text(max_size=30) | st.sampled_from(
    ["a\r\nX: y", "$(id)", "&nocache=1", "`id`", "%0d%0a", "../../etc", "ü ?#"]
)


def parameters(head: bytes) -> list[tuple[str, str]]:
    first, *others = head.decode("ascii").split("\r\n")
    method, target, version = first.split(" ")
    assert (method, version) == ("POST", "HTTP/1.1")
    assert others == [
        "Host: docker",
        "User-Agent: estiva",
        "Connection: close",
        "Content-Type: application/x-tar",
        "Transfer-Encoding: chunked",
        "",
        "",
    ]
    path, _, query = target.partition("?")
    assert path == "/v1.41/build"
    return urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="surrogatepass")


@given(TYPED, TYPED, TYPED, TYPED, st.dictionaries(TYPED, TYPED, max_size=3), st.dictionaries(TYPED, TYPED, max_size=3))
def test_whatever_was_typed_stays_a_value(
    dockerfile: str, target: str, platform: str, tag: str, args: dict[str, str], labels: dict[str, str]
) -> None:
    asked = BuildRequest("id", dockerfile, target, tuple(args.items()), {}, platform, labels, (tag, "b:1"))
    found = parameters(request_head("1.41", asked, "session"))
    wanted = [("version", "2"), ("buildid", "id"), ("session", "session"), ("dockerfile", dockerfile)]
    wanted += [("labels", json.dumps(labels)), ("buildargs", json.dumps(args)), ("t", tag), ("t", "b:1")]
    wanted += [("target", target)] if target else []
    wanted += [("platform", platform)] if platform else []
    assert found == wanted


def test_what_is_asked_for_and_what_is_not_said() -> None:
    asked = BuildRequest(
        "id",
        no_cache=True,
        pull=True,
        secrets={"npm": Secret("hush")},
        registry_auth={"r.test": RegistryAuth("ann", Secret("hush"))},
    )
    head = request_head("1.41", asked, "session")
    assert {("nocache", "1"), ("pull", "1")} <= set(parameters(head))
    assert b"hush" not in head
    assert b"npm" not in head
    assert b"ann" not in head


def test_messages_come_in_any_pieces() -> None:
    wire = b'{"id":"a","aux":"x"}\r\n\r\n{"error":"no\\nline"}\r\n'
    for size in range(1, len(wire) + 1):
        messages = Messages()
        found = [each for at in range(0, len(wire), size) for each in messages.feed(wire[at : at + size])]
        assert found == [{"id": "a", "aux": "x"}, {"error": "no\nline"}]


@pytest.mark.parametrize("wire", [b"not json\n", b"[1]\n", b'"text"\n'])
def test_anything_else_is_refused(wire: bytes) -> None:
    with pytest.raises(ValueError):
        Messages().feed(wire)
