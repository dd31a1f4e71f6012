"""What settings of a container don't go together, each said at the field where it is mended."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from deployments import setting_fields as fields
from deployments.option_fields import UNLIMITED, port_numbers
from deployments.setting_fields import Errors

_ASKED: Final = frozenset({"http", "tcp"})


def check_together(settings: dict[str, Any], errors: Errors) -> None:
    """Refuse what can't be at once; fills in the port that a health check asks."""
    _check_ports(settings["ports"], errors)
    _check_mounts(settings, errors)
    _check_health(settings, errors)
    _check_network(settings, errors)
    _check_limits(settings, errors)
    if settings.get("log_options") and not settings.get("log_driver"):
        fields.refuse(errors, "log_driver", _("Say which driver the log options are for."))


def _check_health(settings: dict[str, Any], errors: Errors) -> None:
    health = settings["health"]
    if health["kind"] in _ASKED and health["port"] is None:
        tcp = [port["container_port"] for port in settings["ports"] if port["protocol"] == "tcp"]
        if not tcp:
            fields.refuse(errors, "health.port", _("Say which port to ask, since no TCP port is published."))
        else:
            health["port"] = port_numbers(tcp[0])[0]
    if health["status_min"] > health["status_max"]:
        fields.refuse(errors, "health.status_max", _("This is below the lowest status."))
    if health["kind"] == "command" and not health.get("command"):
        fields.refuse(errors, "health.command", _("Write the command that checks it."))
    if health["kind"] in _ASKED | {"command"} and health["start_period"] >= health["deadline"]:
        fields.refuse(errors, "health.deadline", _("Give up later than the seconds it may start in."))


def _check_mounts(settings: Mapping[str, Any], errors: Errors) -> None:
    """One path of the container is taken once, by whatever kind."""
    seen: set[str] = set()
    for field in ("volumes", "binds", "tmpfs", "anonymous_volumes"):
        for number, row in enumerate(settings.get(field) or ()):
            path, column = (row, "") if isinstance(row, str) else (row["path"], ".path")
            if path in seen:
                fields.refuse(errors, f"{field}.{number}{column}", _("This is in another row already."))
            seen.add(path)
    names = {row["name"] for row in settings["volumes"]}
    given: set[str] = set()
    for number, row in enumerate(settings.get("volume_options") or ()):
        if row["name"] not in names:
            fields.refuse(errors, f"volume_options.{number}.name", _("There is no volume of this name above."))
        elif row["name"] in given:
            fields.refuse(errors, f"volume_options.{number}.name", _("This is in another row already."))
        given.add(row["name"])


def _check_network(settings: Mapping[str, Any], errors: Errors) -> None:
    mode = settings.get("network_mode")
    if mode:
        said = _("This needs a network of its own address: choose that under Network.")
        for name in ("ports", "network_aliases", "networks", "mac_address"):
            if settings.get(name):
                fields.refuse(errors, name, said)
    if mode == "none" and settings["health"]["kind"] in _ASKED:
        fields.refuse(errors, "health.kind", _("Nothing can be asked over the network of a container without one."))
    if settings.get("uts_mode") == "host":
        for name in ("hostname", "domainname"):
            if settings.get(name):
                fields.refuse(errors, name, _("It has the server's host name, as chosen under Rights."))
    seen: set[str] = set()
    for number, row in enumerate(settings.get("networks") or ()):
        if row["name"] in seen:
            fields.refuse(errors, f"networks.{number}.name", _("This is in another row already."))
        seen.add(row["name"])


def _check_limits(settings: Mapping[str, Any], errors: Errors) -> None:
    memory, swap = settings["memory"], settings.get("memory_swap")
    if swap is not None and memory is None:
        fields.refuse(errors, "memory_swap", _("Set the memory limit, too."))
    elif swap is not None and swap != UNLIMITED and memory is not None and swap < memory:
        fields.refuse(errors, "memory_swap", _("This is memory and swap together: no less than the memory limit."))
    if memory is not None and settings.get("memory_reservation", 0) > memory:
        fields.refuse(errors, "memory_reservation", _("This is more than the memory limit."))
    if settings["cpus"] is not None and (settings.get("cpu_quota") or settings.get("cpu_period")):
        fields.refuse(errors, "cpus", _("Set this, or quota and period, not both."))
    names: set[str] = set()
    for number, row in enumerate(settings.get("ulimits") or ()):
        if row["hard"] != UNLIMITED and (row["soft"] == UNLIMITED or row["soft"] > row["hard"]):
            fields.refuse(errors, f"ulimits.{number}.soft", _("The soft limit can't be above the hard one."))
        if row["name"] in names:
            fields.refuse(errors, f"ulimits.{number}.name", _("This is in another row already."))
        names.add(row["name"])


def _check_ports(ports: Sequence[Mapping[str, Any]], errors: Errors) -> None:
    """Ranges of one length, and no port of the server twice; 0.0.0.0 and :: want it on every address."""
    for number, port in enumerate(ports):
        if port["host_port"] is None:
            continue
        outer, inner = port_numbers(port["host_port"]), port_numbers(port["container_port"])
        if len(outer) != len(inner):
            said = _t("The ranges differ in length: %(inner)s ports of the container, %(outer)s of the server.")
            fields.refuse(errors, f"ports.{number}.host_port", said % {"inner": len(inner), "outer": len(outer)})
        if any(_clash(port, other) for other in ports[:number]):
            said = _t("Another row takes this port of the server already.")
            fields.refuse(errors, f"ports.{number}.host_port", said)


def _clash(port: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if other["host_port"] is None or port["protocol"] != other["protocol"]:
        return False
    mine, theirs = port_numbers(port["host_port"]), port_numbers(other["host_port"])
    return mine[0] <= theirs[-1] and theirs[0] <= mine[-1] and _overlap(port["host_address"], other["host_address"])


def _overlap(one: str, other: str) -> bool:
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    return first == second or (first.version == second.version and (first.is_unspecified or second.is_unspecified))
