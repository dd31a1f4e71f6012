"""Running a command once."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from dashboard.forms.variables import ExactText
from deployments import one_offs
from deployments.models import Host


class RunForm(forms.Form):
    """What is run, where, and for how long at most."""

    command = ExactText(
        label=_("Command"),
        rows=4,
        max_length=one_offs.MOST_CHARACTERS + one_offs.MOST_WORDS,
        help_text=_(
            "One argument a line, the program first; no shell reads it. It replaces the image's command; an entrypoint stays. "
            "Everybody who sees this application sees it, now and later: no secrets here, they belong among the variables."
        ),
    )
    service = forms.ChoiceField(label=_("Service"))
    server = forms.ChoiceField(label=_("Server"))
    minutes = forms.IntegerField(
        label=_("Deadline, in minutes"),
        min_value=1,
        max_value=one_offs.MOST_SECONDS // 60,
        initial=60,
        help_text=_("It is stopped when it has not ended by then."),
    )

    field_order = ("service", "command", "server", "minutes")

    def __init__(
        self, data: Any = None, *, hosts: Sequence[Host], services: Sequence[str] = (), initial: Any = None
    ) -> None:
        super().__init__(data, initial=initial)
        self._hosts = {host.name: host for host in hosts}
        self.fields["server"] = forms.ChoiceField(label=_("Server"), choices=[(name, name) for name in self._hosts])
        self.fields["service"] = forms.ChoiceField(
            label=_("Service"),
            choices=[(name, name) for name in services],
            help_text=_("Whose image and settings it gets."),
        )
        self.order_fields(self.field_order)
        if not services:
            del self.fields["service"]
        self.fields["command"].widget.attrs["placeholder"] = "./manage.py\nmigrate\n--noinput"

    def clean_command(self) -> list[str]:
        """Word by word."""
        words = one_offs.words_of(self.cleaned_data["command"])
        if not words or not words[0].strip():
            raise forms.ValidationError(_("Say what is to be run: the program stands in the first line."))
        return words

    def values(self) -> dict[str, Any]:
        """For `one_offs.request_run`."""
        chosen = self.cleaned_data
        return {
            "command": chosen["command"],
            "host": self._hosts[chosen["server"]],
            "seconds": chosen["minutes"] * 60,
            "service": chosen.get("service", ""),
        }
