"""The flags of `docker run` that come to a container option."""

from collections.abc import Callable
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from deployments.option_forms import (
    check_words,
    patient,
    read_device,
    read_duration,
    read_gpus,
    read_tmpfs,
    read_ulimit,
)
from deployments.run_line.drafting import Draft
from deployments.run_line.parsing import Flag
from deployments.short_forms import ShortFormError

Taker = Callable[[Draft, Flag], None]

FIRST: Final = frozenset({"--health-cmd", "--log-driver", "--memory", "--network"})
"""Read before the others, whatever their order: others are judged by what these say."""

_PLAIN: Final = {
    "--blkio-weight": "blkio_weight",
    "--cgroup-parent": "cgroup_parent",
    "--cgroupns": "cgroupns_mode",
    "--cpu-period": "cpu_period",
    "--cpu-quota": "cpu_quota",
    "--cpu-shares": "cpu_shares",
    "--cpuset-cpus": "cpuset_cpus",
    "--cpuset-mems": "cpuset_mems",
    "--domainname": "domainname",
    "--hostname": "hostname",
    "--ipc": "ipc_mode",
    "--log-driver": "log_driver",
    "--mac-address": "mac_address",
    "--memory-reservation": "memory_reservation",
    "--memory-swap": "memory_swap",
    "--memory-swappiness": "memory_swappiness",
    "--oom-score-adj": "oom_score_adj",
    "--pid": "pid_mode",
    "--pids-limit": "pids_limit",
    "--platform": "platform",
    "--runtime": "runtime",
    "--shm-size": "shm_size",
    "--stop-signal": "stop_signal",
    "--userns": "userns_mode",
    "--uts": "uts_mode",
    "--workdir": "working_dir",
}
_LISTS: Final = {
    "--add-host": "extra_hosts",
    "--annotation": "annotations",
    "--cap-add": "cap_add",
    "--cap-drop": "cap_drop",
    "--device-cgroup-rule": "device_cgroup_rules",
    "--dns": "dns",
    "--dns-option": "dns_options",
    "--dns-search": "dns_search",
    "--group-add": "group_add",
    "--label": "labels",
    "--security-opt": "security_opt",
    "--storage-opt": "storage_options",
    "--sysctl": "sysctls",
}
_SWITCHES: Final = {
    "--init": "init",
    "--oom-kill-disable": "oom_kill_disable",
    "--privileged": "privileged",
    "--read-only": "read_only",
}


def plain(setting: str) -> Taker:
    """A flag whose value is the setting's, as text."""

    def take(draft: Draft, flag: Flag) -> None:
        if flag.value.strip():
            draft.set(flag, setting, flag.value)
        else:
            draft.ledger.puzzle(flag.words, _("Its value is empty."), flag.text)

    return take


def _list(setting: str) -> Taker:
    def take(draft: Draft, flag: Flag) -> None:
        draft.put(flag, setting, [flag.value])

    return take


def _switch(setting: str) -> Taker:
    def take(draft: Draft, flag: Flag) -> None:
        draft.set(flag, setting, "on" if flag.is_on else "off")

    return take


def _row(setting: str, read: Callable[[str], dict[str, Any]]) -> Taker:
    def take(draft: Draft, flag: Flag) -> None:
        try:
            row = read(flag.value)
        except ShortFormError as error:
            draft.ledger.puzzle(flag.words, error.message, flag.text)
        else:
            draft.put(flag, setting, [row])

    return take


def _gpus(draft: Draft, flag: Flag) -> None:
    draft.set(flag, "gpus", read_gpus(flag.value))


def _log_option(draft: Draft, flag: Flag) -> None:
    if "log_driver" not in draft.settings:
        draft.accept("log_driver", "json-file")  # what Docker's own default is
    draft.put(flag, "log_options", [flag.value])


def _health(name: str, read: Callable[[str], Any]) -> Taker:
    """A part of the check that Docker runs; the command comes first."""

    def take(draft: Draft, flag: Flag) -> None:
        known = draft.settings.get("health", {})
        if name != "command" and not known:
            draft.ledger.puzzle(flag.words, _("Estiva uses the check that is in the image as it is there."), flag.text)
            return
        try:
            value = patient({**known, "kind": "command", name: read(flag.value)})
        except ShortFormError as error:
            draft.ledger.puzzle(flag.words, error.message, flag.text)
        else:
            draft.set(flag, "health", value)

    return take


def _no_check(draft: Draft, flag: Flag) -> None:
    draft.set(flag, "health", {"no_image_check": "on"} if flag.is_on else {})


def _rate(kind: str) -> Taker:
    def take(draft: Draft, flag: Flag) -> None:
        source, colon, rate = flag.value.rpartition(":")
        if colon:
            draft.put(flag, "device_rates", [{"source": source, "kind": kind, "rate": rate}])
        else:
            draft.ledger.puzzle(flag.words, _("Write a device and a rate, such as /dev/sda:10m."), flag.text)

    return take


TAKERS: Final[dict[str, Taker]] = {
    **{flag: plain(setting) for flag, setting in _PLAIN.items()},
    **{flag: _list(setting) for flag, setting in _LISTS.items()},
    **{flag: _switch(setting) for flag, setting in _SWITCHES.items()},
    "--device-read-bps": _rate("read_bps"),
    "--device-read-iops": _rate("read_iops"),
    "--device-write-bps": _rate("write_bps"),
    "--device-write-iops": _rate("write_iops"),
    "--no-healthcheck": _no_check,
    "--device": _row("devices", read_device),
    "--gpus": _gpus,
    "--health-cmd": _health("command", check_words),
    "--health-interval": _health("interval", read_duration),
    "--health-retries": _health("retries", str),
    "--health-start-period": _health("start_period", read_duration),
    "--health-timeout": _health("timeout", read_duration),
    "--log-opt": _log_option,
    "--tmpfs": _row("tmpfs", read_tmpfs),
    "--ulimit": _row("ulimits", read_ulimit),
}
