"""What the texts among the container options look like: each reader refuses what has another shape, in words."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from deployments import option_fields as read
from deployments.setting_fields import Reader

_SPEC: Final = _("Write 0-3 or 0,2.")
_SIGNAL: Final = _("Write a signal's name or number, such as SIGINT or 2.")
_CAPABILITY: Final = _("Write a capability, such as NET_ADMIN, or ALL.")
_HOSTNAME: Final = _("Use letters, digits, dashes and dots.")
_HOST_SHAPE: Final = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?"
_PAIR: Final = _("Write NAME=value.")
_TEXT_LINE: Final = _("This can't be read.")


def _capability(text: str) -> str:
    return text.upper().removeprefix("CAP_")


WORKING_DIR: Final[Reader] = read.pattern(
    r"/[^\x00-\x1f\x7f]{0,1000}", _("Write a full path in the container, such as /app.")
)
SIGNAL: Final[Reader] = read.pattern(r"(SIG)?[A-Z][A-Z0-9+-]{1,11}|[1-9]|[1-5]\d|6[0-4]", _SIGNAL)
PLATFORM: Final[Reader] = read.pattern(
    r"linux/[a-z0-9_]{1,20}(/[a-z0-9]{1,10})?", _("Write linux/amd64, linux/arm64 or the like.")
)
STORAGE_OPTION: Final[Reader] = read.lines(read.pair(r"[a-z][a-z0-9_.]{0,50}", _PAIR))
HOST_NAME: Final[Reader] = read.pattern(_HOST_SHAPE, _HOSTNAME)
SEARCH_DOMAIN: Final[Reader] = read.lines(read.shaped(r"\.|[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})", _HOSTNAME))
RESOLVER_OPTION: Final[Reader] = read.lines(
    read.shaped(r"[a-z][a-z0-9-]{0,40}(:\d{1,3})?", _("Write an option of resolv.conf, such as ndots:2."))
)
MAC: Final[Reader] = read.pattern(
    r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", _("Write six pairs of hex digits, such as 02:42:ac:11:00:02.")
)
CPUSET: Final[Reader] = read.pattern(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?){0,50}", _SPEC)
GROUP: Final[Reader] = read.lines(
    read.shaped(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", _("Write a group's name or number."))
)
CAPABILITY: Final[Reader] = read.lines(read.shaped(r"[A-Z][A-Z0-9_]{1,40}", _CAPABILITY), canonical=_capability)
SECURITY_OPTION: Final[Reader] = read.lines(
    read.shaped(
        r"[a-z][a-z-]{0,40}([:=][A-Za-z0-9_./:=-]{1,200})?",
        _("Write an option such as no-new-privileges:true or apparmor=NAME."),
    )
)
SYSCTL: Final[Reader] = read.lines(
    read.pair(
        r"[a-z][a-z0-9_]{0,40}(\.[A-Za-z0-9_*-]{1,60}){1,8}", _("Write NAME=value, such as net.core.somaxconn=1024.")
    )
)
DEVICE_RULE: Final[Reader] = read.lines(
    read.shaped(
        r"[abc] (\d{1,6}|\*):(\d{1,6}|\*) r?w?m?|[abc] (\d{1,6}|\*):(\d{1,6}|\*) [rwm]{1,3}",
        _("Write a rule such as c 189:* rmw."),
    )
)
CGROUP: Final[Reader] = read.pattern(r"[A-Za-z0-9_/][A-Za-z0-9_./:@-]{0,200}", _TEXT_LINE)
RUNTIME: Final[Reader] = read.pattern(r"[a-zA-Z0-9][a-zA-Z0-9_./-]{0,99}", _TEXT_LINE)
LOG_OPTION: Final[Reader] = read.lines(read.pair(r"[a-z][a-z0-9-]{0,60}", _PAIR))
ANNOTATION: Final[Reader] = read.lines(read.pair(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}", _PAIR))
DRIVER: Final[Reader] = read.pattern(r"[a-z0-9][a-z0-9/_.:-]{0,99}", _("Write a driver's name, such as local."))
DRIVER_OPTIONS: Final[Reader] = read.pattern(
    r"[^\s=]+=\S*( +[^\s=]+=\S*){0,30}", _("Write NAME=value, separated by blanks.")
)
MODE: Final[Reader] = read.pattern(r"[0-7]{3,4}", _("Write three or four digits from 0 to 7."))
PERMISSIONS: Final[Reader] = read.pattern(r"r?w?m?", _("Use r, w and m, in this order."))
