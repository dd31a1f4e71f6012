"""ECR's tokens, against a stand-in that checks the signature by itself: AWS can't be reached from a test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re

import pytest

from tests.worker.registries.stand_in import Answer, Asked, as_json, serving
from worker.engine.spec import Secret
from worker.registries import ecr
from worker.registries.ecr import NoToken, Token, Tokens

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def signed_by(asked: Asked, secret: str) -> bool:
    """AWS Signature Version 4, from its description."""
    shown = asked.headers["Authorization"]
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})", shown
    )
    assert found
    scope, names, signature = found[1].partition("/")[2], found[2], found[3]
    lowered = {name.lower(): " ".join(value.split()) for name, value in asked.headers.items()}
    lines = "".join(f"{name}:{lowered[name]}\n" for name in names.split(";"))
    body = hashlib.sha256(asked.body).hexdigest()
    request = f"POST\n/\n\n{lines}\n{names}\n{body}"
    text = f"AWS4-HMAC-SHA256\n{lowered['x-amz-date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == signature


def aws(asked: Asked) -> Answer:
    if not signed_by(asked, SECRET):
        return 400, {}, json.dumps({"__type": "InvalidSignatureException"}).encode()
    assert asked.headers["X-Amz-Target"].endswith(".GetAuthorizationToken")
    assert "/eu-west-1/ecr/aws4_request" in asked.headers["Authorization"]
    token = base64.b64encode(b"AWS:a-token-of-twelve-hours").decode()
    return as_json({"authorizationData": [{"authorizationToken": token, "expiresAt": 1.7e9, "proxyEndpoint": HOST}]})


def test_access_keys_become_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(aws) as server:
        monkeypatch.setattr(ecr, "endpoint_of", lambda host: f"http://{server.address}/")
        token = ecr.fetch(HOST, KEY, Secret(SECRET))
        assert (token.username, token.password.reveal(), token.until) == ("AWS", "a-token-of-twelve-hours", 1.7e9)
        assert SECRET not in str(server.asked)
        with pytest.raises(NoToken, match="doesn't belong to this ID") as refused:
            ecr.fetch(HOST, KEY, Secret("another-secret"))
        assert "another-secret" not in repr(vars(refused.value))


@pytest.mark.parametrize("said", [{}, {"authorizationData": []}, {"authorizationData": [{"authorizationToken": "!"}]}])
def test_an_answer_that_is_none(monkeypatch: pytest.MonkeyPatch, said: object) -> None:
    with serving(lambda asked: as_json(said)) as server:
        monkeypatch.setattr(ecr, "endpoint_of", lambda host: f"http://{server.address}/")
        with pytest.raises(NoToken):
            ecr.fetch(HOST, KEY, Secret(SECRET))


def test_aws_is_where_the_host_says() -> None:
    assert ecr.endpoint_of(HOST) == "https://api.ecr.eu-west-1.amazonaws.com/"
    assert ecr.endpoint_of(f"{HOST}.cn") == "https://api.ecr.eu-west-1.amazonaws.com.cn/"


class Aws:
    """Gives tokens of twelve hours, or none."""

    def __init__(self) -> None:
        self.now, self.given, self.is_away = 0.0, 0, False

    def fetch(self, host: str, key: str, secret: Secret) -> Token:
        if self.is_away:
            raise NoToken("away", "wait")
        self.given += 1
        return Token("AWS", Secret(f"token-{self.given}"), self.now + 12 * 3600)


def test_a_token_is_renewed_before_it_ends() -> None:
    away = Aws()
    tokens = Tokens(away.fetch, lambda: away.now)

    def get(secret: str = SECRET) -> str:
        return tokens.get(HOST, KEY, Secret(secret)).password.reveal()

    assert [get(), get()] == ["token-1", "token-1"]
    away.now = 10 * 3600.0 - 1
    assert get() == "token-1"
    away.now += 2
    assert get() == "token-2"
    assert get("another") == "token-3"
    away.now += 11 * 3600
    away.is_away = True
    assert get() == "token-2"  # still good for an hour
    away.now += 2 * 3600
    with pytest.raises(NoToken):
        get()
