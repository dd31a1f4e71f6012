"""Addresses of Git repositories, read as people paste them.

`https://`, `ssh://` and the short form `git@host:team/app.git` are taken; `http://` too, with a `warning`. Everything
else that git would take is refused: folders of the worker, `git://`, and remote helpers such as `ext::`, which run
programs. A canonical address holds no credential; nothing in it can be read as an option of git or ssh.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

MAX_LENGTH: Final = 500
DEFAULT_PORTS: Final = {"https": 443, "http": 80, "ssh": 22}
DEFAULT_USER: Final = "git"  # every forge's

# Matched with fullmatch everywhere: "$" would let a trailing newline through.
_LABEL: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\]")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~%+@:=,!-]+")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_SHORT: Final = re.compile(r"(?:(?P<user>[^@/:]*)@)?(?P<host>\[[^\]/]*\]|[^@/:\[\]]+):(?P<path>(?!:).*)")
_ENCODED_CONTROL: Final = re.compile(r"%(?:[01][0-9A-Fa-f]|7[fF])")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PAGE: Final = re.compile(r"(.+?)/(?:-/)?(?:tree|blob|src/branch|commits?|merge_requests|pulls?|issues)/.+")


class GitUrlError(ValueError):
    """A text that is no usable address; `message` is for the person who typed it, `code` is stable."""

    def __init__(self, code: str, message: "StrPromise | str") -> None:
        super().__init__(code)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


@dataclass(frozen=True, slots=True)
class GitUrl:
    """A valid, normalised address, made by `parse`. `port` is None where it's the scheme's own; `path` begins with “/”."""

    scheme: str
    user: str
    host: str
    port: int | None
    path: str

    @property
    def text(self) -> str:
        """The whole address, as git takes it."""
        return f"{self.scheme}://{f'{self.user}@' if self.user else ''}{self.place}{self.path}"

    @property
    def place(self) -> str:
        """Host, and port where it isn't the scheme's own."""
        return f"{self.host}:{self.port}" if self.port else self.host

    @property
    def origin(self) -> str:
        """Whom a credential belongs to: scheme, host and port."""
        return f"{self.scheme}://{self.place}"

    @property
    def bare_host(self) -> str:
        """The host as a resolver takes it: an IPv6 address without its brackets."""
        return self.host.strip("[]")

    @property
    def real_port(self) -> int:
        """The port that is really meant."""
        return self.port or DEFAULT_PORTS[self.scheme]

    @property
    def name(self) -> str:
        """What the repository is called: `shop` for `https://host/team/shop.git`."""
        return self.path.rpartition("/")[2].removesuffix(".git")

    @property
    def warning(self) -> "StrPromise | None":
        """A remark for the form where the address is legal but doubtful, else None."""
        if self.scheme != "http":
            return None
        return _("http:// is not encrypted: whoever listens on the way reads the code and the token. Use https:// where you can.")  # fmt: skip

    def web_address(self, commit: str = "") -> str:
        """The page of the repository, or of a commit, where the usual forges have it; nobody has looked whether it's there."""
        scheme = self.scheme if self.scheme != "ssh" else "https"
        place = self.place if self.scheme != "ssh" else self.host
        page = f"{scheme}://{place}{self.path.removesuffix('.git')}"
        if not commit:
            return page
        between = {"bitbucket.org": "commits"}.get(self.host, "-/commit" if "gitlab" in self.host else "commit")
        return f"{page}/{between}/{commit}"

    def __str__(self) -> str:
        return self.text


def check_url(text: str) -> str:
    """The canonical address; raises ValueError with a message for people."""
    return parse(text).text


def parse(text: str) -> GitUrl:
    """Read what a person pasted; raises GitUrlError, which says what to write instead."""
    text = text.strip(" ")
    _refuse_what_is_no_address(text)
    scheme, user, host, port, path = _parts(text)
    _check_user(scheme, user)
    _check_host(host)
    return GitUrl(
        scheme=scheme,
        user=(user or DEFAULT_USER) if scheme == "ssh" else "",
        host=host.lower(),
        port=_port(scheme, port),
        path=_path(scheme, host, path),
    )


def _refuse_what_is_no_address(text: str) -> None:
    """The mistakes that have a better answer than “invalid”."""
    if not text:
        raise GitUrlError("empty", _("Write the repository's address, for example https://github.com/team/app.git."))
    if len(text) > MAX_LENGTH:
        raise GitUrlError("length", format_lazy(_("Use at most {most} characters."), most=MAX_LENGTH))
    if any(character.isspace() or not character.isprintable() for character in text):
        raise GitUrlError("whitespace", _("An address has no spaces, line breaks or invisible characters: remove them."))  # fmt: skip
    if re.match(r"[A-Za-z0-9+.-]*::", text):
        raise GitUrlError("helper", _("Addresses with “::” run a program of git's and are never used. Write an https:// or ssh:// address."))  # fmt: skip
    if text[0] in "/.~\\" or re.match(r"[A-Za-z]:[\\/]", text) or text.lower().startswith("file:"):
        raise GitUrlError("file", _("Folders are never read, only Git servers. Write an https:// or ssh:// address."))
    if text[0] == "-":
        raise GitUrlError("option", _("An address doesn't begin with “-”."))


def _parts(text: str) -> tuple[str, str | None, str, str, str]:
    """Scheme, user (None: none written), host, port and path, unchecked."""
    if with_scheme := _SCHEME.fullmatch(text):
        scheme = with_scheme[1].lower()
        if scheme not in DEFAULT_PORTS:
            raise GitUrlError(
                "scheme", format_lazy(_("{scheme}:// is not used: write an https:// or ssh:// address."), scheme=scheme)
            )
        authority, _slash, path = with_scheme[2].partition("/")
        user, at, place = authority.rpartition("@")
        host, _colon, port = place.rpartition(":") if re.search(r":[^\]]*$", place) else (place, "", "")
        return scheme, user if at else None, host, port, path
    if short := _SHORT.fullmatch(text):
        if short["user"] is None and re.match(r"[0-9]+(/|$)", short["path"]):
            raise GitUrlError("no_scheme", format_lazy(_("Write the whole address: https://{text}."), text=text))
        return "ssh", short["user"], short["host"], "", short["path"].lstrip("/")
    raise GitUrlError("no_scheme", format_lazy(_("Write the whole address: https://{text}."), text=text))


def _check_user(scheme: str, user: str | None) -> None:
    if user is None:
        return
    if ":" in user or scheme != "ssh":
        raise GitUrlError(
            "credential",
            _(
                "Leave user name, password and token out of the address: they have fields of their own, where they are kept sealed."
            ),
        )
    if not _USER.fullmatch(user):
        raise GitUrlError(
            "user",
            _(
                "The user before “@” is made of letters, digits, “_”, “.”, “+” and “-”, "
                "and doesn't begin with “-”; mostly it is git."
            ),
        )


def _check_host(host: str) -> None:
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise GitUrlError(
            "host",
            format_lazy(
                _("“{host}” is no server's name. Write a name or address, such as git.example.com or 10.0.0.5."),
                host=host,
            ),
        )


def _port(scheme: str, port: str) -> int | None:
    if not port:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise GitUrlError("port", format_lazy(_("“{port}” is no port: write a number from 1 to 65535."), port=port))
    return None if int(port) == DEFAULT_PORTS[scheme] else int(port)


def _path(scheme: str, host: str, path: str) -> str:
    """The path with its slash in front and none behind."""
    path = path.rstrip("/")
    if not path:
        raise GitUrlError("path", format_lazy(_("Add the repository's path: {host}/team/app.git."), host=host))
    if scheme != "ssh" and ("?" in path or "#" in path or _PAGE.fullmatch(path)):
        raise GitUrlError("page", _("This is a page about the repository. Write the repository's own address, as its Clone button gives it."))  # fmt: skip
    for segment in path.split("/"):
        if segment in {".", ".."} or segment.startswith("-") or not _SEGMENT.fullmatch(segment):
            raise GitUrlError(
                "path",
                format_lazy(
                    _("“{segment}” can't be a part of a repository's path. Letters beyond A to Z are written as %XX."),
                    segment=segment,
                ),
            )
    if _ENCODED_CONTROL.search(path) or _BAD_PERCENT.search(path):
        raise GitUrlError("path", _("The path contains an encoded control character or a “%” that encodes nothing."))
    return f"/{path}"
