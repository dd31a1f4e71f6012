"""Flags of `docker run` that come to no setting, and what a person should know about each."""

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_TERMINAL: Final = _("Nobody sits at a terminal of it: its output is kept as the log.")
_PULLED: Final = _("Estiva pulls the planned image itself.")
_CHECK: Final = _("Choose the kind of check under Health; the image's own counts only where that is chosen.")
_NO_FILE: Final = _("This is a file on the machine where it ran, which Estiva can't see.")

LEFT_OUT: Final[dict[str, "StrPromise"]] = {
    "--attach": _TERMINAL,
    "--cidfile": _("Estiva keeps the container's id itself."),
    "--detach": _("Estiva always runs it in the background."),
    "--detach-keys": _TERMINAL,
    "--disable-content-trust": _PULLED,
    "--expose": _("An exposed port is reached in the network anyway; publish it under Ports to reach it from outside."),
    "--help": _("It only shows Docker's help."),
    "--interactive": _TERMINAL,
    "--pull": _PULLED,
    "--quiet": _PULLED,
    "--replace": _("Estiva replaces the version before by itself."),
    "--rm": _("Estiva removes containers that are no longer needed by itself."),
    "--sig-proxy": _TERMINAL,
    "--tls-verify": _PULLED,
    "--tty": _TERMINAL,
}
NOT_SUPPORTED: Final[dict[str, "StrPromise"]] = {
    "--env-file": _("Paste the file's content on the page Variables, under Import .env."),
    "--health-start-interval": _CHECK,
    "--label-file": _NO_FILE,
    "--link": _("Links are Docker's past: give the other application a “Name in the network”, and this one, too."),
    "--publish-all": _("Estiva doesn't know which ports the image exposes. Write them under Ports."),
    "--volume-driver": _("Choose the driver under Volume options."),
    "--volumes-from": _("Name each volume instead: two applications can use one of the same name."),
}
