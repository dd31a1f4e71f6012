"""Amazon ECR: access keys become a token of some hours by one signed request; it is renewed before it ends."""

import base64
import binascii
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import requests
from requests_aws4auth import AWS4Auth

from deployments.registry_address import ecr_region
from worker.engine.spec import Secret

SPARE_SECONDS: Final = 2 * 3600.0  # what a token must still be good for: longer than one attempt takes
_TIMEOUT: Final = (5.0, 15.0)  # seconds to connect, and between two bytes of the answer
_TARGET: Final = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
_MOST: Final = 65_536

_EXPLANATIONS: Final = (
    ("UnrecognizedClient", "AWS doesn't know this access key.", "Check the access key's ID; it may have been deleted."),
    ("InvalidSignature", "The secret access key doesn't belong to this ID.", "Paste the secret access key again."),
    (
        "AccessDenied",
        "This access key may not ask for a token.",
        "Allow it the action ecr:GetAuthorizationToken, and reading the repository.",
    ),
    ("Expired", "The access key has expired.", "Make a new one and paste it; or the worker's clock is wrong."),
)


class NoToken(Exception):
    """There is no token to be had. For people, and without a secret in it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


@dataclass(frozen=True, slots=True)
class Token:
    """What signs in at the registry until `until` (seconds since 1970)."""

    username: str
    password: Secret
    until: float


def endpoint_of(host: str) -> str:
    """Where a registry's tokens are asked for."""
    end = ".cn" if host.endswith(".cn") else ""
    return f"https://api.ecr.{ecr_region(host)}.amazonaws.com{end}/"


def fetch(host: str, access_key: str, secret: Secret) -> Token:
    """A new token; NoToken where AWS doesn't give one."""
    signing = AWS4Auth(access_key, secret.reveal(), ecr_region(host), "ecr")
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": _TARGET}
    try:
        answer = requests.post(
            endpoint_of(host), data="{}", headers=headers, auth=signing, timeout=_TIMEOUT, allow_redirects=False
        )
        body = answer.content[:_MOST]
    except requests.RequestException as error:
        raise NoToken(
            f"The worker could not ask AWS for a token for {host}: {type(error).__name__}.",
            "Check that the worker's machine reaches the internet, also through a proxy.",
        ) from error
    if answer.status_code != 200:
        raise _refused(host, answer.status_code, body.decode("utf-8", "replace"))
    return _read(host, answer)


def _read(host: str, answer: requests.Response) -> Token:
    try:
        found: dict[str, Any] = answer.json()["authorizationData"][0]
        username, colon, password = base64.b64decode(found["authorizationToken"]).decode().partition(":")
        until = float(found["expiresAt"])
    except (ValueError, KeyError, IndexError, TypeError, binascii.Error) as error:
        raise NoToken(
            f"What AWS answered for {host} was not understood.", "Something else may answer in its place: a proxy?"
        ) from error
    if not colon or not password:
        raise NoToken(f"AWS gave an empty token for {host}.", "Try again.")
    return Token(username, Secret(password), until)


def _refused(host: str, status: int, said: str) -> NoToken:
    for word, why, remedy in _EXPLANATIONS:
        if word in said:
            return NoToken(f"AWS gave no token for {host}: {why}", remedy)
    return NoToken(f"AWS gave no token for {host}, it answered {status}.", "Check the access key and the region.")


class Tokens:
    """Those that this process has, by who asks. While one can't be renewed, the old one is good to its end."""

    def __init__(self, fetch: Callable[[str, str, Secret], Token], clock: Callable[[], float] = time.time) -> None:
        self._fetch, self._clock = fetch, clock
        self._known: dict[tuple[str, str, Secret], Token] = {}
        self._lock = threading.Lock()

    def get(self, host: str, access_key: str, secret: Secret) -> Token:
        """One that is good for SPARE_SECONDS more where that can be had; NoToken."""
        key = (host, access_key, secret)
        with self._lock:  # one asks, the others get the same
            self._known = {each: token for each, token in self._known.items() if token.until > self._clock()}
            known = self._known.get(key)
            if known is not None and known.until - self._clock() > SPARE_SECONDS:
                return known
            try:
                self._known[key] = self._fetch(host, access_key, secret)
            except NoToken:
                if known is not None:
                    return known
                raise
            return self._known[key]


tokens: Final = Tokens(lambda host, access_key, secret: fetch(host, access_key, secret))
"""The ones of this process."""
