"""What gives power over a server is an admin's to set, by whatever way the settings come."""

from typing import Any

import pytest

from deployments import container_settings, estiva_yml, permissions, power
from deployments.actors import ESTIVA, Actor
from deployments.container_options import OPTIONS
from deployments.errors import FieldErrors, Refused
from deployments.inventory.placements import save_placement
from deployments.models import Host, Placement, Release, User
from tests import factories as make

POWERFUL: list[tuple[dict[str, Any], str]] = [
    ({"binds": [{"source": "/srv/other", "path": "/a"}]}, "binds.0.source"),
    ({"binds": [{"source": "/srv/shared/docker.sock", "path": "/a"}]}, "binds.0.source"),
    ({"binds": [{"source": "/srv/sharedwithnobody", "path": "/a"}]}, "binds.0.source"),
    ({"binds": [{"source": "/srv/shared/maybe-a-link", "path": "/a"}]}, "binds.0.source"),
    ({"binds": [{"source": "/srv/shared", "path": "/a", "propagation": "rshared"}]}, "binds.0.propagation"),
    ({"volumes": [{"name": "aa", "path": "/a"}], "volume_options": [{"name": "aa", "options": "type=none o=bind device=/etc"}]}, "volume_options.0.options"),
    ({"volumes": [{"name": "aa", "path": "/a"}], "volume_options": [{"name": "aa", "driver": "sshfs"}]}, "volume_options.0.driver"),
    ({"storage_options": ["size=1g"]}, "storage_options"),
    ({"network_mode": "host"}, "network_mode"),
    ({"networks": [{"name": "back"}]}, "networks.0.name"),
    ({"oom_score_adj": -500}, "oom_score_adj"),
    ({"oom_kill_disable": True}, "oom_kill_disable"),
    ({"gpus": "all"}, "gpus"),
    ({"cap_drop": ["ALL"], "cap_add": ["SYS_ADMIN"]}, "cap_add.0"),
    ({"security_opt": ["no-new-privileges:true", "seccomp=unconfined"]}, "security_opt.1"),
    ({"sysctls": ["net.core.somaxconn=1"]}, "sysctls.0"),
    ({"privileged": True}, "privileged"),
    ({"devices": [{"source": "/dev/sda"}]}, "devices.0.source"),
    ({"device_cgroup_rules": ["b *:* rwm"]}, "device_cgroup_rules.0"),
    ({"pid_mode": "host"}, "pid_mode"),
    ({"ipc_mode": "host"}, "ipc_mode"),
    ({"uts_mode": "host"}, "uts_mode"),
    ({"userns_mode": "host"}, "userns_mode"),
    ({"cgroupns_mode": "host"}, "cgroupns_mode"),
    ({"cgroup_parent": "/a"}, "cgroup_parent"),
    ({"runtime": "kata"}, "runtime"),
    ({"log_driver": "syslog", "log_options": ["syslog-address=tcp://10.0.0.1"]}, "log_driver"),
    ({"annotations": ["a=b"]}, "annotations"),
]  # fmt: skip
HARMLESS: list[dict[str, Any]] = [
    {},
    {"binds": [{"source": "/srv/shared/", "path": "/a"}]},
    {"binds": [{"source": "/srv/shared", "path": "/a", "propagation": "rslave"}]},
    {"volumes": [{"name": "aa", "path": "/a"}], "volume_options": [{"name": "aa", "no_copy": True}]},
    {"network_mode": "none"},
    {"security_opt": ["no-new-privileges"]},
    {"cap_drop": ["ALL"], "read_only": True, "init": True, "ipc_mode": "none", "cgroupns_mode": "private"},
    {"log_driver": "json-file", "log_options": ["max-size=1m"]},
    {"labels": ["a=b"], "dns": ["10.0.0.1"], "tmpfs": [{"path": "/run"}], "ulimits": [{"soft": 1, "hard": 1}]},
]


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    settings.ESTIVA_ALLOWED_BINDS = ["/srv/shared/", "relative", "/srv/shared/docker.sock"]


@pytest.mark.parametrize(("raw", "path"), POWERFUL)
def test_what_needs_an_admin(raw: dict[str, Any], path: str) -> None:
    found = power.powers(container_settings.normalise(raw))
    assert [each.path for each in found] == [path]
    assert found[0].reason


@pytest.mark.parametrize("raw", HARMLESS)
def test_what_needs_none(raw: dict[str, Any]) -> None:
    assert power.powers(container_settings.normalise(raw)) == []


def test_what_is_marked_in_the_form_is_what_has_a_rule() -> None:
    marked = {field.name for field in OPTIONS if field.privileged}
    assert marked == set(power.RULES)
    assert marked == {path.partition(".")[0] for _raw, path in POWERFUL}
    assert not any(field.privileged for field in container_settings.FIELDS if field not in OPTIONS)


def test_a_repositorys_own_file_has_no_word_for_it() -> None:
    for raw, _path in POWERFUL:
        for name in set(raw) & set(power.RULES):
            with pytest.raises(estiva_yml.EstivaFileError, match="set in Estiva"):
                estiva_yml.read(f"{name}: true")


@pytest.fixture
def bruno() -> User:
    return make.bruno()


@pytest.mark.django_db
def test_an_earlier_release_with_power_is_an_admins_to_deploy_unless_it_runs_there(bruno: User) -> None:
    host = make.host("web-1")
    placement = save(Actor.of(make.ana()), [host], {})
    planned = container_settings.normalise({"privileged": True, "memory": "1g"})

    def check(actor: Actor) -> None:
        power.check_deploy(actor=actor, planned=planned, placement_id=placement.pk, host_ids=[host.pk])

    with pytest.raises(Refused, match="power over web-1: privileged true"):
        check(Actor.of(bruno))
    check(ESTIVA)
    release = make.release(placement)
    Release.objects.filter(pk=release.pk).update(settings=planned)
    placement.seats.update(running_release=release)
    check(Actor.of(bruno))


def save(actor: Actor, hosts: list[Host], raw: dict[str, Any], placement: Placement | None = None) -> Placement:
    return save_placement(
        actor=actor,
        placement=placement,
        application=placement.application if placement else make.application(),
        environment=placement.environment if placement else make.environment(),
        image="registry.test/shop:1",
        settings=raw,
        host_ids=[host.pk for host in hosts],
    )


@pytest.mark.django_db
@pytest.mark.parametrize(("raw", "path"), POWERFUL[:1] + POWERFUL[16:17])
def test_only_an_admin_saves_it_in_a_new_placement_and_in_an_old_one(
    bruno: User, raw: dict[str, Any], path: str
) -> None:
    host = make.host("web-1")
    assert not permissions.may_administer(bruno)
    with pytest.raises(FieldErrors) as new:
        save(Actor.of(bruno), [host], raw)
    assert list(new.value.errors) == [f"settings.{path}"]
    placement = save(Actor.of(bruno), [host], {})
    with pytest.raises(FieldErrors, match="Only an admin"):
        save(Actor.of(bruno), [host], raw, placement)
    assert save(Actor.of(make.ana()), [host], raw, placement).settings == container_settings.normalise(raw)
    assert save(ESTIVA, [host], raw, placement)


@pytest.mark.django_db
def test_what_an_admin_set_may_stay_but_not_grow_and_not_go_to_another_server(bruno: User) -> None:
    here, there = make.host("web-1"), make.host("web-2")
    set_by_admin: dict[str, Any] = {"privileged": True, "cap_add": ["NET_ADMIN"]}
    placement = save(Actor.of(make.ana()), [here], set_by_admin)
    kept = save(Actor.of(bruno), [here], {**set_by_admin, "memory": "1g"}, placement)
    assert kept.settings["memory"] == 1024**3
    with pytest.raises(FieldErrors) as grown:
        save(Actor.of(bruno), [here], {**set_by_admin, "cap_add": ["NET_ADMIN", "SYS_ADMIN"]}, placement)
    assert list(grown.value.errors) == ["settings.cap_add.1"]
    with pytest.raises(FieldErrors) as moved:
        save(Actor.of(bruno), [here, there], set_by_admin, placement)
    assert set(moved.value.errors) == {"settings.privileged", "settings.cap_add.0"}
    assert save(Actor.of(bruno), [here], {}, placement).settings == container_settings.defaults()
