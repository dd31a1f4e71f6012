"""What podman's service lacks or does otherwise: said in the plan and by the check, before anything is touched."""

from collections.abc import Iterator

from worker.engine.container_host import EngineFacts
from worker.engine.events import Finding
from worker.engine.spec import ContainerSpec


def podman_findings(facts: EngineFacts, server: str) -> Iterator[Finding]:
    """None for Docker, and for a podman that has everything."""
    if "update" in facts.lacks:
        yield Finding(
            "engine",
            "warn",
            f"{facts.name} on {server} can't change the restart policy of a container that exists: a new version is proven in "
            "a container that no reboot starts, then exchanged for its twin with the right policy. It starts twice.",
            "Where both can't run side by side nothing serves for as long as two starts take.",
        )
    if "distribution" in facts.lacks:
        yield Finding(
            "engine",
            "warn",
            f"{facts.name} on {server} can't ask a registry what a tag stands for, nor for which platforms an image is.",
            "Another server of the same plan tells the digest, or the worker asks a registry that is registered; else name the "
            "image by its digest.",
        )


def podman_misfits(container: ContainerSpec, facts: EngineFacts, server: str) -> Iterator[Finding]:
    """What of these settings podman does otherwise, or not at all."""
    if facts.product != "Podman":
        return
    if container.restart == "unless-stopped":
        yield Finding(
            "restart",
            "warn",
            f'Podman on {server} starts after a reboot what has the restart policy "always" alone: "unless-stopped" becomes '
            '"always" there, so a container that was stopped by hand comes back too.',
            "Nothing comes back where podman-restart.service is off: `systemctl enable podman-restart.service` there.",
        )
    elif container.restart == "on-failure":
        yield Finding(
            "restart",
            "warn",
            f'The restart policy is "on-failure": podman on {server} doesn\'t start such a container after a reboot.',
            'Choose "always" in the settings.',
        )
