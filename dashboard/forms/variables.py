"""Environment variables of a Placement. Values arrive byte for byte: nothing is stripped, line breaks are `\\n`."""

import re
from fnmatch import fnmatchcase

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments import dotenv

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "class": "mono"}
LONGEST_TEXT = 1_000_000


class ExactText(forms.CharField):
    """A text that may have several lines; browsers send `\\r\\n` for each break, whatever was typed."""

    def __init__(self, *, rows: int, **kwargs: object) -> None:
        super().__init__(strip=False, widget=forms.Textarea(attrs={**_PLAIN, "rows": rows}), **kwargs)  # type: ignore[arg-type]

    def to_python(self, value: object) -> str:
        """Line breaks as typed."""
        return (super().to_python(value) or "").replace("\r\n", "\n")


class VariableForm(forms.Form):
    """One variable, new or changed."""

    name = forms.CharField(
        label=_("Name"), max_length=200, widget=forms.TextInput(attrs={**_PLAIN, "placeholder": "DATABASE_URL"})
    )
    value = ExactText(label=_("Value"), rows=1, required=False)
    is_secret = forms.BooleanField(
        label=_("Secret"),
        required=False,
        help_text=_("Sealed, never shown again, masked in logs. Values under 6 characters can't be masked."),
    )


class ImportForm(forms.Form):
    """A `.env` text; which of its names are secrets."""

    text = ExactText(
        label=_(".env text"),
        rows=12,
        max_length=LONGEST_TEXT,
        help_text=_(
            "NAME=value, one a line; quotes as in a shell. $NAME is not replaced. What isn't in it stays as it is."
        ),
    )
    secret_names = forms.CharField(
        label=_("Which are secrets"),
        required=False,
        max_length=20_000,
        help_text=_(
            "Names, separated by spaces or commas; * ends a beginning, such as STRIPE_*. Those that are secrets already stay so."
        ),
        widget=forms.TextInput(attrs={**_PLAIN, "placeholder": "DATABASE_URL STRIPE_*"}),
    )
    all_secret = forms.BooleanField(label=_("All of them are secrets"), required=False)

    def chosen_secrets(self) -> set[str]:
        """The names that the text sets and the person called secrets; for a valid form."""
        try:
            names = [pair.name for pair in dotenv.parse(self.cleaned_data["text"])]
        except dotenv.DotenvError:
            return set()  # the import refuses the text itself, with its line
        if self.cleaned_data["all_secret"]:
            return set(names)
        patterns = re.split(r"[\s,]+", self.cleaned_data["secret_names"].strip())
        return {name for name in names for pattern in patterns if pattern and fnmatchcase(name, pattern)}
