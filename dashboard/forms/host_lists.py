"""Many servers: what is pasted to register them, and the word for each one's key."""

import csv
import io
from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from dashboard.forms.hosts import TrustForm
from deployments.server_list import COLUMNS, Listed, ServerList, read_csv, read_ssh_config

SSH, CSV = "ssh", "csv"
_READERS: Final = {SSH: read_ssh_config, CSV: read_csv}


class ServerListForm(forms.Form):
    """A text and what it is; `found` reads it."""

    kind = forms.ChoiceField(
        label=_("What is it?"),
        choices=[(SSH, _("A ~/.ssh/config")), (CSV, _("CSV: name, address, port, user, via"))],
        initial=SSH,
        widget=forms.RadioSelect,
    )
    text = forms.CharField(
        label=_("The text"),
        max_length=200_000,
        widget=forms.Textarea(attrs={"rows": 14, "class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )
    user = forms.CharField(
        label=_("SSH user where none is named"),
        max_length=64,
        initial="root",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def found(self) -> ServerList:
        """What was read of it; for a valid form."""
        data = self.cleaned_data
        return _READERS[data["kind"]](data["text"], user=data["user"])


class ConfirmForm(TrustForm):
    """As for one server, but the admin says that they compared it, or pastes the server's own line."""

    compared = forms.BooleanField(
        label=_("I compared it with what the server's own console shows"), required=False, initial=False
    )

    def clean(self) -> dict[str, Any]:
        """One of the two."""
        data = super().clean() or {}
        if not data.get("compared") and not data.get("pasted", "").strip():
            self.add_error("compared", _("Compare it first, or paste the server's line: then it is compared for you."))
        return data


def as_csv(listed: Iterable[Listed]) -> str:
    """What was read, as the other kind of list, to be looked over and changed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((each.name, each.address, each.port, each.user, each.via) for each in listed)
    return out.getvalue()
