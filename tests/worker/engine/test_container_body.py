"""A spec becomes the Engine API's JSON."""

from dataclasses import replace

from tests.worker.engine.stage import SHOP, Stage
from worker.engine.container_body import container_body, restart_label
from worker.engine.spec import ContainerSpec, DeploySpec, ImageSpec, PortSpec, Secret, VolumeSpec


def spec(container: ContainerSpec) -> DeploySpec:
    """Release 3 of the shop with these settings."""
    stage = Stage(container=container)
    stage.publish(3)
    return stage.spec(3)


ANY = "0.0.0.0"  # noqa: S104 - what Docker calls every address
LABELS = {
    "estiva.installation": "test",
    "estiva.placement": "7",
    "estiva.release": "3",
    "estiva.deployment": "103",
    "estiva.target": "3",
}


def test_the_least_that_can_be_said() -> None:
    given = spec(ContainerSpec())
    assert container_body(given, {}, with_aliases=True) == {
        "Image": given.image.reference,
        "Env": [],
        "Labels": {**LABELS, "estiva.restart": "unless-stopped", "estiva.stop": "10"},
        "ExposedPorts": {},
        "StopTimeout": 10,
        "HostConfig": {"PortBindings": {}, "Mounts": [], "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}},
    }


def test_everything_at_once() -> None:
    container = ContainerSpec(
        environment=(("GREETING", "a=b $X 'c' \"d\" \\e\nf"), ("TOKEN", Secret("s3cret"))),
        ports=(PortSpec(5000, 80), PortSpec(5000, None, "127.0.0.1"), PortSpec(53, 5353, protocol="udp")),
        volumes=(VolumeSpec("data", "/data"), VolumeSpec("conf", "/conf", read_only=True)),
        command=("serve", "--all"),
        entrypoint=("/init",),
        restart="on-failure",
        restart_retries=3,
        memory=64_000_000,
        cpus=0.3,
        stop_timeout=33,
        user="1000:1000",
        network="shop-net",
        network_aliases=("shop",),
    )
    given = spec(container)
    assert container_body(given, {"/cache": "f" * 64}, with_aliases=True) == {
        "Image": given.image.reference,
        "Env": ["GREETING=a=b $X 'c' \"d\" \\e\nf", "TOKEN=s3cret"],
        "Labels": {**LABELS, "estiva.restart": "on-failure:3", "estiva.stop": "33", "estiva.port": "5000"},
        "ExposedPorts": {"5000/tcp": {}, "53/udp": {}},
        "StopTimeout": 33,
        "Cmd": ["serve", "--all"],
        "Entrypoint": ["/init"],
        "User": "1000:1000",
        "NetworkingConfig": {"EndpointsConfig": {"shop-net": {"Aliases": ["shop"]}}},
        "HostConfig": {
            "PortBindings": {
                "5000/tcp": [{"HostIp": ANY, "HostPort": "80"}, {"HostIp": "127.0.0.1", "HostPort": ""}],
                "53/udp": [{"HostIp": ANY, "HostPort": "5353"}],
            },
            "Mounts": [
                {"Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": False},
                {"Type": "volume", "Source": "conf", "Target": "/conf", "ReadOnly": True},
                {"Type": "volume", "Source": "f" * 64, "Target": "/cache", "ReadOnly": False},
            ],
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "Memory": 64_000_000,
            "NanoCpus": 300_000_000,
            "NetworkMode": "shop-net",
        },
    }


def test_an_unproven_candidate_beside_the_old_one_gets_no_alias() -> None:
    given = spec(ContainerSpec(network="shop-net", network_aliases=("shop",)))
    body = container_body(given, {}, with_aliases=False)
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"shop-net": {"Aliases": []}}}


def test_an_image_built_without_a_registry_goes_by_its_id() -> None:
    given = replace(spec(ContainerSpec()), image=ImageSpec(SHOP, None, image_id="sha256:abc"))
    assert container_body(given, {}, with_aliases=True)["Image"] == "sha256:abc"


def test_an_empty_command_is_not_no_command() -> None:
    assert container_body(spec(ContainerSpec(command=())), {}, with_aliases=True)["Cmd"] == []


def test_the_restart_label_says_the_retries_only_where_there_are_some() -> None:
    assert restart_label(ContainerSpec(restart="always")) == "always"
    assert restart_label(ContainerSpec(restart="on-failure", restart_retries=5)) == "on-failure:5"
