"""What the workers saw of a Git repository, written down. `url` is the address that was looked at: another one doesn't count."""

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now

from deployments import audit, fingerprints, queue
from deployments.actors import ESTIVA
from deployments.models import AuditEntry, Repository
from deployments.states import RepositoryState

MOST_REFS: Final = 1000
"""Branches, and tags, that are kept for choosing from; any other can still be typed."""


def offered_key(repository_id: int, url: str, key_type: str, key: str) -> RepositoryState:
    """The Git server showed its host key: it waits for a person's word unless it is the trusted one."""
    with transaction.atomic():
        row = Repository.objects.select_for_update(no_key=True).get(pk=repository_id)
        if row.url != url or (row.host_key_type, row.host_key) == (key_type, key):
            return RepositoryState(row.state)
        if row.host_key:
            return _alarm(row, key_type, key)
        row.offered_key_type, row.offered_key = key_type, key
        return _move(row, RepositoryState.UNTRUSTED, "Confirm the Git server's host key.")


def seen(
    repository_id: int, url: str, state: RepositoryState, text: str = "", refs: Mapping[str, Any] | None = None
) -> RepositoryState:
    """A look's result: READY, UNREACHABLE or REFUSED, with what was listed. An alarm is not overwritten."""
    with transaction.atomic():
        row = Repository.objects.select_for_update(no_key=True).get(pk=repository_id)
        if row.url != url or row.state == RepositoryState.KEY_CHANGED:
            return RepositoryState(row.state)
        if refs is not None:
            row.refs = bearable(refs)
        return _move(row, state, text)


def bearable(refs: Mapping[str, Any]) -> dict[str, Any]:
    """As many of the branches and tags as a row can hold."""
    branches, tags = list(refs.get("branches", [])), list(refs.get("tags", []))
    return {**refs, "branches": branches[:MOST_REFS], "tags": tags[-MOST_REFS:]}


def _alarm(row: Repository, key_type: str, key: str) -> RepositoryState:
    again = row.state == RepositoryState.KEY_CHANGED and row.offered_key == key
    before = fingerprints.fingerprint(row.host_key)
    row.offered_key_type, row.offered_key = key_type, key
    text = f"The Git server shows another host key than the trusted one: {key_type} {fingerprints.fingerprint(key)}."
    _move(row, RepositoryState.KEY_CHANGED, f"{text} Nothing was sent to it.")
    if not again:
        audit.record(
            ESTIVA,
            "repository.key_changed",
            ("repository", row.pk, row.url),
            before={"key": before},
            after={"key": f"{key_type} {fingerprints.fingerprint(key)}"},
            outcome=AuditEntry.Outcome.FAILED,
            message=text,
        )
    return RepositoryState.KEY_CHANGED


def _move(row: Repository, state: RepositoryState, text: str) -> RepositoryState:
    row.state, row.state_text = state, text
    row.save(update_fields=("state", "state_text", "refs", "offered_key_type", "offered_key"))
    Repository.objects.filter(pk=row.pk).update(checked_at=Now())
    queue.changed_on_commit("repository", row.pk)
    return state
