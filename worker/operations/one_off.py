"""RUN: a command in a new container of a Release. The result: `{"what", "why", "remedy", "exit_code"}`.

Its end is on record (`OneOffRun.outcome`) before its container goes, so whoever takes over then only tidies up. A connection
that breaks while it runs is made again until its deadline: the command goes on by itself meanwhile.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from django.db.models.functions import Now

from deployments import sightings
from deployments.models import OneOffRun
from deployments.states import OperationStatus
from worker.alarms import sound_alarm
from worker.brief import installation_name
from worker.engine.beside import beside_only
from worker.engine.compose.one_off import ByCompose
from worker.engine.container_host import ContainerHost
from worker.engine.errors import Cancelled, HostError, HostKeyChanged, HostLost
from worker.engine.events import Line, Mutated, Wrote
from worker.engine.failure import StepFailed
from worker.engine.one_off import OF_LABEL, RUN_LABEL, ByEngine, Exited, Maker, Said, run_once, tidy
from worker.engine.run import Run
from worker.engine.takeover import discard
from worker.logs import open_secrets
from worker.one_off_brief import RunBrief, asked_of, run_brief
from worker.operations.meet import host_of
from worker.operations.steps import Looking, Outcome
from worker.redact import Masker
from worker.run_record import RunRecord
from worker.servers import open_compose, open_server

AGAIN_SECONDS: Final = 10.0
STOP_SECONDS: Final = 10
MEMORY: Final = "It ran out of memory."


def run(looking: Looking) -> Outcome:
    """Run it, go on with it, or tidy up behind it, wherever it stands."""
    brief = run_brief(looking.operation, _row(looking))
    masker = Masker(each.reveal() for each in brief.secrets)
    with open_secrets.using(masker):
        return _Attempt(looking, brief, masker).carry_out()


class _Attempt:
    """One claim of it."""

    def __init__(self, looking: Looking, brief: RunBrief, masker: Masker) -> None:
        self._looking, self._brief, self._signals = looking, brief, looking.signals
        self._record = RunRecord(_row(looking), looking.operation.fence, masker, self._signals.patience)
        self._service = _row(looking).service
        self._is_left = True  # its container may be there still

    def carry_out(self) -> Outcome:
        """Until its end is on record and its container is gone."""
        while not (row := _row(self._looking)).outcome:
            try:
                self._work(row)
            except (StepFailed, HostError) as error:
                self._failed(error)
            except HostKeyChanged as error:
                host = host_of(self._looking)
                sound_alarm(host.pk, sightings.where(host), error)
                self._is_left = False
                self._failed(error)
            except HostLost as error:
                self._lost(error)
            except Cancelled:
                continue  # while it was being reached: now that is known, and the next round ends it
        if self._is_left:
            self._tidy(row)
        return Outcome(OperationStatus(row.outcome["status"]), _told(row))

    def _work(self, row: OneOffRun) -> None:
        """One connection's worth."""
        stop = self._signals.cancelled.is_set() or row.cancel_requested_at is not None
        if stop:
            self._signals.shield()
        with self._reached() as (server, maker):
            _remove_strays(server, row, self._record)
            for said in run_once(Run(self._brief.spec, server), asked_of(row, stop=stop), maker):
                self._take(said)
            self._record.flush()
        self._is_left = False

    def _tidy(self, row: OneOffRun) -> None:
        """What can't be done now is done before the next run of the Placement on this server."""
        self._signals.shield()
        try:
            with self._reached() as (server, _maker):
                for event in tidy(Run(self._brief.spec, server), row.pk):
                    self._take(event)
        except (HostError, HostLost) as error:
            self._record.add(Line(f"Its container could not be removed: {error.message}", level="warn"))
        self._record.flush()

    @contextmanager
    def _reached(self) -> Iterator[tuple[ContainerHost, Maker]]:
        brief = self._brief
        if brief.compose is None:
            with open_server(brief.connection, self._signals, brief.image_from) as server:
                yield server, ByEngine()
            return
        with open_compose(brief.connection, self._signals, brief.image_from) as host:
            yield host, ByCompose(brief.compose, self._service, host)

    def _take(self, said: Said) -> None:
        match said:
            case Line():
                self._record.add(said)
            case Wrote():
                for each in said.lines:
                    self._record.add(Line(each.text, stream=each.stream))
                    self._record.flush_if_due()
            case Mutated():
                self._record.flush(begun_at=Now())
            case Exited():
                self._exited(said)
        self._record.flush_if_due()

    def _exited(self, end: Exited) -> None:
        row = _row(self._looking)
        outcome = _outcome(end, row)
        level = "good" if outcome["status"] == OperationStatus.SUCCEEDED else "bad"
        self._record.add(
            Line(f"{outcome['what']} {outcome['why']}".strip(), level="good" if level == "good" else "bad")
        )
        self._record.flush(exit_code=end.exit_code, outcome=self._record.clean(outcome))

    def _failed(self, error: StepFailed | HostError | HostLost) -> None:
        """It can't be run, or can't be told: that is its end, unless that was seen before."""
        if _row(self._looking).outcome:
            return
        what = error.what if isinstance(error, StepFailed) else error.message
        self._record.add(Line(f"{what} {error.why}".strip(), level="bad"))
        told = {"status": str(OperationStatus.FAILED), "what": what, "why": error.why, "remedy": error.remedy}
        self._record.flush(outcome=self._record.clean(told))

    def _lost(self, error: HostLost) -> None:
        """Nothing was begun, or its time is over: that is its end. Else wait, and connect again."""
        row = _row(self._looking)
        if row.outcome:
            return
        if row.begun_at is None or asked_of(row, stop=False).seconds <= 0:
            if row.begun_at is not None:
                error.why = f"{error.why} Whether the command has ended is not known.".strip()
                error.remedy = f"Look on {row.host_name} what became of it. {error.remedy}".strip()
            self._is_left = False
            self._failed(error)
            return
        self._record.add(Line(f"{error.message} The command goes on by itself; connecting again.", level="warn"))
        self._record.flush()
        self._signals.shield()  # a cancel is seen to once it is reached
        self._signals.wait(AGAIN_SECONDS)
        self._signals.rearm()


def _outcome(end: Exited, row: OneOffRun) -> dict[str, Any]:
    """In words."""
    status, what, why, remedy = OperationStatus.FAILED, "", "", ""
    if end.how == "cancelled" and row.cancel_requested_at is not None:
        status = OperationStatus.CANCELLED
        what = f"Cancelled by {row.cancelled_by_name}{'' if end.exit_code is not None else ' before it ran'}."
    elif end.how != "itself" and end.exit_code is None:
        what = f"It was not begun in time on {row.host_name}."
        why, remedy = "The server, or the registry, answers too slowly.", "Run it again."
    elif end.how != "itself":
        what = f"It did not end within its {row.seconds} s on {row.host_name}, and was stopped."
        why, remedy = "It waits for something, or has more to do than was foreseen.", "Give it more time."
    elif end.exit_code:
        what = f"It ended with exit code {end.exit_code} on {row.host_name}."
        why = MEMORY if end.oom_killed else end.error
        remedy = "Its last lines say more; what it had done by then stays."
    else:
        status, what = OperationStatus.SUCCEEDED, f"It ended well on {row.host_name}."
    return {"status": str(status), "what": what, "why": why, "remedy": remedy}


def _told(row: OneOffRun) -> Mapping[str, Any]:
    told = {key: row.outcome[key] for key in ("what", "why", "remedy")}
    return told if row.exit_code is None else {**told, "exit_code": row.exit_code}


def _remove_strays(server: ContainerHost, row: OneOffRun, record: RunRecord) -> None:
    """What runs of this Placement left that ended without their container: no worker was there at their deadline."""
    labels = {"estiva.installation": installation_name(), OF_LABEL: str(row.release.placement_id)}
    for each in beside_only(server.containers(labels)):
        number = each.labels.get(RUN_LABEL, "")
        others = OneOffRun.objects.filter(pk=int(number) if number.isdecimal() else 0).exclude(pk=row.pk)
        if not others.filter(operation__ended_at__isnull=False).exists():
            continue
        record.add(Line(f"Removing {each.name}, which run {number} left ({each.status}).", level="warn"))
        try:
            if each.running:
                server.stop(each.name, timeout=STOP_SECONDS)
            discard(server, each.name)
        except HostError as error:
            record.add(Line(f"{each.name} could not be removed: {error.message}", level="warn"))


def _row(looking: Looking) -> OneOffRun:
    """As it stands now."""
    return OneOffRun.objects.select_related("release").get(pk=looking.operation.pk)
