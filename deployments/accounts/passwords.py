"""The fields of a new person, checked in one place."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from deployments.errors import FieldErrors
from deployments.models import User


def checked_email(email: str, *, may_be: User | None = None) -> str:
    """The address as it's kept; FieldErrors when it's none or taken by somebody else than `may_be`."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise FieldErrors({"email": [_("Write an email address, such as ana@example.com.")]}) from error
    if User.objects.filter(email=email).exclude(pk=may_be.pk if may_be else 0).exists():
        raise FieldErrors({"email": [_("Somebody has this address already.")]})
    return email


def checked_name(name: str) -> str:
    """The name as it's kept."""
    name = " ".join(name.split())
    if not name or len(name) > 120:
        raise FieldErrors({"name": [_("Write a name of up to 120 characters.")]})
    return name


def check_password(password: str, *, email: str, name: str) -> None:
    """FieldErrors unless it's good enough for this person."""
    try:
        validate_password(password, User(email=email, name=name))
    except ValidationError as error:
        raise FieldErrors({"password": list(error.messages)}) from error
