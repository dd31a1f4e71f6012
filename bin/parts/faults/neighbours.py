"""Row 21: two installations of Estiva on one server, and other people's containers with the wanted name or port."""

from __future__ import annotations

from typing import Any

from parts.faults.row import Round, Row, judge_one
from parts.faults.world import START_FIRST, STOP_FIRST, Application, World
from parts.machine import Machine
from parts.processes import PartError


def neighbours(turn: Round) -> None:
    """Both deploy applications of one name to one server, in turns and at once; neither touches the other's."""
    world = turn.world
    machine = world.machines[0]
    worker = world.estiva.worker()
    with World.beside(world, world.folder / "beside") as other:
        other.estiva.worker("look")
        other.estiva.reconciler()
        other.estiva.worker()
        other.register(machine)
        name = f"{turn.row.name}-app"
        ours = turn.application("app", [machine])
        theirs = other.application(name, [machine], ports=_published(ours.port + 500))
        theirs.port = ours.port + 500
        for number in range(turn.amount(2, 6)):
            for each, app in ((world, ours), (other, theirs)):
                each.change(app, each.images.page(str(1 + number % 3)))
            clicked = [(world, world.deploy(ours)), (other, other.deploy(theirs))]
            if number == 0:
                for each, deployment in clicked:
                    each.ended(deployment)
                world.probe(ours)
                other.probe(theirs)
            for each, deployment in clicked:
                turn.expect(each.ended(deployment) == "succeeded", f"{[str(x) for x in each.record.of(deployment)]}")
            turn.did()
        for finding in judge_one(other, theirs):
            turn.expect(False, f"the other installation: {finding.text}", finding.kind)
    for number in range(turn.amount(1, 3)):
        _a_port_that_is_taken(turn, machine, number, ours.port + 700 + number)
        _a_port_taken_in_between(turn, machine, number, ours.port + 800 + number)
        for strategy in (STOP_FIRST, START_FIRST):
            _a_name_that_is_taken(turn, machine, strategy, number)
    world.estiva.end(worker)


def _published(port: int) -> list[dict[str, Any]]:
    return [{"container_port": 5000, "host_port": port, "host_address": "0.0.0.0", "protocol": "tcp"}]  # noqa: S104 - of the namespace


def _strangers(turn: Round, machine: Machine, name: str, port: int | None) -> dict[str, Any]:
    """A container of another tool's: how it is."""
    api = machine.engine.api
    image = next(iter(turn.applications[0].images))
    bindings = {"5000/tcp": [{"HostPort": str(port)}]} if port else {}
    body = {"Image": image, "ExposedPorts": {"5000/tcp": {}}, "HostConfig": {"PortBindings": bindings}}
    made = api.json("POST", f"/containers/create?name={name}", body)
    api.json("POST", f"/containers/{made['Id']}/start")
    found: dict[str, Any] = api.json("GET", f"/containers/{made['Id']}/json")
    return found


def _as_it_was(turn: Round, machine: Machine, before: dict[str, Any]) -> None:
    after = machine.engine.api.json("GET", f"/containers/{before['Id']}/json")
    same = all(after[key] == before[key] for key in ("Name", "Created", "RestartCount", "Config", "HostConfig"))
    untouched = same and after["State"]["StartedAt"] == before["State"]["StartedAt"] and after["State"]["Running"]
    turn.expect(untouched, f"{before['Name']} of another tool was touched: {after['State']} {after['Name']}")
    turn.did()


def _a_port_that_is_taken(turn: Round, machine: Machine, number: int, port: int) -> None:
    """The plan refuses it already, and names who has it."""
    name = f"a-proxy-of-others-{number}"
    before = _strangers(turn, machine, name, port)
    app = turn.application(f"port{number}", [machine], ports=_published(port))
    said = _refused(turn, app)
    turn.expect(f"{port}" in said and name in said, f"the taken port was told as: {said}")
    _as_it_was(turn, machine, before)


def _a_port_taken_in_between(turn: Round, machine: Machine, number: int, port: int) -> None:
    """Planned while it is free, taken before the click: who has it is named, and the old version serves on at its own port."""
    world, name = turn.world, f"a-cache-of-others-{number}"
    app = turn.application(f"moved{number}", [machine])
    world.deployed(app)
    world.probe(app)
    world.change(app, world.images.page("2"), ports=_published(port))
    plan = world.ada.ask_plan(app.name, "live")
    fingerprint = world.ada.until_planned(plan)
    before = _strangers(turn, machine, name, port)
    deployment = world.ada.click(plan, fingerprint)
    app.clicked(deployment)
    world.ended(deployment)
    (share,) = world.record.of(deployment)
    turn.expect(share.status == "failed_untouched", f"the port was taken before the click: {share}")
    told = {part: str(share.outcome.get(part) or "") for part in ("what", "why", "remedy")}
    turn.expect(f"{port}" in told["what"] and name in told["what"], f"the port taken in between was told as: {told}")
    turn.expect(bool(told["remedy"]), f"nothing is said of what to do about the taken port: {told}")
    _as_it_was(turn, machine, before)


def _a_name_that_is_taken(turn: Round, machine: Machine, strategy: str, number: int) -> None:
    """A first version, then a second one, each of whose names somebody else has: ours take others, and the log says whose it was."""
    world = turn.world
    app = turn.application(f"name{number}-{strategy[:3]}", [machine], strategy=strategy)
    for release in (1, 2):
        wanted = f"{app.name}-live-r{release}.f{release}"
        before = _strangers(turn, machine, wanted, None)
        world.change(app, world.images.page(str(release)))
        deployment = world.deploy(app)
        turn.succeeded(deployment)
        if release == 1:
            world.probe(app)
        (share,) = world.record.of(deployment)
        warnings = [
            line[4]
            for _, _, _, lines in world.record.chunks([share.id])[share.id]
            for line in lines
            if line[5] == "warn"
        ]
        told = any(wanted in each and "taken" in each for each in warnings)
        turn.expect(told, f"the log of #{deployment} doesn't warn that the name {wanted} was taken, but: {warnings}")
        _as_it_was(turn, machine, before)


def _refused(turn: Round, app: Application) -> str:
    """What the plan, or else the deploy, says against it."""
    plan = turn.world.ada.ask_plan(app.name, "live")
    try:
        number = turn.world.ada.click(plan, turn.world.ada.until_planned(plan))
    except PartError as error:
        return f"{error} {turn.world.ada.open(plan).text}"
    app.clicks.append(number)
    status = turn.world.ended(number)
    turn.expect(status == "failed", f"#{number} ended as {status}")
    return str(turn.world.record.of(number)[0].outcome)


ROWS = (
    Row(21, "neighbours", "two installations on one server; others' containers with the name or the port", neighbours),
)
