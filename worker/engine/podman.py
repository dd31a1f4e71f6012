"""What podman's service lacks or does otherwise: said in the plan and by the check, before anything is touched."""

from collections.abc import Iterator

from worker.engine.container_host import EngineFacts
from worker.engine.events import Finding
from worker.engine.options import Options
from worker.engine.spec import ContainerSpec

_UNKNOWN = {
    "domainname": "a domain name",
    "mac_address": "a MAC address",
    "gpus": "graphics cards",
    "device_cgroup_rules": "device rules",
    "cgroupns_mode": "a control group namespace",
    "runtime": "a runtime",
    "annotations": "annotations",
}
"""What podman 4.3's service passes over in silence: the container would be made, and be another than was asked for."""
_LOG_OPTIONS = ("max-size", "path", "tag")
_FIRST_UNTRIED = 5  # from this version on nothing is claimed here


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

    if "boot" in facts.lacks:
        yield Finding(
            "engine",
            "warn",
            f"podman-restart.service is off on {server}: after a reboot nothing serves, whatever was deployed.",
            f"On {server}: `systemctl {'--user ' if facts.rootless else ''}enable podman-restart.service`"
            + (", and `loginctl enable-linger` for its user." if facts.rootless else "."),
        )


def podman_compose(facts: EngineFacts, server: str) -> Iterator[Finding]:
    """Compose v2 leans on what podman's service does otherwise; Estiva hasn't seen it work, and doesn't try it on what serves."""
    if facts.product == "Podman":
        yield Finding(
            "compose",
            "bad",
            f"{server} runs {facts.name}: Compose applications aren't deployed to Podman.",
            "Choose a server with Docker, or place its services as single containers.",
        )


def podman_builder(facts: EngineFacts, server: str) -> Iterator[Finding]:
    """Building needs BuildKit's session, a call that podman's service hasn't."""
    if facts.product == "Podman":
        yield Finding(
            "builder",
            "bad",
            f"{server} runs {facts.name}, which has no BuildKit: images can't be built there.",
            "Choose a server with Docker as the builder of this environment.",
        )


def podman_misfits(container: ContainerSpec, facts: EngineFacts, server: str) -> Iterator[Finding]:
    """What of these settings podman does otherwise, or not at all."""
    if facts.product != "Podman":
        return
    yield from _restart(container, server)
    if "timers" in facts.lacks and container.health.kind in ("image", "command"):
        yield Finding(
            "options",
            "bad",
            f"Podman runs a container's own health check by timers of systemd, and has none on {server}: it would never answer.",
            "Let the health check ask a port (HTTP or TCP), or let podman there use systemd as its cgroup manager.",
        )
    if "names" in facts.lacks and any(each.aliases for each in container.networks):
        yield Finding(
            "options",
            "warn",
            f"Podman on {server} makes its networks with CNI: other containers find this one by its aliases only where the "
            "plugin dnsname is installed.",
            "Install netavark and aardvark-dns there before the first network is made.",
        )
    if facts.engine_version.partition(".")[0] in map(str, range(_FIRST_UNTRIED)):
        yield from _passed_over(container.options, facts, server)


def _restart(container: ContainerSpec, server: str) -> Iterator[Finding]:
    if container.restart == "unless-stopped":
        yield Finding(
            "restart",
            "warn",
            f'Podman on {server} starts after a reboot what has the restart policy "always" alone: "unless-stopped" becomes '
            '"always" there, so a container that was stopped by hand comes back too.',
            'Choose "always" in the settings, if that is what you want.',
        )
    elif container.restart == "on-failure":
        yield Finding(
            "restart",
            "warn",
            f'The restart policy is "on-failure": podman on {server} doesn\'t start such a container after a reboot.',
            'Choose "always" in the settings.',
        )


def _passed_over(options: Options, facts: EngineFacts, server: str) -> Iterator[Finding]:
    words = [said for name, said in _UNKNOWN.items() if getattr(options, name)]
    if any(each.no_copy or not each.is_plain for each in options.volume_options):
        words.append("the options of a volume")
    if any(each.endswith(":host-gateway") for each in options.extra_hosts):
        words.append("host-gateway (write host.containers.internal in your application instead)")
    rest = [each for each in options.log_options if each.partition("=")[0] not in _LOG_OPTIONS]
    words += [f"the log option {each.partition('=')[0]}" for each in rest]
    for said in words:
        yield Finding(
            "options",
            "bad",
            f"{facts.name} on {server} passes {said} over.",
            "Leave it empty, or deploy to a server with Docker.",
        )
    if options.blkio_weight:
        yield Finding(
            "options", "warn", f"{facts.name} on {server} may pass the block IO weight over, and doesn't say so."
        )
