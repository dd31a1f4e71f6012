"""The flags of `docker run`, one by one, into a container's settings."""

from collections.abc import Callable, Iterable
from typing import Final

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from deployments import dotenv
from deployments.run_line.drafting import Draft
from deployments.run_line.options import FIRST, plain
from deployments.run_line.options import TAKERS as OPTION_TAKERS
from deployments.run_line.parsing import Flag
from deployments.run_line.result import Variable
from deployments.run_line.unsupported import LEFT_OUT, NOT_SUPPORTED
from deployments.secret_guess import looks_secret
from deployments.short_forms import ShortFormError, read_mount, read_port, read_volume


def take_flags(draft: Draft, flags: Iterable[Flag]) -> None:
    """Read every flag: into a setting, or into the lists of what is not."""
    for flag in sorted(flags, key=lambda each: each.name not in FIRST):
        _take(draft, flag)


def _take(draft: Draft, flag: Flag) -> None:
    if flag.name in LEFT_OUT:
        draft.ledger.leave(flag.words, LEFT_OUT[flag.name], flag.text)
    elif flag.name in NOT_SUPPORTED or flag.name not in _TAKERS:
        why = NOT_SUPPORTED.get(flag.name, _("Estiva has no such setting."))
        draft.ledger.puzzle(flag.words, why, flag.text)
    elif flag.unresolved and flag.name not in {"--env", "--mount", "--volume"}:
        draft.ledger.puzzle(flag.words, draft.needs_value(flag.unresolved), flag.text)
    else:
        _TAKERS[flag.name](draft, flag)


def _port(draft: Draft, flag: Flag) -> None:
    try:
        rows = read_port(flag.value)
    except ShortFormError as error:
        draft.ledger.puzzle(flag.words, error.message, flag.text)
        return
    draft.put(flag, "ports", rows)


def _volume(draft: Draft, flag: Flag) -> None:
    try:
        setting, row = read_mount(flag.value) if flag.name == "--mount" else read_volume(flag.value)
    except ShortFormError as error:
        draft.ledger.puzzle(flag.words, error.message, flag.text)
        return
    if flag.unresolved:
        draft.ledger.puzzle(flag.words, draft.needs_value(flag.unresolved), flag.text)
        return
    draft.put(flag, setting, [row])


def _variable(draft: Draft, flag: Flag) -> None:
    name, equals, value = flag.value.partition("=")
    try:
        dotenv.check_name(name)
        dotenv.check_value(value)
    except dotenv.DotenvError as error:
        draft.ledger.puzzle(flag.words, error.message, flag.text)
        return
    missing = not equals or bool(flag.unresolved)
    draft.variables[name] = Variable(name, "" if missing else value, looks_secret(name, value), needs_value=missing)
    if not missing:
        draft.ledger.use(flag.words)
    elif equals:
        draft.ledger.puzzle(flag.words, draft.needs_value(flag.unresolved), flag.text)
    else:
        why = _("Its value came from the machine where this ran. Write it under Variables.")
        draft.ledger.puzzle(flag.words, why, flag.text)


def _restart(draft: Draft, flag: Flag) -> None:
    policy, colon, retries = flag.value.partition(":")
    if not colon:
        draft.set(flag, "restart", policy)
    elif policy != "on-failure" or draft.accept("restart_retries", retries) is not None:
        draft.ledger.puzzle(flag.words, _("Write on-failure:5 for at most five restarts."), flag.text)
    else:
        draft.set(flag, "restart", policy)


def _entrypoint(draft: Draft, flag: Flag) -> None:
    if flag.value:
        draft.set(flag, "entrypoint", [flag.value])
    else:
        why = _("Estiva can't take the image's entrypoint away; write another one.")
        draft.ledger.puzzle(flag.words, why, flag.text)


def _alias(draft: Draft, flag: Flag) -> None:
    draft.put(flag, "network_aliases", [flag.value])


def _name(draft: Draft, flag: Flag) -> None:
    draft.name = flag.value
    why = _("Estiva names the containers after application and environment.")
    draft.ledger.leave(flag.words, why, flag.text)


def _network(draft: Draft, flag: Flag) -> None:
    kind, colon, _rest = flag.value.partition(":")
    if kind in {"bridge", "default"}:
        draft.ledger.leave(flag.words, _("This is Docker's own default."), flag.text)
    elif kind in {"host", "none"}:
        draft.set(flag, "network_mode", kind)
    elif colon or "=" in kind or kind in {"container", "ns", "private", "slirp4netns", "pasta"}:
        why = format_lazy(_("Estiva has no setting for the network “{kind}”: publish ports instead."), kind=kind)
        draft.ledger.puzzle(flag.words, why, flag.text)
    else:
        draft.put(flag, "networks", [{"name": kind}])


def _address(column: str) -> Callable[[Draft, Flag], None]:
    """A fixed address, in the one network that is named."""

    def take(draft: Draft, flag: Flag) -> None:
        networks = draft.settings.get("networks", [])
        if len(networks) != 1:
            draft.ledger.puzzle(flag.words, _("Say in which network: --network name."), flag.text)
        else:
            draft.set(flag, "networks", [{**networks[0], column: flag.value}])

    return take


_TAKERS: Final[dict[str, Callable[[Draft, Flag], None]]] = {
    **OPTION_TAKERS,
    "--cpus": plain("cpus"),
    "--entrypoint": _entrypoint,
    "--env": _variable,
    "--memory": plain("memory"),
    "--ip": _address("ipv4"),
    "--ip6": _address("ipv6"),
    "--mount": _volume,
    "--name": _name,
    "--network": _network,
    "--network-alias": _alias,
    "--publish": _port,
    "--restart": _restart,
    "--stop-timeout": plain("stop_timeout"),
    "--user": plain("user"),
    "--volume": _volume,
}
