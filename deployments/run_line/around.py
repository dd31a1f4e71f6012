"""Commands that stand around a `docker run` in snippets and jobs, and why Estiva doesn't need or know them."""

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

ENGINES: Final = frozenset({"docker", "podman", "nerdctl"})
COMPOSE: Final = frozenset({"docker-compose", "podman-compose"})
SHELLS: Final = frozenset({"bash", "bat", "cmd", "dash", "eval", "powershell", "pwsh", "sh", "zsh"})
KEYWORDS: Final = frozenset({"!", "do", "done", "elif", "else", "fi", "if", "then", "until", "while", "{", "}"})
PREFIXES: Final = frozenset({"call", "command", "env", "exec", "nohup", "start", "time", "winpty"})
GROUPS: Final = frozenset({"builder", "buildx", "container", "image", "network", "system", "volume"})

_OLD: Final = _("Estiva starts, stops and replaces the containers itself.")
_LOOKS: Final = _("It only looks: Estiva shows this on its pages.")
_PULLED: Final = _("Estiva pulls the planned image itself.")
_SHELL: Final = _("It changes nothing in the container.")

COMPOSE_WHY: Final = _("Paste the compose file itself: start from a compose file.")
DOCKER_LEFT_OUT: Final[dict[str, "StrPromise"]] = {
    **dict.fromkeys(("kill", "pause", "remove", "restart", "rm", "start", "stop", "unpause", "update", "wait"), _OLD),
    **dict.fromkeys(
        ("attach", "events", "history", "images", "info", "inspect", "list", "logs", "ls", "port", "ps", "stats", "top", "version"),
        _LOOKS,
    ),
    "login": _("Estiva signs in to registries with the credential that is kept for them."),
    "logout": _("Estiva signs in to registries with the credential that is kept for them."),
    "prune": _("Estiva removes what it no longer needs of its own; the rest of the server stays as it is."),
    "pull": _PULLED,
    "push": _("Estiva pushes what it builds where a registry is set."),
    "rmi": _("Estiva removes images that no release needs by itself."),
    "tag": _("Estiva tags what it builds itself."),
}  # fmt: skip
VOLUME_WHY: Final = _("Estiva makes volumes where they don't exist.")
NETWORK_WHY: Final = _("Estiva makes its networks itself.")
DOCKER_UNKNOWN: Final = _(
    "Estiva doesn't run this. If it has to happen, it belongs into the image or the container's command."
)
SHELL_LEFT_OUT: Final[dict[str, "StrPromise"]] = dict.fromkeys(
    (".", ":", "@echo", "[", "[[", "cd", "clear", "cls", "date", "echo", "exit", "export", "false", "hostname", "id", "ls", "printf",
     "pwd", "read", "rem", "return", "set", "shopt", "sleep", "source", "test", "trap", "true", "umask", "unset", "wait", "whoami"),
    _SHELL,
)  # fmt: skip
SHELL_UNKNOWN: Final = _(
    "Estiva runs nothing beside the container: this belongs into the Dockerfile, or into the container's command."
)
GIT_WHY: Final = _("Estiva fetches the commit to build itself.")
OTHER_RUN: Final = _("Another container. Paste it alone for an application of its own.")
SERVER_WHY: Final = _("Choose the server under “Where”.")
OUTPUT_WHY: Final = _("Estiva keeps all output as the log.")
UNKNOWN_FLAG: Final = _(
    "There is no such flag. If a value was to follow it, image and command may be wrong: check them."
)
VALUELESS: Final = _("The value of this flag is missing.")
EMPTY_RUN: Final = _("The image is missing: nothing that could be one follows.")
UNCLOSED: Final = _("A quote is opened here and never closed, so it was taken as a letter.")
TOO_LONG: Final = _("This is longer than %(most)s characters. Paste only the lines that matter.")
TOO_DEEP: Final = _("A command in a command in a command: paste the innermost alone.")
CREDENTIAL_WHY: Final = _("The name and password in the address are left out: give Estiva the credential itself.")
