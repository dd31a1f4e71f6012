"""How an installation begins, whatever the trial then does with it: brought up, the first admin, a server."""

from __future__ import annotations

import re
import secrets
from typing import Any

from parts.processes import PartError
from parts.trial_acts import Acts
from parts.trial_person import Person
from parts.trial_record import StackRecord
from parts.trial_server import TrialServer
from parts.trial_stack import URL, Stack

WORKERS = 2
_LINK = re.compile(r"https://\S+/account/link/\S+")


class Life:
    """One installation on `stack`; `figures` gets what is measured."""

    def __init__(self, stack: Stack, server: TrialServer, figures: dict[str, Any]) -> None:
        self.stack, self.server, self.figures = stack, server, figures
        self.record = StackRecord(stack.ask)
        self.password = secrets.token_urlsafe(16)

    def begin(self) -> None:
        """The version that its .env names, with two workers."""
        self.stack.make_secrets()
        self.stack.up(scale={"worker": WORKERS})

    def first_admin(self) -> None:
        """By the setup link that the docs' command prints."""
        link = _LINK.search(self.stack.manage("setup_link"))
        if link is None:
            raise PartError("manage.py setup_link printed no link")
        self.acts = Acts(self._person(self.stack), self.server)
        self.acts.become_admin(link[0], self.password)

    def register_server(self) -> None:
        """The server that all is deployed to."""
        self.acts.register_server()

    def somebody(self, stack: Stack | None = None) -> Acts:
        """The admin once more, in a browser of their own."""
        acts = Acts(self._person(stack or self.stack), self.server)
        acts.sign_in(self.password)
        return acts

    def _person(self, stack: Stack) -> Person:
        return Person(URL, stack.ports["https"], stack.authority())
