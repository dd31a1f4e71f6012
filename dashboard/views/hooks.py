"""Where Git services and registries call. Nobody is signed in here: the hook's secret decides, and nothing else is said."""

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import structlog
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from dashboard.access import ACT, open_to_all
from dashboard.middleware import client_address
from deployments.field_key import hide
from deployments.models import Webhook
from deployments.webhooks import reading
from deployments.webhooks.push import Unauthentic
from deployments.webhooks.receive import Answer, Start, let_in, receive
from deployments.webhooks.request import WebhookRequest

log = structlog.get_logger(__name__)

STRANGERS_A_MINUTE: Final = 30  # from one address: those without a secret
CALLS_A_MINUTE: Final = 300  # to one hook
_RANK: Final = ("accepted", "refused", "superseded", "duplicate", "ignored")


def receiver(start: Start) -> Callable[..., HttpResponseBase]:
    """The view: `start` begins what a push deploys."""

    @csrf_exempt
    @open_to_all(methods=ACT)
    def hook(request: HttpRequest, public_id: str) -> HttpResponse:
        """Take a delivery. Without the right secret the answer is the same whether or not there is such a hook."""
        body = _body(request)
        if body is None:
            return JsonResponse({"verdict": "refused", "reason": "The body is larger than 1 MB."}, status=413)
        address = client_address(request)
        row = Webhook.objects.select_related("placement__application").filter(public_id=public_id).first()
        sent = WebhookRequest(_headers(request), body, time.time())
        try:
            if row is None:
                _pretend(sent)
            authentic = let_in(webhook=row, request=sent, address=address)
        except Unauthentic:
            return _slow_down() if _too_many(f"stranger {address}", STRANGERS_A_MINUTE) else HttpResponse(status=401)
        if _too_many(f"hook {row.pk}", CALLS_A_MINUTE):  # counted now: strangers can't use up what is the sender's
            return _slow_down()
        return _answer(row, receive(webhook=row, authentic=authentic, address=address, start=start))

    return hook


def _body(request: HttpRequest) -> bytes | None:
    """The body, or None when it is larger than a hook takes: then it isn't read."""
    said = request.headers.get("Content-Length", "")
    if said.isdecimal() and int(said) > reading.BODY_LIMIT:
        return None
    body: bytes = request.read(reading.BODY_LIMIT + 1)
    return body if len(body) <= reading.BODY_LIMIT else None


def _headers(request: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _pretend(request: WebhookRequest) -> NoReturn:
    """About what it costs to look at a secret, where there is no hook; always Unauthentic."""
    secret = secrets.token_hex()
    hide(secret)
    reading.authenticate(Webhook.Kind.GITHUB, request, secret)
    raise Unauthentic("There is no such hook.")


def _answer(webhook: Webhook, answers: Sequence[Answer]) -> HttpResponse:
    """What became of it. Services switch a hook off that answers with errors too often, so only the plain kind gets any."""
    first = min(answers, key=lambda each: _RANK.index(each.verdict), default=Answer("ignored", "It was empty."))
    log.info("webhook", webhook=webhook.pk, verdict=first.verdict)
    status = 202 if first.verdict == "accepted" else 200
    if first.verdict == "refused" and webhook.kind == Webhook.Kind.PLAIN:
        status = 422
    return JsonResponse({"verdict": str(first.verdict), "reason": first.reason}, status=status)


def _slow_down() -> HttpResponse:
    return HttpResponse(status=429, headers={"Retry-After": "60"})


def _too_many(what: str, most: int) -> bool:
    """Count one more in this minute."""
    key = f"hooks-{hashlib.sha256(what.encode()).hexdigest()[:32]}-{int(time.time() // 60)}"
    if cache.add(key, 1, 120):
        return False
    try:
        return cache.incr(key) > most
    except ValueError:  # it was dropped between the two: then there is room
        return False
