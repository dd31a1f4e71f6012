"""The flags of `docker run`, one by one, into a container's settings."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from django.utils.text import format_lazy
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from deployments import dotenv
from deployments.run_line.ledger import Ledger
from deployments.run_line.parsing import Flag
from deployments.run_line.result import Variable
from deployments.run_line.shell import Word
from deployments.run_line.unsupported import LEFT_OUT, NOT_SUPPORTED
from deployments.secret_guess import looks_secret
from deployments.settings_draft import SettingsDraft
from deployments.short_forms import ShortFormError, read_mount, read_port, read_volume

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


_SHOWN: Final = 200  # characters of a value in a hint


class Draft(SettingsDraft):
    """What the flags of one container come to."""

    def __init__(self, ledger: Ledger, shell_variables: Mapping[str, str]) -> None:
        super().__init__()
        self.ledger = ledger
        self.shell_variables = shell_variables
        self.variables: dict[str, Variable] = {}
        self.name = ""

    def take(self, flag: Flag) -> None:
        """Read one flag: into a setting, or into the lists of what is not."""
        if flag.name in LEFT_OUT:
            self.ledger.leave(flag.words, LEFT_OUT[flag.name], flag.text)
        elif flag.name in NOT_SUPPORTED or flag.name not in _TAKERS:
            why = NOT_SUPPORTED.get(flag.name, _("Estiva has no such setting."))
            self.ledger.puzzle(flag.words, why, flag.text)
        elif flag.unresolved and flag.name not in {"--env", "--mount", "--volume"}:
            self.ledger.puzzle(flag.words, self.needs_value(flag.unresolved), flag.text)
        else:
            _TAKERS[flag.name](self, flag)

    def needs_value(self, unresolved: tuple[str, ...]) -> str:
        """Why something with a shell's variable in it was not taken, and what is known about it."""
        known = [
            f"{each} = {self.shell_variables[name][:_SHOWN]}"
            for each in unresolved
            if (name := _bare(each)) in self.shell_variables
        ]
        said = _t("Nothing is replaced here: write your own value for %(what)s.") % {
            "what": ", ".join(dict.fromkeys(unresolved))
        }
        return (
            said
            if not known
            else f"{said} {_t('Set further up: %(known)s.') % {'known': ', '.join(dict.fromkeys(known))}}"
        )

    def set(self, flag: Flag, name: str, value: Any) -> None:
        """One setting, if the domain takes it."""
        self._told(flag, self.accept(name, value))

    def put(self, flag: Flag, name: str, rows: list[Any]) -> None:
        """Rows more of one setting, if the domain takes them."""
        self._told(flag, self.add(name, rows))

    def _told(self, flag: Flag, refusal: str | None) -> None:
        if refusal is None:
            self.ledger.use(flag.words)
        else:
            self.ledger.puzzle(flag.words, refusal, flag.text)

    def command(self, words: list[Word]) -> None:
        """What follows the image; a shell's variables in it stay as written, and are named."""
        if not words:
            return
        refusal = self.accept("command", [word.value for word in words])
        if refusal is not None:
            self.ledger.puzzle(words, refusal)
            return
        self.ledger.use(words)
        if unresolved := tuple(each for word in words for each in word.unresolved):
            remark = _t("It is in the command as written; change it there.")
            self.ledger.puzzle(words, f"{self.needs_value(unresolved)} {remark}")


def _bare(written: str) -> str:
    """`NAME` of `$NAME` and `${NAME}`."""
    return written.strip("${}%")


def _port(draft: Draft, flag: Flag) -> None:
    try:
        rows = read_port(flag.value)
    except ShortFormError as error:
        draft.ledger.puzzle(flag.words, error.message, flag.text)
        return
    draft.put(flag, "ports", rows)


def _volume(draft: Draft, flag: Flag) -> None:
    try:
        row = read_mount(flag.value) if flag.name == "--mount" else read_volume(flag.value)
    except ShortFormError as error:
        draft.ledger.puzzle(flag.words, error.message, flag.text)
        return
    if flag.unresolved:
        draft.ledger.puzzle(flag.words, draft.needs_value(flag.unresolved), flag.text)
        return
    draft.put(flag, "volumes", [row])


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
    kind = flag.value.partition(":")[0]
    if kind in {"bridge", "default"}:
        draft.ledger.leave(flag.words, _("This is Docker's own default."), flag.text)
        return
    why: str | StrPromise = _(
        "Estiva joins no networks of others. Containers with “Names in the network” reach each other within an environment."
    )
    if kind in {"host", "none", "container", "ns", "slirp4netns", "pasta"}:
        why = format_lazy(_("Estiva has no setting for the network “{kind}”: publish ports instead."), kind=kind)
    draft.ledger.puzzle(flag.words, why, flag.text)


def _plain(setting: str) -> Callable[[Draft, Flag], None]:
    """A flag whose value is the setting's, as text."""

    def take(draft: Draft, flag: Flag) -> None:
        if flag.value.strip():
            draft.set(flag, setting, flag.value)
        else:
            draft.ledger.puzzle(flag.words, _("Its value is empty."), flag.text)

    return take


_TAKERS: Final[dict[str, Callable[[Draft, Flag], None]]] = {
    "--cpus": _plain("cpus"),
    "--entrypoint": _entrypoint,
    "--env": _variable,
    "--memory": _plain("memory"),
    "--mount": _volume,
    "--name": _name,
    "--network": _network,
    "--network-alias": _alias,
    "--publish": _port,
    "--restart": _restart,
    "--stop-timeout": _plain("stop_timeout"),
    "--user": _plain("user"),
    "--volume": _volume,
}
