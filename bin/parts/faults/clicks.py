"""Rows about what lies between a click and a worker: the broker, the web, many people at once."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import redis

from parts.faults.breed import Bred
from parts.faults.estiva import freeze, thaw
from parts.faults.row import Round, Row
from parts.faults.visitor import Visitor
from parts.faults.world import Application
from parts.processes import descendants, kill_all
from parts.valkey import Valkey

CLICK_SECONDS: Final = 3.0
PICKED_UP_SECONDS: Final = 15.0
QUEUE: Final = "deploy"
AT_ONCE: Final = 8  # look at their plans; it is the clicks that come at once


def broker_gone(turn: Round) -> None:
    """Refused, frozen, flushed, restarted empty: the click answers, the deploy is picked up when the broker is back."""
    world = turn.world
    valkey = world.estiva.valkey
    app = turn.application("app")
    worker = world.worker()
    world.deployed(app)
    world.probe(app)
    turn.want(4 * turn.amount(1, 5))
    ways: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "refused": (valkey.kill, valkey.start),
        "frozen": (valkey.freeze, valkey.resume),
        "flushed": (lambda: _deafen(valkey, worker), lambda: _lose_hint(turn, valkey, worker)),
        "emptied": (valkey.kill, lambda: _start_empty(valkey)),
    }
    for _ in range(turn.amount(1, 5)):
        for way, (take, give_back) in ways.items():
            _click_without(turn, app, way, take, give_back)
    world.estiva.end(worker)


def _click_without(turn: Round, app: Application, way: str, take: Callable[[], None], give: Callable[[], None]) -> None:
    world = turn.world
    plan = world.ada.ask_plan(app.name, "live")
    fingerprint = world.ada.until_planned(plan)
    take()
    began = time.monotonic()
    try:
        number = world.ada.click(plan, fingerprint)
    finally:
        took = time.monotonic() - began
        give()
    app.clicked(number)
    turn.note("click_seconds_at_most", round(took, 2))
    turn.expect(took < turn.patience(CLICK_SECONDS), f"with the broker {way} a click took {took:.1f} s")
    began = time.monotonic()
    world.wait(lambda: bool(world.record.of(number)[0].started), f"#{number} is picked up", 60)
    took = time.monotonic() - began
    turn.note("picked_up_seconds_at_most", round(took, 1))
    turn.expect(
        took < turn.patience(PICKED_UP_SECONDS),
        f"with the broker {way} before, #{number} was picked up after {took:.1f} s",
    )
    turn.succeeded(number)
    turn.did()


def flush(valkey: Valkey) -> None:
    """FLUSHALL."""
    with redis.Redis.from_url(valkey.url) as broker:
        broker.flushall()


def _deafen(valkey: Valkey, worker: Bred) -> None:
    """The idle worker stands still and waits at the broker no longer, so that the next hint lies there until somebody comes for it."""
    freeze(worker)
    with redis.Redis.from_url(valkey.url) as broker:
        for each in broker.client_list():
            if each["cmd"] == "brpop":  # with those who look: they ask again
                broker.client_kill_filter(_id=each["id"])


def _lose_hint(turn: Round, valkey: Valkey, worker: Bred) -> None:
    """The hint was there, and is gone before anybody took it."""
    with redis.Redis.from_url(valkey.url) as broker:
        lost = int(broker.llen(QUEUE))
    turn.expect(lost > 0, "no hint lay in the broker, so none was lost")
    turn.add("hints_lost", lost)
    flush(valkey)
    thaw(worker)


def _start_empty(valkey: Valkey) -> None:
    shutil.rmtree(valkey.folder / "appendonlydir", ignore_errors=True)
    valkey.start()


def connections_killed(turn: Round) -> None:
    """CLIENT KILL of every connection again and again, while deploys run."""
    world = turn.world
    apps = [turn.application(f"app{number}") for number in range(3)]
    worker = world.worker()
    for number in [world.deploy(app) for app in apps]:
        world.ended(number)
    world.probe(*apps)
    ending = threading.Event()
    killer = threading.Thread(target=_keep_killing, args=(turn, ending, turn.amount(1, 5)), daemon=True)
    killer.start()
    numbers: list[int] = []
    try:
        for each in range(turn.amount(1, 20)):
            for app in apps:
                world.change(app, world.images.page(str(1 + each % 3)))
                numbers.append(world.deploy(app))
        turn.succeeded(*numbers)
    finally:
        ending.set()
        killer.join()
    turn.note("deploys", len(numbers))
    world.estiva.end(worker)


def _keep_killing(turn: Round, ending: threading.Event, period: float) -> None:
    with redis.Redis.from_url(turn.world.estiva.valkey.url) as broker:
        while not ending.wait(period):
            killed = 0
            for kind in ("normal", "pubsub"):
                with suppress(redis.RedisError):
                    killed += int(broker.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"))
            turn.add("connections_killed", killed)
            turn.did(int(killed > 0))


def web_killed(turn: Round) -> None:
    """The broker frozen, so that the web is caught between its commit and its message; killed there.

    What it had sent already lies unread in the broker's socket, so that one ends, too: no message of that click ever came.
    """
    world = turn.world
    apps = [turn.application(f"app{number}") for number in range(turn.amount(1, 4))]
    worker = world.worker()
    for app in apps:
        world.deployed(app)
    world.probe(*apps)
    count = turn.amount(2, 200)
    turn.want(-(-count // 2))  # some are answered before it dies
    for each in range(count):
        _kill_web_once(turn, apps[each % len(apps)])
    for app in apps:
        for number in app.clicks:
            world.ended(number)
            turn.expect(world.record.of(number)[0].attempts == 1, f"{world.record.of(number)}", "duplicated")
    world.estiva.end(worker)


def _kill_web_once(turn: Round, app: Application) -> None:
    world = turn.world
    (web,) = world.estiva.alive("web")
    plan = world.ada.ask_plan(app.name, "live")
    fingerprint = world.ada.until_planned(plan)
    before = max(app.clicks)
    query = f"SELECT id FROM deployments_deployment WHERE placement_id = {app.placement:d} AND id > {before:d}"
    world.estiva.valkey.freeze()
    try:
        with ThreadPoolExecutor(1) as pool:
            click = pool.submit(world.ada.click, plan, fingerprint)
            try:
                world.wait(lambda: bool(world.record.rows(query)), "the click is committed", 10)
            finally:
                kill_all(descendants(web.pid))
            answered = click.exception() is None
        world.estiva.valkey.kill()
        world.estiva.valkey.start()
    finally:
        world.estiva.valkey.resume()
    ((number,),) = world.record.rows(query)
    app.clicked(int(number))
    turn.did(0 if answered else 1)
    turn.add("answered_before_it_died", int(answered))
    world.wait(world.estiva.web_answers, "the web answers again", 60)
    turn.succeeded(int(number))
    hinted = f"SELECT 1 FROM deployments_target WHERE deployment_id = {int(number):d} AND hinted_at IS NOT NULL"
    found = bool(world.record.rows(hinted))
    turn.add("hinted_by_the_reconciler", int(found))
    turn.expect(found or answered, f"#{number} was begun without the reconciler, so its message came after all")


def many_people(turn: Round) -> None:
    """All of them press Deploy on one application at once: one runs at a time, in the order of the clicks."""
    world = turn.world
    count = turn.amount(6, 50)
    turn.want(count)
    app = turn.application("app")
    worker = world.worker(concurrency=16)
    world.deployed(app)
    world.probe(app)
    people = [world.visitor(f"person{number}@example.com") for number in range(count)]

    def look(person: Visitor) -> tuple[str, str]:
        plan = person.ask_plan(app.name, "live")
        return plan, person.until_planned(plan, timeout=120)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        plans = list(pool.map(look, people))
    ready = threading.Barrier(count)

    def click(person: Visitor, plan: str, fingerprint: str) -> int:
        ready.wait(60)
        return person.click(plan, fingerprint)

    with ThreadPoolExecutor(count) as pool:
        told = [pool.submit(click, person, *plan) for person, plan in zip(people, plans, strict=True)]
    for each in told:
        failure = each.exception()
        turn.expect(failure is None, f"a click was not taken: {failure}")
        if not failure:
            app.clicked(each.result())
            turn.did()
    turn.succeeded(*sorted(app.clicks), timeout=30 + 10 * count)
    world.estiva.end(worker)


ROWS = (
    Row(
        7,
        "broker",
        "the broker refused, frozen, flushed, restarted empty",
        broker_gone,
        quick=True,
        seconds=18,
        both=True,
    ),
    Row(
        8,
        "client-kill",
        "every connection to the broker killed again and again",
        connections_killed,
        quick=True,
        calm=True,
    ),
    Row(
        10,
        "web",
        "the web killed between a click's commit and its message",
        web_killed,
        quick=True,
        long=800,
        both=True,
        calm=True,
    ),
    Row(11, "crowd", "many people deploy one application at once", many_people, quick=True, both=True, calm=True),
)
