"""Who does something: every function that changes the domain takes one, keyword-only."""

from dataclasses import dataclass
from typing import Self

from deployments.models import User


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, or Estiva itself. `address` is where the request came from, "" when it came from no network.

    `is_limited` where a program asks for an admin by a token that may not administer: then they are no admin here.
    """

    user_id: int | None
    name: str
    address: str = ""
    is_limited: bool = False

    @classmethod
    def of(cls, user: User, address: str = "") -> Self:
        """This person, at this address."""
        return cls(user.pk, str(user), address)


ESTIVA = Actor(None, "Estiva")
"""The reconciler's and the workers' own acts."""


def unknown(name: str, address: str = "") -> Actor:
    """Somebody who is not signed in, by the name they gave."""
    return Actor(None, name[:120] or "unknown", address)
