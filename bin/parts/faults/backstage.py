"""What is set up before anything breaks: people, servers, placements; through the domain, in a process with Estiva's settings.

`python -m parts.faults.backstage` reads one JSON command a line and answers each with one. What the campaign is about, the click, comes
by HTTP (`parts.faults.visitor`), not from here.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.db import close_old_connections, connection  # noqa: E402 - Django has to be set up first

from deployments import audit, build_settings  # noqa: E402 - Django has to be set up first
from deployments.accounts import people, setup  # noqa: E402
from deployments.actors import ESTIVA, Actor  # noqa: E402
from deployments.container_settings import defaults  # noqa: E402
from deployments.inventory import applications, hosts, placements, repositories  # noqa: E402
from deployments.models import Application, Environment, Host, Operation, Placement, Role, User  # noqa: E402
from deployments.states import OPERATION_OPEN  # noqa: E402
from parts.faults.sight import ENVIRONMENT  # noqa: E402
from parts.processes import wait_until  # noqa: E402

HEALTH = {"kind": "http", "path": "/healthz", "port": 5000, "interval": 0.2, "passes": 2, "deadline": 8.0}


def begin() -> str:
    """The first admin and the environment; a sign-in token for the admin."""
    setup.complete_setup(
        token=setup.issue_setup_token() or "",
        name="Ada",
        email="ada@example.com",
        password="a-long-enough-word-1",  # noqa: S106 - a throwaway's
    )
    applications.create_environment(actor=_ada(), name=ENVIRONMENT)
    return token("ada@example.com")


def token(email: str) -> str:
    """A one-time sign-in token for this person, who is made an admin the first time."""
    user = User.objects.filter(email=email).first()
    user = user or User.objects.create_user(email, name=email.partition("@")[0].title(), role=Role.ADMIN)
    return people.issue_sign_in_token(actor=ESTIVA, user=user)


def host(name: str, address: str, user: str, socket: str, key: str) -> str:
    """A server that was met and trusted; the line its sshd has to know."""
    row, _ = hosts.register_host(actor=_ada(), name=name, address=address, port=22, user=user, docker_socket=socket)
    Operation.objects.filter(host=row).delete()
    key_type, content = key.split()
    Host.objects.filter(pk=row.pk).update(host_key_type=key_type, host_key=content, state="ready")
    return str(row.public_key)


def place(
    name: str,
    image: str,
    servers: list[str],
    settings: dict[str, Any],
    rollout: dict[str, Any] | None = None,
    **more: Any,
) -> int:
    """An application placed on servers, or its settings anew; `more` says where its image comes from, if from no registry."""
    app = Application.objects.filter(name=name).first() or applications.create_application(actor=_ada(), name=name)
    environment = Environment.objects.get(name=ENVIRONMENT)
    earlier = Placement.objects.filter(application=app, environment=environment).first()
    if "url" in more:
        _repository(app, more.pop("url"))
        more["build"] = build_settings.defaults()
    saved = placements.save_placement(
        actor=_ada(),
        placement=earlier,
        application=app,
        environment=environment,
        image=image,
        settings={} if more.get("source") == "compose" else _complete(earlier, settings),
        host_ids=list(Host.objects.filter(name__in=servers).values_list("pk", flat=True)),
        rollout=rollout if rollout is not None else (earlier.rollout if earlier else None),
        **more,
    )
    return int(saved.pk)


def _complete(earlier: Placement | None, settings: dict[str, Any]) -> dict[str, Any]:
    known = earlier.settings if earlier else {**defaults(), "stop_timeout": 2}
    health = {**known["health"], **({} if earlier else HEALTH), **settings.get("health", {})}
    return {**known, **settings, "health": health}


def _repository(app: Application, url: str) -> None:
    """Where it is built from; known once a looker has been there."""
    _, operation = repositories.save_repository(actor=_ada(), application=app, url=url)

    def is_over() -> bool:
        operation.refresh_from_db()
        return operation.status not in OPERATION_OPEN

    wait_until(is_over, f"{url} was not looked at", timeout=60)


def verify() -> list[str]:
    """What is wrong with the audit chain; nothing, if all is well."""
    return [str(each) for each in audit.verify().problems]


def _ada() -> Actor:
    return Actor.of(User.objects.get(email="ada@example.com"), "127.0.0.1")


COMMANDS: dict[str, Callable[..., Any]] = {
    "begin": begin,
    "token": token,
    "host": host,
    "place": place,
    "verify": verify,
}


def main() -> None:
    """Answer until there is nothing more to read."""
    for line in sys.stdin:
        asked = json.loads(line)
        close_old_connections()  # the database may have been away meanwhile
        try:
            answer = {"answer": COMMANDS[asked.pop("do")](**asked)}
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and decides
            traceback.print_exc()
            connection.close()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(f"ANSWER {json.dumps(answer)}", flush=True)


if __name__ == "__main__":
    main()
