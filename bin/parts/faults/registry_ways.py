"""The ways in which a registry of row 16 fails, what has to be told of each, and an image that is long on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from parts.faults.causes import Cause
from parts.faults.gate import Rule, after, always
from parts.faults.images import REPOSITORY, Page, Pushed

PULL_SECONDS: Final = 6.0  # instead of half an hour
PIECES, PIECE, PIECE_RATE = 6, 60_000, 12_000  # layers, each on its way for longer than a token is good, three at once
NO_ANSWER: Final = Cause(
    "the registry answers 500",
    what=r"received unexpected HTTP status: 500",
    why=r"registry itself|^Preflight found it",  # what preflight found says why in the finding
    remedy=r"that the registry is up|the registry's own log",
)
REFUSED: Final = Cause(
    "the registry refuses the token",
    what=r"unauthorized: ",
    why=r"The registry refuses this server",
    remedy=r"credentials|with a user and a token",
)
SPOILT: Final = Cause(
    "what the registry sends isn't what was meant",
    what=r"verification failed for digest",
    why=r"isn't what its digest says",
    remedy=r"mirror",
)
GONE: Final = Cause(
    "the registry has it no more",
    what=r"The registry has no such tag or digest",
    why=r"^Preflight found it",
    remedy=r"that the image was pushed",
)
SLOW: Final = Cause(
    "the pull outlasts its deadline",
    what=rf"pulling \S+ took longer than {PULL_SECONDS:g} s",
    why=r"is slow",
    remedy=r"not downloaded twice",
)
CAUSES: Final = (NO_ANSWER, REFUSED, SPOILT, GONE, SLOW)


@dataclass(frozen=True)
class Way:
    """How a registry fails, always; `rule` is made for an image and another one of the same repository."""

    name: str
    rule: Callable[[Pushed, Pushed], Rule]
    cause: Cause


def _manifest(image: Pushed) -> str:
    return f"/v2/{REPOSITORY}/manifests/{image.digest}"


WAYS: Final = (
    Way("500-layers", lambda *_: always("blobs", status=500), NO_ANSWER),
    Way("500-manifest", lambda *_: always("manifests", status=500), NO_ANSWER),
    Way("500-later", lambda *_: after(1, "manifests", status=500), NO_ANSWER),  # after the deploy's own look
    Way("wrong-layers", lambda *_: always("blobs", spoil=True), SPOILT),
    Way("wrong-manifest", lambda _, other: always("manifests", instead=_manifest(other)), SPOILT),
    Way("gone-in-between", lambda *_: always("manifests", status=404), GONE),
)


@dataclass(frozen=True)
class Layered(Page):
    """A page of more layers than an engine downloads at once."""

    def layers(self) -> list[bytes]:
        """Each of the last ones its own noise."""
        pieces = [Page(f"{self.version} {number}", ballast=PIECE).layers()[-1] for number in range(PIECES)]
        return [*super().layers(), *pieces]
