"""The keys of a compose service that come to a container option."""

from collections.abc import Callable
from typing import Any, Final

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from deployments.compose_draft import ServiceDraft, written
from deployments.option_forms import (
    check_words,
    patient,
    read_device,
    read_duration,
    read_gpus,
    read_tmpfs,
    read_ulimit,
)
from deployments.short_forms import ShortFormError
from deployments.yaml_lines import Node

Taker = Callable[[ServiceDraft, str, Node], None]

FIRST: Final = frozenset({"deploy", "logging", "mem_limit", "network_mode"})
"""Read before the others, whatever their order: others are judged by what these say."""
NOT_THIS: Final = _("This is not how it is written in a compose file.")

_PLAIN: Final = {
    "cgroup": "cgroupns_mode",
    "cgroup_parent": "cgroup_parent",
    "cpu_period": "cpu_period",
    "cpu_quota": "cpu_quota",
    "cpu_shares": "cpu_shares",
    "cpus": "cpus",
    "cpuset": "cpuset_cpus",
    "domainname": "domainname",
    "hostname": "hostname",
    "ipc": "ipc_mode",
    "mac_address": "mac_address",
    "mem_limit": "memory",
    "mem_reservation": "memory_reservation",
    "mem_swappiness": "memory_swappiness",
    "memswap_limit": "memory_swap",
    "oom_score_adj": "oom_score_adj",
    "pid": "pid_mode",
    "pids_limit": "pids_limit",
    "platform": "platform",
    "runtime": "runtime",
    "shm_size": "shm_size",
    "stop_signal": "stop_signal",
    "user": "user",
    "userns_mode": "userns_mode",
    "uts": "uts_mode",
    "working_dir": "working_dir",
}
_SWITCHES: Final = ("init", "oom_kill_disable", "privileged", "read_only")
_LISTS: Final = {
    "cap_add": "cap_add",
    "cap_drop": "cap_drop",
    "device_cgroup_rules": "device_cgroup_rules",
    "dns": "dns",
    "dns_opt": "dns_options",
    "dns_search": "dns_search",
    "group_add": "group_add",
    "security_opt": "security_opt",
}
_PAIRS: Final = {
    "annotations": "annotations",
    "extra_hosts": "extra_hosts",
    "labels": "labels",
    "storage_opt": "storage_options",
    "sysctls": "sysctls",
}


def plain(setting: str) -> Taker:
    """A key whose value is the setting's, as text."""

    def take(draft: ServiceDraft, key: str, node: Node) -> None:
        if node.is_scalar:
            draft.set(written(key, node), node, setting, node.text)
        else:
            draft.puzzle(key, NOT_THIS, node.line)

    return take


def _listed(setting: str, read: Callable[[str], Any] = str) -> Taker:
    """Entries of a list, or one alone."""

    def take(draft: ServiceDraft, key: str, node: Node) -> None:
        for each in node.items or (node,):
            if not each.is_scalar:
                draft.puzzle(key, NOT_THIS, each.line)
                continue
            try:
                found = read(each.text)
            except ShortFormError as error:
                draft.puzzle(f"{key}: {each.text}", error.message, each.line)
            else:
                draft.put(f"{key}: {each.text}", each, setting, [found])

    return take


def _paired(setting: str) -> Taker:
    """NAME: value, or a list of NAME=value."""

    def take(draft: ServiceDraft, key: str, node: Node) -> None:
        if node.kind != "map":
            _listed(setting)(draft, key, node)
            return
        for name, each in node.entries.items():
            for value in each.items or (each,):
                if value.is_scalar or value.kind == "null":
                    draft.put(f"{key}: {name}", value, setting, [f"{name}={value.text}"])
                else:
                    draft.puzzle(f"{key}: {name}", NOT_THIS, value.line)

    return take


def _network_mode(draft: ServiceDraft, key: str, node: Node) -> None:
    if node.text in {"bridge", "default"}:
        return
    if node.text in {"host", "none"}:
        draft.set(written(key, node), node, "network_mode", node.text)
    else:
        why = _("Estiva shares no network of another container: reach it by “Names in the network”.")
        draft.puzzle(written(key, node), why, node.line)


def _logging(draft: ServiceDraft, key: str, node: Node) -> None:
    driver, options = node.entries.get("driver"), node.entries.get("options")
    name = driver.text if driver is not None and driver.is_scalar else "json-file"
    draft.set(f"{key}: {name}", driver or node, "log_driver", name)
    if options is not None:
        _paired("log_options")(draft, f"{key}: options", options)
    _puzzle_rest(draft, key, node, {"driver", "options"})


def _healthcheck(draft: ServiceDraft, key: str, node: Node) -> None:
    """Docker's own check by a command, or that the image's is off."""
    test = node.entries.get("test")
    words = [each.text for each in test.items] if test is not None else []
    if node.entries.get("disable", node).is_true or words == ["NONE"]:
        draft.set(key, node, "health", {"no_image_check": "on"})
        return
    if test is None:
        draft.puzzle(key, _("Estiva uses the check that is in the image as it is there."), node.line)
        return
    command = check_words(test.text) if test.is_scalar else words[1:]
    if words[:1] == ["CMD-SHELL"]:
        command = check_words(" ".join(words[1:]))
    elif words and words[0] != "CMD":
        draft.puzzle(f"{key}: test", NOT_THIS, test.line)
        return
    value: dict[str, Any] = {"kind": "command", "command": command}
    try:
        for name in ("interval", "timeout", "start_period"):
            if name in node.entries:
                value[name] = read_duration(node.entries[name].text)
    except ShortFormError as error:
        draft.puzzle(f"{key}: {name}", error.message, node.entries[name].line)
    if "retries" in node.entries:
        value["retries"] = node.entries["retries"].text
    draft.set(key, node, "health", patient(value))
    _puzzle_rest(draft, key, node, {"test", "interval", "timeout", "start_period", "retries", "disable"})


def _ulimits(draft: ServiceDraft, key: str, node: Node) -> None:
    for name, each in node.entries.items():
        soft, hard = each.entries.get("soft", each).text, each.entries.get("hard", each).text
        try:
            draft.put(f"{key}: {name}", each, "ulimits", [read_ulimit(f"{name}={soft}:{hard}")])
        except ShortFormError as error:
            draft.puzzle(f"{key}: {name}", error.message, each.line)
    if node.kind != "map":
        draft.puzzle(key, NOT_THIS, node.line)


def _blkio(draft: ServiceDraft, key: str, node: Node) -> None:
    if "weight" in node.entries:
        plain("blkio_weight")(draft, f"{key}: weight", node.entries["weight"])
    _puzzle_rest(draft, key, node, {"weight"})


def _puzzle_rest(draft: ServiceDraft, key: str, node: Node, known: set[str]) -> None:
    if node.kind != "map":
        draft.puzzle(key, NOT_THIS, node.line)
    for name in sorted(node.entries.keys() - known):
        why = format_lazy(_("Estiva has no such part of {key}."), key=key)
        draft.puzzle(f"{key}: {name}", why, node.keys[name][0])


TAKERS: Final[dict[str, Taker]] = {
    **{key: plain(setting) for key, setting in _PLAIN.items()},
    **{key: plain(key) for key in _SWITCHES},
    **{key: _listed(setting) for key, setting in _LISTS.items()},
    **{key: _paired(setting) for key, setting in _PAIRS.items()},
    "blkio_config": _blkio,
    "devices": _listed("devices", read_device),
    "gpus": lambda draft, key, node: draft.set(written(key, node), node, "gpus", read_gpus(node.text)),
    "healthcheck": _healthcheck,
    "logging": _logging,
    "network_mode": _network_mode,
    "tmpfs": _listed("tmpfs", read_tmpfs),
    "ulimits": _ulimits,
}
