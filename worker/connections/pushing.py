"""A push by the builder's own engine, made into progress; what went wrong there, in words."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from docker.utils import parse_repository_tag

from worker.connections.engine_errors import refusal, stalling, translated
from worker.connections.engine_http import EngineClient
from worker.connections.pool import SshSession
from worker.engine.build_events import RegistryAuth
from worker.engine.container_host import PullProgress
from worker.engine.errors import HostError

_DONE = ("Pushed", "Layer already exists", "Mounted from")


class PushTracker:
    """Adds up what is said of single layers; those that the registry has count as done with no bytes."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int, bool]] = {}  # id: sent, size, done

    def feed(self, event: Mapping[str, Any]) -> PullProgress | None:
        """One event of the stream; None when it says nothing of a layer. The caller looks after errors."""
        status, name = str(event.get("status") or ""), str(event.get("id") or "")
        known = status in ("Preparing", "Waiting", "Pushing") or status.startswith(_DONE) or name in self._layers
        if not name or not known:
            return None
        detail = event.get("progressDetail") or {}
        sent, size, done = self._layers.get(name, (0, 0, False))
        size = max(size, int(detail.get("total") or 0), int(detail.get("current") or 0))
        sent, done = max(sent, int(detail.get("current") or 0)), done or status.startswith(_DONE)
        self._layers[name] = (size if done else sent, size, done)
        return self.progress()

    def progress(self) -> PullProgress:
        """Where it stands."""
        rows = self._layers.values()
        sent, size, done = sum(row[0] for row in rows), sum(row[1] for row in rows), sum(row[2] for row in rows)
        shown = f"{sent / 1e6:.1f} of {size / 1e6:.1f} MB, {done} of {len(rows)} layers"
        return PullProgress(sent, size, done, len(rows), shown)


def push(
    api: EngineClient, session: SshSession, reference: str, auth: RegistryAuth | None, deadline: float
) -> Iterator[PullProgress]:
    """Push a local tag; ends with HostError `deadline` seconds from now, or with the registry's own words."""
    name, tag = parse_repository_tag(reference)
    who = {"username": auth.username, "password": auth.password.reveal()} if auth else {"username": "", "password": ""}
    until, tracker, host = time.monotonic() + deadline, PushTracker(), session.address.host_name
    with translated(session), stalling(session, reference):
        stream = api.push(name, tag, stream=True, decode=True, auth_config=who)
        try:
            for event in stream:
                if "error" in event:
                    raise refusal(str((event.get("errorDetail") or {}).get("message") or event["error"]), host)
                if (progress := tracker.feed(event)) is not None:
                    yield progress
                if time.monotonic() > until:
                    raise HostError(
                        f"Server {host}: pushing {reference} took longer than {deadline:g} s and was broken off.",
                        why="The registry or the network between it and the server is slow.",
                        remedy="Deploy again: layers that have arrived are not sent twice.",
                    )
        finally:
            stream.close()
