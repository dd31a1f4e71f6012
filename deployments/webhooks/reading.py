"""From a request to what it says: first its secret, over the bytes as they came, then its JSON. Pure."""

from dataclasses import dataclass
from types import ModuleType
from typing import Final

from deployments.webhooks import gitea, github, gitlab, plain, registry
from deployments.webhooks.push import Received
from deployments.webhooks.request import WebhookRequest

BODY_LIMIT: Final = 1_000_000
"""Bytes; whoever receives holds it before reading any further."""

_KINDS: Final[dict[str, ModuleType]] = {each.KIND: each for each in (github, gitlab, gitea, registry, plain)}


@dataclass(frozen=True, slots=True)
class Authentic:
    """A request that bears the hook's secret. `proof` is the same for the same content sent again under another
    number, "" where the kind signs nothing."""

    kind: str
    request: WebhookRequest
    proof: str

    def read(self) -> tuple[Received, ...]:
        """What it says, mostly one thing; Malformed."""
        received: tuple[Received, ...] = _KINDS[self.kind].read(self.request)
        return received


def authenticate(kind: str, request: WebhookRequest, secret: str) -> Authentic:
    """Unauthentic unless the request bears the secret, in constant time."""
    return Authentic(kind, request, _KINDS[kind].verify(request, secret))
