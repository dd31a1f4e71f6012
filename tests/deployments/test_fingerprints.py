"""Server keys: the fingerprints OpenSSH prints, and a comparison that can't be talked into a yes."""

import base64
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.fingerprints import FingerprintError, Match, Mismatch, fingerprint, kind_of, matches, parse_pasted


class Key(NamedTuple):
    type: str
    blob: str
    listed: str  # what `ssh-keygen -lf` prints

    @property
    def line(self) -> str:
        return f"{self.type} {self.blob}"


def blob(key_type: str, content: bytes) -> str:
    """A public key's blob: its type and some content, each behind its length."""
    parts = (key_type.encode(), content)
    return base64.b64encode(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).decode()


def make(key_type: str, content: bytes, bits: int, kind: str) -> Key:
    encoded = blob(key_type, content)
    return Key(key_type, encoded, f"{bits} {fingerprint(encoded)} root@web-1 ({kind})")


ED25519 = make("ssh-ed25519", bytes(range(32)), 256, "ED25519")
OTHER_ED25519 = make("ssh-ed25519", bytes(range(1, 33)), 256, "ED25519")
RSA = make("ssh-rsa", bytes(range(200)), 3072, "RSA")
ECDSA = make("ecdsa-sha2-nistp256", bytes(range(65)), 256, "ECDSA")
PRINT = fingerprint(ED25519.blob)
HASHED = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg="
MD5 = "7f:83:5f:90:a1:73:54:eb:db:3c:77:dd:8e:34:d7:0a"


@pytest.mark.parametrize(
    "pasted",
    [
        PRINT,
        PRINT + "=",
        PRINT.removeprefix("SHA256:"),
        PRINT.replace("SHA256", "sha256"),
        f"  {PRINT}\n\n",
        ED25519.listed,
        f"256 {PRINT} no comment (ED25519)",
        f"256 {PRINT} /a/comment/of/forty/three/characters/aaaaaaaaaa (ED25519)",
        f"{ED25519.listed}\n+--[ED25519 256]--+\n|        ..o      |\n|  +  . o *       |\n+----[SHA256]-----+",
        f"{RSA.listed}\n{ECDSA.listed}\n{ED25519.listed}",
        ED25519.line,
        f"{ED25519.line} root@web-1",
        f'restrict,command="run it" {ED25519.line} deploy',
        f"web-1.example.com,10.0.0.5 {ED25519.line}",
        f"[web-1.example.com]:2222 {ED25519.line}",
        f"{HASHED} {ED25519.line}",
        f"# web-1:22 SSH-2.0-OpenSSH_9.2\nweb-1 {RSA.line}\nweb-1 {ECDSA.line}\r\nweb-1 {ED25519.line}",
        f"web-1 {ED25519.line}\n10.0.0.5 {ED25519.line}\n{ED25519.listed}",
        f"@revoked web-1 {OTHER_ED25519.line}\nweb-1 {ED25519.line}",
        f"256 MD5:{MD5} root@web-1 (ED25519)\n{ED25519.listed}",
        "The authenticity of host 'web-1 (10.0.0.5)' can't be established.\n"
        f"ED25519 key fingerprint is {PRINT}.\n"
        "This key is not known by any other names.\n"
        "Are you sure you want to continue connecting (yes/no/[fingerprint])?",
    ],
)
def test_recognizes_the_servers_key(pasted: str) -> None:
    assert matches(pasted, ED25519.type, ED25519.blob) == Match(PRINT)


@pytest.mark.parametrize(
    ("pasted", "code"),
    [
        (fingerprint(OTHER_ED25519.blob), "different"),
        (OTHER_ED25519.listed, "different"),
        (f"web-1 {OTHER_ED25519.line}", "different"),
        (f"{OTHER_ED25519.listed}\n{RSA.listed}", "different"),
        (PRINT[:-1] + ("A" if PRINT[-1] != "A" else "B"), "different"),
        (PRINT.swapcase().replace("sha256", "SHA256"), "different"),
        (RSA.listed, "other_kind"),
        (f"web-1 {RSA.line}\nweb-1 {ECDSA.line}", "other_kind"),
        (f"web-1 {ED25519.line}\nweb-2 {OTHER_ED25519.line}", "several"),
        (f"{PRINT}\n{fingerprint(OTHER_ED25519.blob)}", "several"),
        (f"{PRINT} {fingerprint(OTHER_ED25519.blob)}", "several"),
        (f"{ED25519.listed}\n{fingerprint(OTHER_ED25519.blob)}", "several"),
        (f"@revoked * {ED25519.line}", "revoked"),
        (f"web-1 {ED25519.line}\n@revoked * {ED25519.line}", "revoked"),
        (f"@revoked * {OTHER_ED25519.line}", "unreadable"),
        (f"@cert-authority *.example.com {ED25519.line}", "certificate"),
        (f"ssh-ed25519-cert-v01@openssh.com {blob('ssh-ed25519-cert-v01@openssh.com', b'x')}", "certificate"),
        (f"256 MD5:{MD5} root@web-1 (ED25519)", "md5"),
        (MD5, "md5"),
        (f"MD5:{MD5.upper()}", "md5"),
        ("", "empty"),
        (" \n\t\n# only a comment", "empty"),
        ("yes", "unreadable"),
        (PRINT[:-1], "unreadable"),
        (PRINT + "A", "unreadable"),
        (f"ssh-ed25519 {ED25519.blob[:-2]}", "key"),
        ("ssh-ed25519 AAAA", "key"),
        (f"ssh-rsa {ED25519.blob}", "key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----", "private_key"),
        (f"{ED25519.listed}\n-----BEGIN RSA PRIVATE KEY-----", "private_key"),
    ],
)
def test_refuses_everything_else_and_says_why(pasted: str, code: str) -> None:
    verdict = matches(pasted, ED25519.type, ED25519.blob)
    assert isinstance(verdict, Mismatch)
    assert verdict.code == code
    assert str(verdict.reason)


def test_a_different_key_is_shown_beside_the_expected_one() -> None:
    verdict = matches(OTHER_ED25519.listed, ED25519.type, ED25519.blob)
    assert isinstance(verdict, Mismatch)
    assert PRINT in str(verdict.reason)
    assert fingerprint(OTHER_ED25519.blob) in str(verdict.reason)


def test_md5_is_refused_with_the_command_for_sha256() -> None:
    with pytest.raises(FingerprintError, match="-E sha256"):
        parse_pasted(f"256 MD5:{MD5} root@web-1 (ED25519)")


def test_a_private_key_is_never_shown_again() -> None:
    with pytest.raises(FingerprintError) as refusal:
        parse_pasted("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0")
    assert "c2VjcmV0" not in str(refusal.value)


def test_rsa_matches_by_any_of_its_signature_names() -> None:
    assert matches(RSA.listed, "rsa-sha2-512", RSA.blob) == Match(fingerprint(RSA.blob))
    assert kind_of("rsa-sha2-256") == kind_of("ssh-rsa") == "RSA"


@pytest.mark.parametrize("broken", ["", "AAAA", "no base64!", ED25519.blob[:-1]])
def test_a_broken_key_has_no_fingerprint(broken: str) -> None:
    with pytest.raises(FingerprintError):
        fingerprint(broken)


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_agrees_with_openssh(kind: str, tmp_path: Path) -> None:
    keygen = shutil.which("ssh-keygen")
    assert keygen is not None
    file = tmp_path / "key"
    subprocess.run([keygen, "-q", "-t", kind, "-N", "", "-C", "root@web 1", "-f", str(file)], check=True)
    key_type, encoded, _comment = (tmp_path / "key.pub").read_text().split(maxsplit=2)
    (tmp_path / "known_hosts").write_text(f"[web-1]:2222 {key_type} {encoded}\n")
    listings = [
        [keygen, "-lf", f"{file}.pub"],
        [keygen, "-lvf", f"{file}.pub"],
        [keygen, "-lf", str(tmp_path / "known_hosts")],
    ]
    pasted = [subprocess.run(argv, check=True, capture_output=True, text=True).stdout for argv in listings]
    subprocess.run([keygen, "-Hf", str(tmp_path / "known_hosts")], check=True, capture_output=True)
    pasted.append((tmp_path / "known_hosts").read_text())
    assert pasted[-1].startswith("|1|")
    assert [matches(text, key_type, encoded) for text in pasted] == [Match(fingerprint(encoded))] * 4


@given(st.binary(min_size=1, max_size=64), st.binary(min_size=1, max_size=64))
def test_only_the_same_key_matches(first: bytes, second: bytes) -> None:
    shown, pasted = blob("ssh-ed25519", first), blob("ssh-ed25519", second)
    for text in (f"ssh-ed25519 {pasted}", fingerprint(pasted), f"{HASHED} ssh-ed25519 {pasted}"):
        assert isinstance(matches(text, "ssh-ed25519", shown), Match) is (first == second)


@given(st.text() | st.text(alphabet="SHA256:+/=ab| \n@#", max_size=120))
def test_no_text_without_the_key_matches(text: str) -> None:
    assert isinstance(matches(text, ED25519.type, ED25519.blob), Mismatch)
