"""Flags of `docker run` that come to no setting, and what a person should know about each."""

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_TERMINAL: Final = _("Nobody sits at a terminal of it: its output is kept as the log.")
_PULLED: Final = _("Estiva pulls the planned image itself.")
_CHECK: Final = _(
    "Estiva uses the check that is in the image; write it in the Dockerfile, or choose another kind under Health."
)
_RIGHTS: Final = _("Estiva has no setting that gives a container more rights on the server.")
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
    "--cap-add": _RIGHTS,
    "--device": _RIGHTS,
    "--env-file": _("Paste the file's content on the page Variables, under Import .env."),
    "--gpus": _("Estiva has no setting for graphics cards."),
    "--health-cmd": _CHECK,
    "--health-interval": _CHECK,
    "--health-retries": _CHECK,
    "--health-start-interval": _CHECK,
    "--health-start-period": _CHECK,
    "--health-timeout": _CHECK,
    "--no-healthcheck": _CHECK,
    "--hostname": _("Estiva leaves the container its own host name; others reach it by “Names in the network”."),
    "--label": _("Estiva sets only its own labels; others go into the image."),
    "--label-file": _NO_FILE,
    "--link": _("Links are Docker's past: give the other application a “Name in the network”, and this one, too."),
    "--pid": _RIGHTS,
    "--privileged": _RIGHTS,
    "--publish-all": _("Estiva doesn't know which ports the image exposes. Write them under Ports."),
    "--security-opt": _RIGHTS,
    "--tmpfs": _("Estiva has no setting for folders in memory."),
    "--userns": _RIGHTS,
    "--volume-driver": _("Estiva makes volumes with Docker's own driver."),
    "--volumes-from": _("Name each volume instead: two applications can use one of the same name."),
    "--workdir": _("Estiva starts in the image's working directory; write WORKDIR in the Dockerfile."),
}
