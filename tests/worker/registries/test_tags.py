"""Tags: newest first with what is known of them, and no password to anybody but the registry."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

import pytest

from tests.worker.registries.stand_in import Answer, Asked, Images, StandIn, as_json, serving
from worker.engine.build_events import RegistryAuth
from worker.engine.spec import Secret
from worker.registries.client import RegistryClient, RegistryRefused
from worker.registries.tags import find

AUTH = RegistryAuth("ci", Secret("hush-hush-0815"))
BASIC = "Basic " + base64.b64encode(b"ci:hush-hush-0815").decode()


@pytest.fixture
def images() -> Images:
    found = Images("team/shop")
    found.add("1.9.0", "2026-01-02T00:00:00Z", size=100)
    found.add("1.10.0", "2026-03-02T00:00:00.123456789Z", size=200, platforms=("linux/arm64", "linux/amd64"))
    found.add("latest", "2026-03-02T00:00:01+01:00")
    found.add("reproducible", "1970-01-01T00:00:00Z")
    return found


def client(of: StandIn, auth: RegistryAuth | None = None) -> RegistryClient:
    return RegistryClient(of.address, "team/shop", auth, "", time.monotonic() + 10)


@pytest.fixture
def anybodys(images: Images) -> Iterator[StandIn]:
    with serving(images.answer) as found:
        yield found


def test_newest_first_with_digest_age_size_and_platforms(anybodys: StandIn) -> None:
    found = find(client(anybodys), 10)
    assert [each.name for each in found.tags] == ["1.10.0", "latest", "1.9.0", "reproducible"]
    newest = found.tags[0]
    assert (newest.platforms, newest.size) == (("linux/arm64", "linux/amd64"), 210)
    assert newest.created == "2026-03-02T00:00:00+00:00"
    assert newest.digest.startswith("sha256:")
    assert found.tags[-1].created == ""
    assert (found.is_complete, list(found.names), found.total) == (True, [], 4)


def test_of_many_those_that_are_probably_newest_are_looked_at(anybodys: StandIn) -> None:
    found = find(client(anybodys), 10, most=2)
    assert [each.name for each in found.tags] == ["1.10.0", "latest"]
    assert (list(found.names), found.is_complete) == (["1.9.0", "reproducible"], False)


def test_without_time_there_are_names(anybodys: StandIn) -> None:
    found = find(client(anybodys), -1)
    assert (len(found.tags), len(found.names), found.total) == (0, 4, 4)


def test_odd_manifests_and_names_spoil_nothing(images: Images, anybodys: StandIn) -> None:
    images.tags["odd"] = b'{"schemaVersion": 1, "fsLayers": []}'
    images.tags["broken"] = b"<html>"
    images.tags["$(touch /tmp/canary)"] = b"{}"
    images.tags["far"] = b'{"config": {"digest": "../../etc/passwd", "size": 1}, "layers": []}'
    found = find(client(anybodys), 10)
    names = {each.name for each in found.tags} | set(found.names)
    assert {"odd", "broken", "far", "1.9.0"} <= names
    assert not any("canary" in each for each in names)
    assert not any("passwd" in each.path for each in anybodys.asked)


def test_a_list_of_several_pages(images: Images) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path.startswith("/v2/team/shop/tags/list?n=1000"):
            return as_json({"tags": ["1.9.0"]}, Link='</v2/team/shop/tags/list?last=1.9.0&n=1000>; rel="next"')
        if asked.path.startswith("/v2/team/shop/tags/list?last"):
            return as_json({"tags": ["latest"]}, Link='</v2/other/tags/list?n=1>; rel="next"')
        return images.answer(asked)

    with serving(answer) as registry:
        assert {each.name for each in find(client(registry), 10).tags} == {"1.9.0", "latest"}
        assert not any("other" in each.path for each in registry.asked)


def test_a_password_by_basic(images: Images) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.headers.get("Authorization") != BASIC:
            return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b""
        return images.answer(asked)

    with serving(answer) as registry:
        assert find(client(registry, AUTH), 10).total == 4
        assert registry.authorizations[0] == ""
        with pytest.raises(RegistryRefused, match="does not let somebody without a password read"):
            find(client(registry), 10)
        with pytest.raises(RegistryRefused, match="does not let the user ci read") as refused:
            find(client(registry, RegistryAuth("ci", Secret("another-password"))), 10)
        assert "another-password" not in repr(vars(refused.value))


def test_a_token_for_the_password(images: Images) -> None:
    """The registry's token server is asked as somebody, the registry itself sees the token alone."""
    realm = ""

    def answer(asked: Asked) -> Answer:
        if asked.path.startswith("/token"):
            ok = asked.headers.get("Authorization") == BASIC and "scope=repository:team/shop:pull" in asked.path
            return as_json({"token": "tok.en"}) if ok else (401, {}, b"")
        if asked.headers.get("Authorization") != "Bearer tok.en":
            return 401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="reg",scope="x"'}, b""
        return images.answer(asked)

    with serving(answer) as registry:
        realm = f"http://{registry.address}/token"
        assert find(client(registry, AUTH), 10).total == 4
        assert registry.authorizations.count(BASIC) == 1


def test_a_foreign_realm_gets_no_password(images: Images) -> None:
    with serving(lambda asked: as_json({"token": "x"})) as thief:

        def answer(asked: Asked) -> Answer:
            return 401, {"WWW-Authenticate": f'Bearer realm="http://{thief.address}/token"'}, b""

        with serving(answer) as registry, pytest.raises(RegistryRefused, match="without https"):
            find(client(registry, AUTH), 10)
        assert thief.asked == []


@pytest.mark.parametrize(
    ("host", "realm", "wanted"),
    [
        ("docker.io", "https://auth.docker.io/token", True),
        ("registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("ghcr.io", "https://ghcr.io/token", True),
        ("registry.example.com:5000", "https://registry.example.com/token", True),
        ("registry.example.com", "https://example.com.evil.test/token", False),
        ("registry.example.com", "https://evil.test/token", False),
        ("registry.example.co.uk", "https://evil.co.uk/token", False),
        ("registry.example.co.uk", "https://auth.example.co.uk/token", True),
        ("example.com.br", "https://evil.com.br/token", False),
        ("10.0.0.5:5000", "https://11.1.0.5/token", False),
        ("localhost:5000", "https://evil.test/token", False),
    ],
)
def test_whose_token_server_it_is(host: str, realm: str, wanted: bool) -> None:
    asking = RegistryClient(host, "team/shop", AUTH, "", time.monotonic() + 10)
    assert asking._is_the_registrys(realm) is wanted
    asking.close()


def test_a_redirect_elsewhere_gets_no_password_and_no_plain_http(images: Images) -> None:
    with serving(lambda asked: as_json({})) as elsewhere:

        def answer(asked: Asked) -> Answer:
            if asked.headers.get("Authorization") != BASIC:
                return 401, {"WWW-Authenticate": "Basic"}, b""
            return 307, {"Location": f"http://{elsewhere.address}/v2/x"}, b""

        with serving(answer) as registry, pytest.raises(RegistryRefused, match="without https"):
            find(client(registry, AUTH), 10)
        assert elsewhere.asked == []


def test_nobody_answers() -> None:
    with serving(lambda asked: as_json({})) as registry:
        gone = client(registry)
    with pytest.raises(RegistryRefused, match="does not reach") as refused:
        find(gone, 10)
    assert "servers only" in refused.value.why


def test_an_endless_answer_is_broken_off() -> None:
    with (
        serving(lambda asked: (200, {}, b"[" * (5 << 20))) as registry,
        pytest.raises(RegistryRefused, match="too long"),
    ):
        find(client(registry), 10)
