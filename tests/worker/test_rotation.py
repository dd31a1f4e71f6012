"""Another key for a server, on a real sshd: whatever dies on the way, the record's key is let in, and it ends with one line."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.errors import Refused
from deployments.inventory import hosts, rotation
from deployments.inventory.ssh_keys import generate
from deployments.models import AuditEntry, Host, Operation
from deployments.sealing import seal
from deployments.states import HostState, OperationStatus
from parts.account import account
from parts.sshd import SshServer
from tests.deployments.world import World, make_world
from tests.worker.conftest import Sent
from worker.brief import host_connection
from worker.connections import pool, ssh
from worker.connections.pool import Pool, SshSession
from worker.keeper import Keeper
from worker.operations import running

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.real]


class Killed(BaseException):
    """What a worker that is killed does next: nothing."""


class Dying:
    """Counts what is done on the server, and dies before the deed of that number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        run, connect = SshSession.run, ssh.connect

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def act(*args: Any, **kwargs: Any) -> Any:
                if self.left is not None:
                    self.left -= 1
                    if self.left < 0:
                        raise Killed
                return real(*args, **kwargs)

            return act

        monkeypatch.setattr(SshSession, "run", counted(run))
        monkeypatch.setattr(pool, "connect", counted(connect))


@pytest.fixture
def world(sent: Sent) -> World:
    return make_world(servers=1)


@pytest.fixture
def keys(folder: Path, make_sshd: Callable[..., SshServer], world: World) -> Iterator[Path]:
    """The authorized_keys of a server's user, which holds other lines as well; the server is web-1."""
    home = folder / "home-rotation"
    with account(home) as user:
        server = make_sshd(
            options={"AuthorizedKeysFile": ".ssh/authorized_keys", "AllowUsers": user.pw_name, "UsePAM": "yes"}
        )
        pair = generate()
        path = home / ".ssh" / "authorized_keys"
        path.parent.mkdir(exist_ok=True)
        line = f'restrict,port-forwarding,from="127.0.0.0/8,::1" {pair.public} estiva-web-1'
        hostile = f"{generate().public} $(touch {home}/canary) `touch {home}/canary` '; touch {home}/canary"
        path.write_text(f"# mine\n{generate().public} somebody\n{hostile}\n{line}\n# end")
        path.chmod(0o600)
        for each in (path.parent, path):
            os.chown(each, user.pw_uid, user.pw_gid)
        kind, key = server.host_key_line().split()
        Host.objects.update(
            address=server.address,
            port=server.port,
            user=user.pw_name,
            public_key=f"{pair.public} estiva-web-1",
            private_key=seal(pair.private),
            host_key_type=kind,
            host_key=key,
            state=HostState.READY,
        )
        yield path
        assert hostile in path.read_text() or "nothing of ours" in path.read_text()
        assert not (home / "canary").exists(), "a line of the file was executed"


def let_in() -> None:
    """The record's key opens the server."""
    connection = host_connection(Host.objects.get())
    made = Pool()
    try:
        made.session(connection.address, connection.credential, connection.host_key).close()
    finally:
        made.close()


def asked(world: World) -> Operation:
    return rotation.rotate_key(actor=world.actor, host=Host.objects.get())


def test_a_new_key_takes_the_old_ones_place(world: World, keeper: Keeper, keys: Path) -> None:
    old = Host.objects.get().public_key
    operation = asked(world)
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    host = Host.objects.get()
    assert (operation.status, operation.result) == (OperationStatus.SUCCEEDED, {"public_key": host.public_key})
    assert (host.key_stage, host.spare_public_key, host.spare_private_key) == ("", "", None)
    assert old != host.public_key
    text = keys.read_text()
    assert old.split()[1] not in text
    assert f'\nrestrict,port-forwarding,from="127.0.0.0/8,::1" {host.public_key}\n' in text
    assert text.startswith("# mine\nssh-ed25519 ")
    assert "# end" in text
    assert (keys.stat().st_mode & 0o777, [each.name for each in keys.parent.iterdir()]) == (0o600, ["authorized_keys"])
    let_in()
    entry = AuditEntry.objects.get(action="host.key_rotated")
    assert (entry.before, entry.after) == ({"public_key": old}, {"public_key": host.public_key})


def test_killed_at_any_point_it_is_taken_up_again(
    world: World, keeper: Keeper, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying, deaths = Dying(monkeypatch), 0
    while True:
        operation = asked(world)
        dying.left = deaths
        try:
            running.run(operation.pk, keeper)
        except Killed:
            dying.left = None
            let_in()
            Operation.objects.filter(pk=operation.pk).update(status=OperationStatus.QUEUED, lease_until=None)
            running.run(operation.pk, keeper)
            deaths += 2
        else:
            break
        finally:
            dying.left = None
        operation.refresh_from_db()
        assert operation.status == OperationStatus.SUCCEEDED, operation.result
        assert keys.read_text().count("estiva-web-1") == 1
        assert keys.read_text().count("somebody") == 1
        assert Host.objects.get().key_stage == ""
        let_in()
    assert deaths > 12


def test_a_key_that_stands_elsewhere_is_not_guessed(world: World, keeper: Keeper, keys: Path) -> None:
    operation = asked(world)
    keys.write_text("# nothing of ours\n")
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    assert operation.status == OperationStatus.FAILED
    assert keys.read_text() == "# nothing of ours\n"
    assert Host.objects.get().key_stage == "next"


def test_who_may_ask_and_when(world: World) -> None:
    host = Host.objects.get()
    Host.objects.update(host_key="")
    with pytest.raises(Refused, match="not trusted"):
        rotation.rotate_key(actor=world.actor, host=host)
    Host.objects.update(host_key="AAAA", host_key_type="ssh-ed25519")
    rotation.rotate_key(actor=world.actor, host=host)
    with pytest.raises(Refused, match="already"):
        rotation.rotate_key(actor=world.actor, host=host)
    prepared = Host.objects.get()
    assert prepared.key_stage == "next"
    moved, _operation = hosts.update_host(actor=world.actor, host=prepared, address="192.0.2.77")
    assert (moved.key_stage, moved.spare_private_key) == ("", None)
    assert not rotation.moved(moved.pk, old=prepared.public_key, new=prepared.spare_public_key)
