"""A registry's token service: a token is asked for, is good for a moment, and then really isn't any more.

Docker's client takes every token to be good for a minute at least, whatever it is told, counted from when it is said to be issued. So
there are two of these: one whose tokens are told to be as old as makes the client ask for the next one in time, and one that says the truth in
the words it has (`expires_in`), which the client doesn't believe.
"""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

PATH: Final = "/token"
SERVICE: Final = "gate"
BELIEVED_SECONDS: Final = 60  # the least that Docker's client believes
GRACE: Final = 1.0  # how much longer they are good than a client that believes it thinks


class Tokens:
    """Tokens good for `seconds`. `believed`: told so that the client renews them by itself."""

    def __init__(self, seconds: float, *, believed: bool) -> None:
        self._seconds, self._believed = seconds, believed
        self._given: dict[str, float] = {}
        self._lock = threading.Lock()
        self._layer_at = 0.0  # when the first layer was let through
        self.layers = 0  # that were let through
        self.lapsed = 0  # refused for a token that had been good, once a layer had come
        self.renewed = 0  # asked for once a layer had come

    def give(self) -> dict[str, Any]:
        """The service's answer: a new one."""
        token, now = secrets.token_urlsafe(), datetime.now(UTC)
        with self._lock:
            self._given[token] = time.monotonic()
            self.renewed += bool(self._layer_at)
        if self._believed:
            issued, lasts = now + timedelta(seconds=self._seconds - BELIEVED_SECONDS), BELIEVED_SECONDS
        else:
            issued, lasts = now, max(1, int(self._seconds))
        told = issued.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"token": token, "access_token": token, "expires_in": lasts, "issued_at": told}

    def admits(self, authorization: str, path: str) -> bool:
        """Whether who asks for this path with this header is let through."""
        kind, _, token = authorization.partition(" ")
        now, layer = time.monotonic(), "/blobs/" in path
        with self._lock:
            given = self._given.get(token) if kind.lower() == "bearer" else None
            good = given is not None and now - given < self._seconds + (GRACE if self._believed else 0.0)
            if good and layer:
                self._layer_at = self._layer_at or now
                self.layers += 1
            self.lapsed += not good and given is not None and bool(self._layer_at)
        return good

    def challenge(self, address: str, path: str) -> str:
        """What the registry answers who has none: where to get one. `address` is its own, host:port."""
        asked = f'Bearer realm="http://{address}{PATH}",service="{SERVICE}"'
        name = path.removeprefix("/v2/").partition("/manifests/")[0].partition("/blobs/")[0].strip("/")
        return f'{asked},scope="repository:{name}:pull"' if name else asked
