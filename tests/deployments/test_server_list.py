"""Lists of servers: what is read of ~/.ssh/config and CSV, and all or none registered."""

from pathlib import Path

import pytest

from deployments.inventory.many_hosts import LineErrors, register_hosts
from deployments.models import AuditEntry, Host, Operation
from deployments.server_list import Listed, read_csv, read_ssh_config
from tests.deployments.world import World, make_world

CONFIG = """\
User deploy
Host web-1 web-2 *.example.com
    HostName 10.0.0.%h
    ProxyJump bastion
    IdentityFile ~/.ssh/id_ed25519

Host bastion
    HostName=bastion.example.com
    Port 2222
    User "jump user"
    ForwardAgent no
Host DB_1
    ProxyJump ops@gate.example.com:2200,bastion
    LocalForward 5432 localhost:5432
    ProxyCommand nc %h %p
Host lonely
    ProxyJump none
Match host web-1
    User nobody
Include other/*
Host *
    User late
    Port 22
"""


def test_an_ssh_config_is_read_as_ssh_reads_it() -> None:
    found = read_ssh_config(CONFIG)
    assert found.servers == [
        Listed(2, "web-1", "10.0.0.web-1", "22", "deploy", "bastion"),
        Listed(2, "web-2", "10.0.0.web-2", "22", "deploy", "bastion"),
        Listed(7, "bastion", "bastion.example.com", "2222", "deploy"),
        Listed(12, "db-1", "DB_1", "22", "deploy", "bastion"),
        Listed(16, "lonely", "lonely", "22", "deploy"),
        Listed(12, "gate.example.com", "gate.example.com", "2200", "ops"),
    ]
    assert [(note.line, note.text.split()[0]) for note in found.notes] == [
        (5, "IdentityFile"),
        (14, "LocalForward"),
        (15, "ProxyCommand"),
        (18, "Match"),
    ]


def test_no_file_is_opened(tmp_path: Path) -> None:
    secret = tmp_path / "id"
    secret.write_text("never read")
    found = read_ssh_config(f"Include {secret}\nHost a\n IdentityFile {secret}\n HostName {secret}\n")
    assert "never read" not in str(found)
    assert [note.line for note in found.notes] == [1, 3]


def test_csv_with_and_without_a_first_line() -> None:
    assert read_csv("web-1,10.0.0.1\nweb-2,10.0.0.2,2222,deploy,web-1\n").servers == [
        Listed(1, "web-1", "10.0.0.1"),
        Listed(2, "web-2", "10.0.0.2", "2222", "deploy", "web-1"),
    ]
    found = read_csv("\ufeffAddress;Name;User\n10.0.0.1;web-1;\n# no\n\n10.0.0.2;web-2;ops;more\n", user="deploy")
    assert found.servers == [Listed(2, "web-1", "10.0.0.1", "22", "deploy")]
    assert [(note.line, note.text) for note in found.notes] == [(5, "10.0.0.2,web-2,ops,more")]


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def test_a_list_is_registered_whatever_its_order(world: World) -> None:
    listed = read_csv("a-1,10.0.0.1,22,root,mid\nmid,10.0.0.2,22,root,gate\ngate,192.0.2.1\n").servers
    made = register_hosts(actor=world.actor, listed=listed)
    assert [each.name for each in made] == ["gate", "mid", "a-1"]
    assert {each.name: each.via.name if each.via else None for each in made} == {
        "gate": None,
        "mid": "gate",
        "a-1": "mid",
    }
    assert len({each.public_key for each in made}) == 3
    assert Operation.objects.filter(kind=Operation.Kind.MEET, host__in=made).count() == 3
    assert AuditEntry.objects.filter(action="host.register", object_name__in=["gate", "mid", "a-1"]).count() == 3


def test_one_wrong_line_registers_nothing_and_every_line_is_told(world: World) -> None:
    text = (
        "good-1,10.0.0.1\n"
        "Bad Name,10.0.0.2\n"
        "good-2,-oProxyCommand=touch /tmp/x\n"
        "good-3,10.0.0.3,70000\n"
        "good-4,10.0.0.4,22,root; id\n"
        "good-5,10.0.0.5,22,root,nowhere\n"
        "good-1,10.0.0.6\n"
        "x-1,10.0.0.7,22,root,x-2\n"
        "x-2,10.0.0.8,22,root,x-1\n"
        "$(id),10.0.0.9\n"
    )
    before = Host.objects.count()
    with pytest.raises(LineErrors) as caught:
        register_hosts(actor=world.actor, listed=read_csv(text).servers)
    assert sorted(caught.value.lines) == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert "line 1 already" in str(caught.value.lines[7])
    assert "circle" in str(caught.value.lines[8])
    assert "no server of that name" in str(caught.value.lines[6])
    assert Host.objects.count() == before
    assert not AuditEntry.objects.filter(object_name="good-1").exists()


def test_a_way_of_the_list_is_no_longer_than_four(world: World) -> None:
    rows = [Listed(n, f"h-{n}", f"10.0.0.{n}", via=f"h-{n - 1}" if n > 1 else "") for n in range(1, 7)]
    with pytest.raises(LineErrors) as caught:
        register_hosts(actor=world.actor, listed=rows)
    assert list(caught.value.lines) == [6]
