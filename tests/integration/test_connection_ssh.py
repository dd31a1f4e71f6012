"""Logging in to real sshd: the host key first, then the key, and words for everything that goes wrong."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL

from parts.processes import free_port, run
from parts.sshd import SshServer
from tests.real_parts import SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.ssh import (
    HostKey,
    SshAddress,
    SshCredential,
    connect,
    offered_host_key,
    open_socket,
    resolve,
)
from worker.engine.errors import AuthenticationRefused, Cancelled, HostKeyChanged, HostLost
from worker.engine.spec import Secret


class NosyServer(paramiko.ServerInterface):
    """Notes everything that anybody tries to log in with."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        self.asked.append("list")
        return "publickey,password"

    def check_auth_none(self, username: str) -> int:
        self.asked.append("none")
        return AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.asked.append(f"publickey {username}")
        return AUTH_SUCCESSFUL


@pytest.fixture
def nosy() -> Iterator[tuple[SshAddress, HostKey, NosyServer, list[paramiko.Transport]]]:
    """A server of our own making that would let anybody in; its address, its key, what it was asked."""
    key, interface, transports = paramiko.ECDSAKey.generate(), NosyServer(), []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(client)
            transport.add_server_key(key)
            transports.append(transport)
            transport.start_server(event=threading.Event(), server=interface)

    thread = threading.Thread(target=serve)
    thread.start()
    address = SshAddress("web-1", "127.0.0.1", listener.getsockname()[1], "deploy")
    yield address, HostKey(key.get_name(), key.get_base64()), interface, transports
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)
    for transport in transports:
        transport.close()
        transport.join(5)


def fresh_credential() -> SshCredential:
    key = ed25519.Ed25519PrivateKey.generate()
    return SshCredential(Secret(as_text(key)))


def as_text(
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    form: serialization.PrivateFormat = serialization.PrivateFormat.OpenSSH,
    passphrase: str = "",
) -> str:
    seal: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        seal = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, form, seal).decode()


def test_a_changed_host_key_is_told_before_any_credential_is_sent(
    nosy: tuple[SshAddress, HostKey, NosyServer, list[paramiko.Transport]],
) -> None:
    address, shown, interface, transports = nosy
    pinned = HostKey("ssh-ed25519", paramiko.ECDSAKey.generate().get_base64())
    with pytest.raises(HostKeyChanged) as caught:
        connect(address, fresh_credential(), pinned)
    assert HostKey(caught.value.offered_type, caught.value.offered_key) == shown
    assert shown.fingerprint in caught.value.why
    assert pinned.fingerprint in caught.value.why
    transports[0].join(5)
    assert interface.asked == []  # not even a user's name

    connect(address, fresh_credential(), shown).close()
    assert interface.asked[-1] == "publickey deploy"
    assert "none" not in interface.asked


def test_a_changed_host_key_leaves_no_login_attempt_in_sshds_log(
    make_sshd: Callable[..., SshServer], ssh_key: SshKey
) -> None:
    server = make_sshd()
    pinned = host_key_of(server)
    server.change_host_key()
    already = server.log.read_text()
    with pytest.raises(HostKeyChanged) as caught:
        connect(address_of(server), credential_of(ssh_key), pinned)
    assert caught.value.offered_key == host_key_of(server).base64
    connect(address_of(server), credential_of(ssh_key), host_key_of(server)).close()
    logged = server.log.read_text().removeprefix(already)
    assert logged.count("publickey") == 1  # the second connection's


def test_the_pinned_type_is_asked_for_where_a_server_has_several_keys(
    make_sshd: Callable[..., SshServer], ssh_key: SshKey, tmp_path: Path
) -> None:
    path = tmp_path / "rsa"
    run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(path)])
    server = make_sshd(options={"HostKey": f"{path}\nHostKey {tmp_path / 'ed'}"})
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "ed")])
    server.restart()
    address = address_of(server)
    assert offered_host_key(open_socket(address), address).key.type == "ssh-ed25519"
    for name in ("rsa", "ed"):
        kind, blob = (tmp_path / f"{name}.pub").read_text().split()[:2]
        connect(address, credential_of(ssh_key), HostKey(kind, blob)).close()


def test_the_wizards_steps_one_by_one(sshd: SshServer) -> None:
    address = address_of(sshd)
    assert resolve(address) == ["127.0.0.1"]
    offered = offered_host_key(open_socket(address), address)
    assert offered.key == host_key_of(sshd)
    assert offered.key.fingerprint == sshd.fingerprint()
    assert offered.banner.startswith("SSH-2.0-OpenSSH")


def test_small_requests_are_not_held_back(sshd: SshServer, ssh_key: SshKey) -> None:
    transport = connect(address_of(sshd), credential_of(ssh_key), host_key_of(sshd))
    sock = transport.sock
    assert isinstance(sock, socket.socket)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 24_000
    transport.close()


@pytest.mark.parametrize("passphrase", ["", "correct horse ñ"])
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize("form", [serialization.PrivateFormat.OpenSSH, serialization.PrivateFormat.PKCS8])
def test_each_kind_of_key_lets_in(
    make_sshd: Callable[..., SshServer], kind: str, passphrase: str, form: serialization.PrivateFormat
) -> None:
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = (
        ed25519.Ed25519PrivateKey.generate()
    )
    if kind == "rsa":
        key = rsa.generate_private_key(65537, 2048)
    if kind == "ecdsa":
        key = ec.generate_private_key(ec.SECP384R1())
    server = make_sshd()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    server.authorize(public.decode())
    secret = Secret(passphrase) if passphrase else None
    text = as_text(key, form, passphrase)
    connect(address_of(server), SshCredential(Secret(text), secret), host_key_of(server)).close()
    if passphrase:
        with pytest.raises(AuthenticationRefused, match="can't be used") as caught:
            connect(address_of(server), SshCredential(Secret(text), Secret("wrong")), host_key_of(server))
        assert "passphrase" in caught.value.why


def test_a_refused_login_says_what_to_do(sshd: SshServer) -> None:
    with pytest.raises(AuthenticationRefused, match="refused the login as root") as caught:
        connect(address_of(sshd), fresh_credential(), host_key_of(sshd))
    assert "authorized_keys" in caught.value.remedy
    with pytest.raises(AuthenticationRefused, match="no-such-user"):
        connect(address_of(sshd, user="no-such-user"), fresh_credential(), host_key_of(sshd))


def test_a_server_without_public_keys_says_so(make_sshd: Callable[..., SshServer], ssh_key: SshKey) -> None:
    server = make_sshd(options={"PubkeyAuthentication": "no", "PasswordAuthentication": "yes"})
    with pytest.raises(AuthenticationRefused) as caught:
        connect(address_of(server), credential_of(ssh_key), host_key_of(server))
    assert "PubkeyAuthentication is off" in caught.value.why


def test_words_for_an_address_that_does_not_answer(ssh_key: SshKey) -> None:
    with pytest.raises(HostLost, match="can't be resolved"):
        resolve(SshAddress("web-1", "no-such-name.invalid"))
    closed = SshAddress("web-1", "127.0.0.1", free_port())
    with pytest.raises(HostLost, match="does not answer") as caught:
        open_socket(closed)
    assert "connection refused" in caught.value.why


def test_connecting_to_a_server_that_is_down_can_be_given_up() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = SshAddress("web-1", "127.0.0.1", full.getsockname()[1])
        waiting = [
            open_socket(address, deadline=1)
        ]  # what listens takes one or two and then no more, as if it were down
        begun = time.monotonic()

        def cancel() -> None:
            raise Cancelled

        with pytest.raises(Cancelled):
            waiting.extend(open_socket(address, cancel) for _ in range(5))
        assert time.monotonic() - begun < 1
        with pytest.raises(HostLost, match="does not answer") as caught:
            open_socket(address, deadline=0.2)
        assert "No answer within 0.2 s" in caught.value.why
        for sock in waiting:
            sock.close()


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_something_that_is_not_ssh(says: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = SshAddress("web-1", "127.0.0.1", listener.getsockname()[1])
        sock = open_socket(address)
        client, _ = listener.accept()
        with client:
            client.sendall(says)
            client.shutdown(socket.SHUT_WR)
            with pytest.raises(HostLost, match="no SSH session"):
                offered_host_key(sock, address)


def test_a_silent_server_is_given_up_and_cancel_does_not_wait_for_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = SshAddress("web-1", "127.0.0.1", listener.getsockname()[1])
        begun = time.monotonic()
        with pytest.raises(HostLost, match="no SSH session"):
            offered_host_key(open_socket(address), address, deadline=0.3)
        assert time.monotonic() - begun < 2

        def cancel() -> None:
            if time.monotonic() > begun + 0.2:
                raise Cancelled

        begun = time.monotonic()
        with pytest.raises(Cancelled):
            offered_host_key(open_socket(address), address, cancel)
        assert time.monotonic() - begun < 1
