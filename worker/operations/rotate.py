"""ROTATE: another key to log in with. At no moment is the record's key one that the server doesn't know.

The new key, sealed in the record since the request, is let in beside the old one; a new connection tries it; the record
moves to it; then the old one is let in no more. Killed anywhere, the next attempt goes on from what the record says.

The result: `{"public_key"}`, the line that counts now.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from deployments.inventory import rotation
from deployments.models import Host
from deployments.sealing import open_sealed
from deployments.states import OperationStatus
from worker.alarms import sound_alarm
from worker.brief import CannotBrief, HostConnection, host_connection, secrets_of
from worker.connections.authorized_keys import AuthorizedKeys
from worker.connections.login import SshCredential
from worker.connections.pool import Pool, SshSession
from worker.engine.errors import AuthenticationRefused, HostError, HostKeyChanged
from worker.engine.spec import Secret
from worker.logs import open_secrets
from worker.operations.meet import host_of
from worker.operations.steps import Looking, Outcome
from worker.redact import Masker
from worker.servers import pool as shared_pool

_STEPS = (
    ("login", "Login with the old key"),
    ("install", "New key let in"),
    ("try", "Login with the new key"),
    ("remove", "Old key let in no more"),
)


def rotate(looking: Looking) -> Outcome:
    """From whatever stage the record says to the end."""
    host = host_of(looking)
    looking.plan_steps(_STEPS)
    connection = host_connection(host)
    if host.spare_private_key is None:
        raise CannotBrief(f"No other key is prepared for {host.name}.", "Ask for a new key on its page.")
    spare = SshCredential(Secret(open_sealed(host.spare_private_key)))
    known = [secret.reveal() for secret in (*secrets_of(connection), spare.private_key_pem)]
    with open_secrets.using(Masker(known)):
        try:
            return _rotated(looking, host, connection, spare)
        except HostKeyChanged as error:
            sound_alarm(host.pk, connection.address.where, error)
            raise


def _rotated(looking: Looking, host: Host, connection: HostConnection, spare: SshCredential) -> Outcome:
    if host.key_stage == Host.KeyStage.OLD:  # the record moved already
        for key in ("login", "install"):
            with looking.step(key) as step:
                step.finish("Done by an earlier attempt.")
        with looking.step("try") as step, _session(looking, connection, connection.credential) as session:
            step.finish(f"Logged in to {session.address} as {session.address.user}.")
        return _ended(looking, host, connection, connection.credential, old=host.spare_public_key, new=host.public_key)
    old, new = host.public_key, host.spare_public_key
    with ExitStack() as opened:
        with looking.step("login") as step:
            session = opened.enter_context(_session(looking, connection, connection.credential))
            step.finish(f"Logged in to {session.address} as {session.address.user}.")
        with looking.step("install") as step:
            if not AuthorizedKeys(session).replace(old, new):
                raise _not_there(host)
            step.finish("The new line stands beside the old one.")
        with looking.step("try") as step:
            _try(looking, connection, spare, session, new)
            step.finish("A new connection was let in with it.")
    looking.write()  # raises where somebody else holds this by now
    rotation.moved(host.pk, old=old, new=new)
    return _ended(looking, host, connection, spare, old=old, new=new)


def _ended(
    looking: Looking, host: Host, connection: HostConnection, credential: SshCredential, *, old: str, new: str
) -> Outcome:
    with looking.step("remove") as step, _session(looking, connection, credential) as session:
        AuthorizedKeys(session).remove(old)
        step.finish("The old line is gone.")
    rotation.ended(host.pk, public_key=new, actor_id=looking.operation.requested_by_id)
    return Outcome(OperationStatus.SUCCEEDED, {"public_key": new})


def _try(looking: Looking, connection: HostConnection, spare: SshCredential, session: SshSession, new: str) -> None:
    """A key that isn't accepted is taken out again: the old one stays."""
    try:
        with _session(looking, connection, spare):
            pass
    except AuthenticationRefused as error:
        AuthorizedKeys(session).remove(new)
        raise HostError(
            f"Server {connection.address.host_name} does not accept the new key, so the old one stays.",
            why=error.why,
            remedy="sshd may take keys from elsewhere, or not of this kind (PubkeyAcceptedAlgorithms): look into its log.",
        ) from error


@contextmanager
def _session(looking: Looking, connection: HostConnection, credential: SshCredential) -> Iterator[SshSession]:
    """A connection of its own: one that is open already proves nothing."""
    pool = Pool(ways=shared_pool())
    try:
        with pool.session(connection.address, credential, connection.host_key, looking.signals) as session:
            yield session
    finally:
        pool.close()


def _not_there(host: Host) -> HostError:
    return HostError(
        f"The key that Estiva logs in to {host.name} with does not stand in ~{host.user}/.ssh/authorized_keys.",
        why="sshd there takes keys from elsewhere (AuthorizedKeysFile or AuthorizedKeysCommand).",
        remedy=f"Put the new line there yourself, take the old one out, and paste its private key on {host.name}'s page.",
    )
