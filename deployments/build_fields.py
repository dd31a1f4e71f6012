"""Readers of single build settings: names of branches, paths in a tree, names of arguments. As `setting_fields` has them."""

import posixpath
import re
from typing import Any, Final

from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from deployments import image_reference
from deployments.setting_fields import Errors, Field, refuse

_ARGUMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_SECRET_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_STAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_PLATFORM: Final = re.compile(r"linux/[a-z0-9]{2,12}(/v[0-9]{1,2})?")
_NOT_IN_REF: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|(^|/)\.|[./]$|^[-/]|^@$")
_MOST_TEXT: Final = 64 * 1024


def ref(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A branch, tag or commit, by the rules that Git has for such names."""
    if not isinstance(value, str) or len(value) > 200 or _NOT_IN_REF.search(value) or not value.isprintable():
        refuse(errors, path, _("Write the name of a branch or tag, such as main, or a commit."))
        return field.default
    return value


def tree_path(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A path inside the repository, canonical and without a leading slash."""
    text = str(value).strip("/")
    canonical = posixpath.normpath(text) if text else ""
    if len(text) > 500 or not text.isprintable() or "\\" in text or canonical.split("/")[0] == "..":
        refuse(errors, path, _("Write a path inside the repository, such as services/web."))
        return field.default
    return field.default if canonical == "." else canonical


def argument_name(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A build argument's or a variable's name."""
    if not isinstance(value, str) or not _ARGUMENT.fullmatch(value):
        refuse(errors, path, _("Use letters, digits and “_”, not beginning with a digit."))
    return value


def secret_id(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """What the Dockerfile calls a secret: `--mount=type=secret,id=…`."""
    if not isinstance(value, str) or not _SECRET_ID.fullmatch(value):
        refuse(errors, path, _("Use letters, digits, “_”, “.” and “-”."))
    return value


def stage(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A stage's name or number."""
    if not isinstance(value, str) or not _STAGE.fullmatch(value):
        refuse(errors, path, _("Write a stage's name, as after AS in the Dockerfile."))
    return value


def platform(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """`linux/amd64`, `linux/arm64`, `linux/arm/v7`."""
    if not isinstance(value, str) or not _PLATFORM.fullmatch(value):
        refuse(errors, path, _("Write a platform such as linux/amd64 or linux/arm64."))
    return value


def text(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """A value taken as it is; never NUL, and of a bearable length."""
    if not isinstance(value, str) or "\x00" in value or len(value) > _MOST_TEXT:
        refuse(errors, path, _t("Write at most %(most)s characters.") % {"most": _MOST_TEXT})
        return field.default
    return value


def file_text(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """The text of a whole file, with Unix line ends."""
    read = text(value, path, field, errors)
    return read.replace("\r\n", "\n") if isinstance(read, str) else read


def image_name(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """Where to push to: a repository in a registry, without tag and digest."""
    try:
        reference = image_reference.parse(str(value))
    except image_reference.ImageReferenceError as error:
        refuse(errors, path, error.message)
        return value
    if reference.digest or ":" in str(value).rpartition("/")[2]:
        refuse(errors, path, _("Leave out the tag: each build gets its commit as its tag."))
    return str(value)
