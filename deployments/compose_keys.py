"""Keys of a compose service that come to no setting of a container, and what a person should know about each."""

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_ORDER: Final = _("Each application is deployed on its own: deploy what it needs first.")
_TERMINAL: Final = _("Nobody sits at a terminal of it: its output is kept as the log.")
_FILE: Final = _("The files beside this one can't be seen here. Paste what they say.")
_NETWORK: Final = _(
    "Estiva joins no networks of others. Containers with “Names in the network” reach each other within an environment."
)

LEFT_OUT: Final[dict[str, "StrPromise"]] = {
    "container_name": _("Estiva names the containers after application and environment."),
    "expose": _("An exposed port is reached in the network anyway; publish it under Ports to reach it from outside."),
    "pull_policy": _("Estiva pulls the planned image itself."),
    "stdin_open": _TERMINAL,
    "tty": _TERMINAL,
}
NOT_SUPPORTED: Final[dict[str, "StrPromise"]] = {
    "configs": _("Estiva has no configs: put the file in the image."),
    "depends_on": _ORDER,
    "env_file": _("Paste the file's content on the page Variables, under Import .env."),
    "extends": _FILE,
    "links": _("Links are Compose's past: give the other application a “Name in the network”, and this one, too."),
    "networks": _NETWORK,
    "profiles": _("Estiva has no profiles: leave out the applications you don't want."),
    "scale": _("One container runs on each server; choose several servers for more."),
    "secrets": _("Keep them as secret variables of the application."),
    "volumes_from": _("Name each volume instead: two applications can use one of the same name."),
}
