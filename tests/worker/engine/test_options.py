"""Options become the Engine API's JSON, decide how the old version is replaced, and are missed by name where a server lacks them."""

from dataclasses import replace

import pytest

from deployments import container_settings
from tests.every_option import ELSEWHERE, OPTIONS, SETTINGS
from tests.worker.engine.stage import HTTP, Stage, ended, lines
from tests.worker.engine.things import container
from worker.connections.fake import Behaviour, FakeHost
from worker.container_spec import container_spec, options
from worker.engine.container_body import container_body
from worker.engine.container_host import EngineFacts, Mount
from worker.engine.events import Finding
from worker.engine.lacking import lacking
from worker.engine.options import BindSpec, DeviceSpec, NetworkSpec, Options, TmpfsSpec, VolumeOptionSpec
from worker.engine.spec import ContainerSpec, HealthSpec, VolumeSpec
from worker.engine.strategy import inherited, replacement

EVERYTHING = container_spec(container_settings.normalise(SETTINGS), (), "env-net")
FACTS = EngineFacts("26.1.4", "1.45", "linux", "amd64", "/var/lib/docker", "")


def test_every_option_is_sent_as_it_was_set() -> None:
    stage = Stage(container=EVERYTHING)
    stage.publish(3)
    body = container_body(stage.spec(3), {"/old": "f" * 64}, with_aliases=True)
    host = body.pop("HostConfig")
    assert {key: body[key] for key in ("WorkingDir", "StopSignal", "Hostname", "Domainname", "MacAddress", "User")} == {
        "WorkingDir": "/srv",
        "StopSignal": "SIGINT",
        "Hostname": "shop-1",
        "Domainname": "shop.internal",
        "MacAddress": "02:42:0a:d5:07:09",
        "User": "1000:1000",
    }
    assert body["Labels"].items() >= {"com.example.team": "web", "plain": "", "estiva.installation": "test"}.items()
    assert body["Healthcheck"] == {
        "Test": ["CMD", *SETTINGS["health"]["command"]],
        "Interval": 500_000_000,
        "Timeout": 3_000_000_000,
        "StartPeriod": 0,
        "Retries": 5,
    }
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"env-net": {"Aliases": ["shop"]}}}, "one, for old engines"
    assert set(body["ExposedPorts"]) == {"5000/tcp", "5001/tcp"}
    assert host.pop("PortBindings")["5001/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "18501"}]
    assert host.pop("Mounts") == [
        {"Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": False},
        {
            "Type": "volume",
            "Source": "conf",
            "Target": "/conf",
            "ReadOnly": True,
            "VolumeOptions": {
                "NoCopy": True,
                "Labels": {"estiva.installation": "test"},
                "DriverConfig": {
                    "Name": "local",
                    "Options": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=0750"},
                },
            },
        },
        {"Type": "volume", "Source": "f" * 64, "Target": "/old", "ReadOnly": False},
        {
            "Type": "bind",
            "Source": "/usr/share",
            "Target": "/mnt/share",
            "ReadOnly": True,
            "BindOptions": {"Propagation": "private"},
        },
        {"Type": "volume", "Target": "/scratch"},
    ]
    assert host == {
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "NetworkMode": "env-net",
        "Memory": 67108864,
        "NanoCpus": 500_000_000,
        "Init": True,
        "ShmSize": 33554432,
        "ReadonlyRootfs": True,
        "ExtraHosts": ["db.internal:10.1.2.3", "up:host-gateway", "six:fd00::1"],
        "Dns": ["10.9.9.9", "fd00::53"],
        "DnsSearch": ["shop.internal"],
        "DnsOptions": ["ndots:2", "rotate"],
        "MemoryReservation": 33554432,
        "MemorySwap": 134217728,
        "MemorySwappiness": 10,
        "PidsLimit": 64,
        "CpuShares": 512,
        "CpusetCpus": "0",
        "CpusetMems": "0",
        "BlkioWeight": 300,
        "BlkioDeviceReadBps": [{"Path": "/dev/vda", "Rate": 1048576}],
        "BlkioDeviceWriteIOps": [{"Path": "/dev/vda", "Rate": 100}],
        "OomScoreAdj": 100,
        "OomKillDisable": True,
        "GroupAdd": ["50", "51"],
        "CapDrop": ["NET_RAW"],
        "CapAdd": ["SYS_NICE"],
        "SecurityOpt": ["no-new-privileges:true"],
        "Privileged": True,
        "DeviceCgroupRules": ["c 1:3 rwm"],
        "PidMode": "host",
        "IpcMode": "private",
        "UsernsMode": "host",
        "CgroupnsMode": "private",
        "CgroupParent": "/estiva-test",
        "Runtime": "runc",
        "StorageOpt": {"size": "1g"},
        "Sysctls": {"net.core.somaxconn": "512"},
        "Annotations": {"com.example.note": "hello"},
        "Tmpfs": {"/run/app": "rw,nosuid,nodev,exec,size=1048576,mode=1770"},
        "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}, {"Name": "core", "Soft": 0, "Hard": 0}],
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "rw"}],
        "DeviceRequests": [
            {"Driver": "", "Capabilities": [["gpu"]], "Count": 0, "DeviceIDs": ["0", "GPU-1a"]},
        ],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
    }


def test_what_goes_with_nothing_else() -> None:
    stage = Stage(container=ContainerSpec(options=options({**ELSEWHERE, "gpus": "all", "oom_score_adj": 0})))
    stage.publish(3)
    host = container_body(stage.spec(3), {}, with_aliases=True)["HostConfig"]
    assert host.items() >= {"NetworkMode": "host", "UTSMode": "host", "CpuQuota": 20000, "CpuPeriod": 100000}.items()
    assert (host["DeviceRequests"][0]["Count"], host["OomScoreAdj"]) == (-1, 0)


def test_the_images_own_check_can_be_off() -> None:
    stage = Stage()
    stage.publish(3)
    for kind, sent in (("running", {"Test": ["NONE"]}), ("image", None)):
        stage.container = ContainerSpec(health=HealthSpec(kind=kind, no_image_check=True))  # type: ignore[arg-type]
        assert container_body(stage.spec(3), {}, with_aliases=True).get("Healthcheck") == sent


def test_no_option_of_the_domain_is_forgotten() -> None:
    assert set(OPTIONS) | set(ELSEWHERE) == set(Options.__dataclass_fields__)
    assert options({}) == Options()


@pytest.mark.parametrize(
    ("chosen", "word"),
    [
        (Options(network_mode="host"), "the server's own network"),
        (Options(networks=(NetworkSpec("back", ipv4="10.0.0.9"),)), "address 10.0.0.9 in back"),
        (Options(networks=(NetworkSpec("back", ipv6="fd00::9"),)), "address fd00::9 in back"),
        (Options(binds=(BindSpec("/srv/a", "/a"),)), "/srv/a of the server at /a"),
        (Options(mac_address="02:42:ac:11:00:02"), "MAC address"),
        (Options(devices=(DeviceSpec("/dev/ttyUSB0"),)), "device /dev/ttyUSB0"),
    ],
)
def test_what_one_version_holds_alone_stops_the_old_one_first(chosen: Options, word: str) -> None:
    strategy, reasons = replacement(ContainerSpec(options=chosen), ())
    assert strategy == "stop-first"
    assert word in reasons[0]


def test_what_both_can_have_does_not() -> None:
    chosen = Options(
        binds=(BindSpec("/srv/a", "/a", read_only=True),),
        tmpfs=(TmpfsSpec("/run"),),
        networks=(NetworkSpec("back", ("shop",)),),
        network_mode="none",
    )
    assert replacement(ContainerSpec(options=chosen), ())[0] == "start-first"


def test_a_nameless_volume_of_the_settings_is_carried_over_unless_something_else_is_there_now() -> None:
    old = replace(container(), mounts=(Mount("volume", "a" * 64, "", "/scratch", read_only=False),))
    assert inherited(old, None, ContainerSpec(options=Options(anonymous_volumes=("/scratch",))))
    for chosen in (Options(binds=(BindSpec("/srv", "/scratch"),)), Options(tmpfs=(TmpfsSpec("/scratch"),))):
        assert inherited(old, None, ContainerSpec(options=chosen)) == {}


def test_every_network_is_joined_and_the_names_in_it_come_last() -> None:
    chosen = Options(networks=(NetworkSpec("back", ("store",)), NetworkSpec("quiet")))
    stage = Stage(container=ContainerSpec(network="shop-net", network_aliases=("shop",), health=HTTP, options=chosen))
    stage.serving_first(1).publish(2)
    host = FakeHost(stage.server)
    assert ended(stage.deploy(2, host)).verdict == "succeeded"
    (running,) = stage.containers()
    assert running.networks == {"shop-net": ("shop",), "back": ("store",), "quiet": ()}
    joined = [call.arguments for call in host.journal if call.name == "connect_network"]
    mine = [each for each in joined if each[1] == "shop-production-r2.f2"]
    assert mine[0] == ("back", "shop-production-r2.f2", ()), "unproven it has no name there"
    assert mine[-1] == ("back", "shop-production-r2.f2", ("store",))
    assert joined.index(mine[-1]) < joined.index(("back", "shop-production-r1.f2", ("formerly-store",)))


def test_a_volume_with_a_driver_of_its_own_is_not_made_plain_beforehand() -> None:
    special = (VolumeOptionSpec("nfs", options="type=nfs"), VolumeOptionSpec("own", no_copy=True))
    volumes = (VolumeSpec("nfs", "/n"), VolumeSpec("own", "/o"))
    stage = Stage(container=ContainerSpec(volumes=volumes, health=HTTP, options=Options(volume_options=special)))
    stage.publish(1)
    host = FakeHost(stage.server)
    assert ended(stage.deploy(1, host)).verdict == "succeeded"
    assert [call.arguments for call in host.journal if call.name == "ensure_volume"] == [("own",)]


def test_what_a_server_lacks_is_named() -> None:
    asked = Options(memory_swap=-1, annotations=("a=b",), runtime="runsc", log_driver="local")
    old = replace(FACTS, api_version="1.41", engine_version="20.10.24", absent=frozenset({"SwapLimit", "PidsLimit"}))
    old = replace(old, runtimes=("runc",), log_drivers=("json-file",))
    found = list(lacking(asked, old, "web-1"))
    assert [each.result for each in found] == ["warn", "warn", "bad", "bad"]
    assert "memory swap will have no effect" in found[0].message
    assert "Docker 20.10.24 on web-1 passes annotations over" in found[1].message
    assert "no runtime runsc; it has runc" in found[2].message
    assert list(lacking(asked, FACTS, "web-1")) == []
    assert list(lacking(Options(), old, "web-1")) == []


def test_the_platform_that_was_chosen_is_what_is_pulled() -> None:
    stage = Stage(container=ContainerSpec(health=HTTP, options=Options(platform="linux/arm64")))
    stage.publish(1)
    events = stage.deploy(1)
    assert ended(events).verdict == "failed_untouched"
    (found,) = [each for each in events if isinstance(each, Finding) and each.check == "platform"]
    assert (found.result, "the settings ask for linux/arm64" in found.message) == ("bad", True)


def test_docker_runs_the_check_command_and_its_word_counts() -> None:
    check = HealthSpec(kind="command", command=("check", "--deep"), interval=0.2, deadline=10)
    stage = Stage(container=ContainerSpec(health=check))
    stage.publish(1)
    events = stage.deploy(1)
    assert ended(events).verdict == "succeeded"
    assert any("the command check --deep in the container" in each for each in lines(events))
    stage.publish(2, Behaviour(healthy_after=None, unhealthy_after=1.0))
    assert ended(stage.deploy(2)).verdict == "failed_restored"
    assert stage.serving() == [1]
