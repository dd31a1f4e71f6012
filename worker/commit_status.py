"""Commit statuses: the outbox is emptied here, beside the deploys and never in their way."""

import threading
from collections.abc import Callable, Iterable
from typing import Final

import requests
import structlog
from django.db import connection

from deployments.models import CommitStatus, Repository
from deployments.sealing import CannotOpen
from deployments.webhooks import outbox
from deployments.webhooks.statuses import Service, StatusRequest, is_final, status_request
from worker.engine.spec import Secret

log = structlog.get_logger(__name__)

TIMEOUT: Final = (5.0, 10.0)  # seconds to connect, and between two bytes of the answer
AT_ONCE: Final = 20
ROUND_SECONDS: Final = 2.0
_READ_AT_MOST: Final = 4096  # bytes of an answer that says why not

TokenOf = Callable[[Repository], Secret | None]
"""Opens a repository's token, None where it has none: `worker.brief` alone opens what is sealed."""


def start_sending(token_of: TokenOf, stop: threading.Event) -> threading.Thread:
    """Send in a thread of its own until `stop` is set. Nobody waits for it: what an end cuts off is sent by the next one."""
    thread = threading.Thread(target=keep_sending, args=(token_of, stop), name="commit statuses", daemon=True)
    thread.start()
    return thread


def keep_sending(token_of: TokenOf, stop: threading.Event) -> None:
    """Send what is due, round after round, until `stop` is set: the body of a thread with a connection of its own."""
    while not stop.is_set():
        try:
            send_due(token_of)
        except Exception:  # whatever it was, the next round tries again
            log.exception("commit statuses were not sent")
        finally:
            connection.close()
        stop.wait(ROUND_SECONDS)


def send_due(token_of: TokenOf) -> int:
    """Send what is due, each in its own right; how many the services took."""
    taken = 0
    for status in list(outbox.due()[:AT_ONCE]):
        if outbox.is_overtaken(status):
            outbox.failed(status, "The end of the deployment is told instead.", for_good=True)
        elif outbox.claim(status):
            taken += _send(status, token_of)
    return taken


def _send(status: CommitStatus, token_of: TokenOf) -> bool:
    repository = status.repository
    if repository.url != status.repository_url:
        outbox.failed(status, "The repository has another address now.", for_good=True)
        return False
    try:
        token = token_of(repository)
    except CannotOpen as error:
        outbox.failed(status, f"The repository's token can't be opened: {error}", for_good=False)
        return False
    if token is None:
        outbox.failed(status, "The repository has no token any more.", for_good=True)
        return False
    try:
        code, said = post(request_of(status), token)
    except requests.RequestException as error:
        outbox.failed(status, _cleaned(f"{status.api} can't be reached: {_cause(error)}", [token]), for_good=False)
        return False
    if code in {200, 201}:
        outbox.sent(status)
        return True
    log.warning("commit status refused", deployment=status.deployment_id, code=code)
    outbox.failed(status, _cleaned(f"{code}: {said}", [token]), for_good=is_final(code))
    return False


def request_of(status: CommitStatus) -> StatusRequest:
    """What a row of the outbox says to its service."""
    return status_request(
        Service(status.kind, status.api, status.path),
        commit=status.commit,
        state=status.state,
        context=status.context,
        description=status.description,
        link=status.link,
    )


def post(request: StatusRequest, token: Secret) -> tuple[int, str]:
    """Send it; the answer's code and its first words. No redirect is followed: the token is for this address alone."""

    def sign(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers[request.token_header] = f"{request.token_prefix}{token.reveal()}"
        return prepared

    answer = requests.post(
        request.url,
        json=request.json,
        headers=request.headers,
        auth=sign,  # as `auth`, since requests would put a .netrc of the worker's user in place of a mere header
        timeout=TIMEOUT,
        allow_redirects=False,
        stream=True,
    )
    with answer:
        said = answer.raw.read1(_READ_AT_MOST)  # whatever came with the first read: a slow talker isn't waited for
    return answer.status_code, said.decode("utf-8", "replace")


def _cause(error: requests.RequestException) -> str:
    """What went wrong, without the address and headers that requests tells in passing."""
    return type(error).__name__ if isinstance(error, requests.Timeout) else str(error)[:200]


def _cleaned(text: str, secrets: Iterable[Secret]) -> str:
    """Printable, in one line, and without the token should a service repeat it."""
    for secret in secrets:
        text = text.replace(secret.reveal(), str(secret))
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
