"""What a deploy needs and podman's service may lack: said in the plan and by the check, before anything is touched."""

from collections.abc import Iterator

from worker.engine.container_host import EngineFacts
from worker.engine.events import Finding


def podman_findings(facts: EngineFacts, server: str) -> Iterator[Finding]:
    """None for Docker, and for a podman that has everything."""
    if "update" in facts.lacks:
        yield Finding(
            "engine",
            "bad",
            f"{facts.name} on {server} can't change the restart policy of a container that exists, so a reboot in the "
            "middle of a deploy could leave nothing serving: Estiva doesn't deploy there.",
            "Install Docker there (docker.io), or a podman whose service knows POST /containers/NAME/update, then plan "
            "again.",
        )
    if "distribution" in facts.lacks:
        yield Finding(
            "engine",
            "warn",
            f"{facts.name} on {server} can't ask a registry what a tag stands for, nor for which platforms an image is.",
            "Another server of the same plan tells the digest; else name the image by its digest.",
        )
