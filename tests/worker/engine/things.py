"""Ready-made pieces of a server: a container and an image, to be varied with `dataclasses.replace`."""

from worker.engine.container_host import Container, LocalImage


def container(name: str = "shop-production-r1.f1", **fields: object) -> Container:
    """A running container of Release 1."""
    values: dict[str, object] = {
        "id": "c" * 64,
        "name": name,
        "image_id": "sha256:" + "1" * 64,
        "image": "registry.test/shop",
        "labels": {
            "estiva.installation": "test",
            "estiva.placement": "7",
            "estiva.release": "1",
            "estiva.deployment": "101",
            "estiva.target": "1",
            "estiva.restart": "unless-stopped",
        },
        "status": "running",
        "running": True,
        "exit_code": 0,
        "oom_killed": False,
        "error": "",
        "health": "",
        "restart_count": 0,
        "restart_policy": "unless-stopped",
        "restart_retries": 0,
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "0001-01-01T00:00:00Z",
        "networks": {"bridge": "172.17.0.2"},
        "network_aliases": {},
        "network_mode": "default",
        "published": (),
        "mounts": (),
    }
    return Container(**(values | fields))  # type: ignore[arg-type]


def image(**fields: object) -> LocalImage:
    """An image for linux/amd64 that declares port 5000."""
    values: dict[str, object] = {
        "id": "sha256:" + "1" * 64,
        "repo_digests": ("registry.test/shop@sha256:" + "d" * 64,),
        "repo_tags": (),
        "size": 1,
        "os": "linux",
        "architecture": "amd64",
        "exposed_ports": ("5000/tcp",),
    }
    return LocalImage(**(values | fields))  # type: ignore[arg-type]
