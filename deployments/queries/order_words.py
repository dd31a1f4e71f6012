"""In which order a deploy would reach its servers, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deployments import hooks, rollout_settings


def waves_of(settings: Mapping[str, Any], names: Sequence[str], *, leads: bool = False) -> dict[str, int]:
    """Server → the wave it comes in, counted from 1; nothing where all come at once. `leads`: the first one goes alone."""
    waves = _waves(settings, names, leads=leads)
    return {name: number for number, several in enumerate(waves, 1) for name in several} if len(waves) > 1 else {}


def order_words(settings: Mapping[str, Any], names: Sequence[str], *, leads: bool = False) -> list[str]:
    """Sentences, in the order of what happens; nothing for a single server."""
    waves = rollout_settings.waves(settings, names)
    if len(names) < 2:
        return []
    alone = _("%(server)s goes alone at first: the command before the deploy runs there, once for all.")
    return [*([alone % {"server": names[0]}] if leads else []), *_order(settings, waves)]


def _waves(settings: Mapping[str, Any], names: Sequence[str], *, leads: bool) -> list[list[str]]:
    waves = rollout_settings.waves(settings, names)
    return hooks.led(waves) if leads else waves


def _order(settings: Mapping[str, Any], waves: Sequence[Sequence[str]]) -> list[str]:
    if len(waves) < 2:
        return [_("All at once; a server that fails doesn't stop the others.")]
    return [*_begin(settings, waves), _gate(settings), *_stop(settings)]


def _begin(settings: Mapping[str, Any], waves: Sequence[Sequence[str]]) -> list[str]:
    first = rollout_settings.first_words(waves[0])
    if settings["kind"] == "canary":
        others = len(waves[1])
        rest = ngettext("then the other one.", "then the other %(n)d.", others) % {"n": others}
        return [_("First %(servers)s, %(rest)s") % {"servers": first, "rest": rest}]
    return [_("%(n)d waves, %(servers)s first.") % {"n": len(waves), "servers": first}]


def _gate(settings: Mapping[str, Any]) -> str:
    gate = rollout_settings.gate_after(settings, 0)
    if gate == "person":
        return _("Between two waves it waits for a person's word.")
    if gate == "minutes":
        minutes = int(settings["minutes"])
        return ngettext(
            "The next ones follow after %(n)d minute in which all is well.",
            "The next ones follow after %(n)d minutes in which all is well.",
            minutes,
        ) % {"n": minutes}
    return _("The next ones follow as soon as those before have ended.")


def _stop(settings: Mapping[str, Any]) -> list[str]:
    most = int(settings["stop_after"])
    if not most:
        return [_("A failure doesn't stop the others.")]
    after = ngettext("It stops after a failure", "It stops after %(n)d failures", most) % {"n": most}
    if settings["then"] == "restore":
        return [_("%(after)s; what was switched by then gets back what served before.") % {"after": after}]
    return [_("%(after)s; what was switched by then stays.") % {"after": after}]
