"""Asking a registry from the worker, to read: its token dance, its own CA, and no credential to anybody else."""

import base64
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from deployments.image_reference import DOCKER_HUB
from deployments.registry_address import is_loopback
from worker.engine.build_events import RegistryAuth

_HUB: Final = "registry-1.docker.io"
_TIMEOUT: Final = (5.0, 10.0)  # seconds to connect, and between two bytes of the answer
_LARGEST: Final = 4 << 20  # bytes of one answer
_REDIRECTS: Final = 3
_SECOND_LEVEL: Final = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "mil", "ne", "net", "nom", "or", "org"})
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')


class RegistryRefused(Exception):
    """The registry doesn't answer, or not with what was asked for; for people, without a secret in it."""

    def __init__(self, message: str, *, why: str = "", remedy: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.message, self.why, self.remedy, self.status = message, why, remedy, status


def _domain(host: str) -> list[str]:
    """What one has registered: `example.com`, or `example.co.uk`, since below `co.uk` everybody has names."""
    labels = host.split(".")
    below_anybodys = len(labels) > 1 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return labels[-3:] if below_anybodys else labels[-2:]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class RegistryClient:
    """GETs about one repository (`team/app`) of a registry, as somebody or as anybody, until `until` (monotonic seconds)."""

    def __init__(self, host: str, repository: str, auth: RegistryAuth | None, ca: str, until: float) -> None:
        self.host, self.repository = host, repository
        self._auth, self._until = auth, until
        self._base = f"https://{_HUB if host == DOCKER_HUB else host}"
        self._allowed = ""  # the Authorization header once it is known
        self._http = requests.Session()
        self._http.trust_env = False  # no netrc of the worker's
        self._http.proxies = dict(get_environ_proxies(self._base))
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if ca:
            self._http.mount("https://", _OwnCa(ca))

    def get(self, path: str, *, accept: str = "") -> Answer:
        """A path below `/v2/`; RegistryRefused where it isn't answered with 200."""
        headers = {"Accept": accept} if accept else {}
        answer = self._send(f"{self._base}/v2/{path}", {**headers, **self._authorization()})
        if answer.status == 401 and not self._allowed:
            self._allowed = self._challenged(answer.headers.get("WWW-Authenticate", ""))
            answer = self._send(f"{self._base}/v2/{path}", {**headers, **self._authorization()})
        if answer.status != 200:
            raise self._refusal(answer)
        return answer

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": self._allowed} if self._allowed else {}

    def _challenged(self, challenge: str) -> str:
        """What the registry asks for, as a header: our password itself, or a token for it."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            return _basic(self._auth) if self._auth is not None else ""
        if scheme.lower() != "bearer":
            return ""
        asked = dict(_PARAMETER.findall(rest))
        realm = asked.get("realm", "")
        known = self._auth is not None and self._is_the_registrys(realm)
        wanted = {"service": asked.get("service", ""), "scope": f"repository:{self.repository}:pull"}
        query = "&".join(f"{name}={quote(value, safe=':/')}" for name, value in wanted.items() if value)
        if not realm.startswith(("https://", f"{self._base}/")):
            raise self._not_understood("it sends us to an address for tokens without https")
        mark = "&" if "?" in realm else "?"
        headers = {"Authorization": _basic(self._auth)} if known and self._auth is not None else {}
        answer = self._send(f"{realm}{mark}{query}", headers, redirects=0)
        if answer.status != 200:
            raise self._refusal(answer)
        found = read_json(answer.body, self.host)
        token = found.get("token") or found.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise self._not_understood("its token")
        return f"Bearer {token}"

    def _is_the_registrys(self, realm: str) -> bool:
        """A password goes to the registry's own host or its neighbours (auth.example.com of registry.example.com) alone."""
        here, there = _name(self._base), _name(realm)
        if here == there:
            return True
        if not here or not there or here.replace(".", "").isdigit():
            return False
        return "." in here and _domain(here) == _domain(there)

    def _send(self, url: str, headers: Mapping[str, str], *, redirects: int = _REDIRECTS) -> Answer:
        """GET. Another host gets no credential, and plain http nothing at all."""
        answer = self._once(url, headers)
        for _ in range(redirects):
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            target = urljoin(url, answer.headers.get("Location", ""))
            if not target.startswith(("https://", f"{self._base}/")):
                raise self._not_understood("it sends us to an address without https")
            if _origin(target) != _origin(url):
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url, answer = target, self._once(target, headers)
        return answer

    def _once(self, url: str, headers: Mapping[str, str]) -> Answer:
        left = self._until - time.monotonic()
        if left <= 0:
            raise RegistryRefused(
                f"{self.host} was too slow.",
                why="The registry, or the network between it and the worker, takes too long.",
                remedy="Try again, or type the tag.",
            )
        try:
            return self._read(url, headers, min(left, _TIMEOUT[1]))
        except requests.exceptions.SSLError as error:
            is_plain = "CERTIFICATE" not in str(error) and self._base.startswith("https:")
            if is_loopback(self.host) and is_plain:
                self._base = f"http://{self.host}"  # as engines do with a registry on their own machine
                return self._once(url.replace("https:", "http:", 1), headers)
            raise RegistryRefused(
                f"The worker does not trust the certificate of {self.host}.",
                why="It was issued by a CA that is not public, or for another name.",
                remedy="Paste the CA's certificate under Servers, Registries.",
            ) from error
        except (requests.RequestException, UnicodeError) as error:
            raise RegistryRefused(
                f"The worker does not reach {self.host}.",
                why=f"{type(error).__name__}: it may be reached from the servers only, which is enough to deploy.",
                remedy="Type the tag, or let the worker's machine reach the registry.",
            ) from error

    def _read(self, url: str, headers: Mapping[str, str], seconds: float) -> Answer:
        timeout = (min(seconds, _TIMEOUT[0]), seconds)
        with self._http.get(
            url, headers=dict(headers), timeout=timeout, allow_redirects=False, stream=True
        ) as response:
            body = b""
            for piece in response.iter_content(65_536):
                body += piece
                if len(body) > _LARGEST or time.monotonic() > self._until:
                    raise self._not_understood("its answer is too long, or comes too slowly")
            return Answer(response.status_code, response.headers, body)

    def _refusal(self, answer: Answer) -> RegistryRefused:
        if answer.status in (401, 403):
            who = f"the user {self._auth.username}" if self._auth is not None else "somebody without a password"
            return RegistryRefused(
                f"{self.host} does not let {who} read {self.repository}.",
                why="The password or token is wrong or has expired, or it may not read this image.",
                remedy="An admin looks at it under Servers, Registries.",
                status=answer.status,
            )
        if answer.status == 404:
            return RegistryRefused(
                f"{self.host} has no {self.repository}.",
                why="The name is misspelt, or nothing was pushed under it yet.",
                remedy="Check the image's name.",
                status=404,
            )
        return RegistryRefused(
            f"{self.host} answered {answer.status}.",
            why="The registry has trouble of its own, or limits how often it may be asked.",
            remedy="Try again in a while.",
            status=answer.status,
        )

    def _not_understood(self, what: str) -> RegistryRefused:
        return RegistryRefused(
            f"What {self.host} answers is not understood: {what}.",
            why="Something other than a registry answers there, such as a proxy's page.",
            remedy="Check the host.",
        )


class _OwnCa(HTTPAdapter):
    """Trusts this CA besides the public ones."""

    def __init__(self, pem: str) -> None:
        self._context = ssl.create_default_context()
        self._context.load_verify_locations(cadata=pem)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **{**kwargs, "ssl_context": self._context})


def read_json(body: bytes, host: str) -> dict[str, Any]:
    """An object; RegistryRefused for anything else."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RegistryRefused(
            f"What {host} answers is no JSON.",
            why="Something other than a registry answers there, such as a proxy's page.",
            remedy="Check the host.",
        )
    return found


def _basic(auth: RegistryAuth) -> str:
    return "Basic " + base64.b64encode(f"{auth.username}:{auth.password.reveal()}".encode()).decode()


def _name(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
