"""The engine beside a worker: its name, and how much it builds."""

from django import forms
from django.utils.translation import gettext_lazy as _


class AddEngineForm(forms.Form):
    """What it is called here."""

    name = forms.CharField(
        label=_("Name"),
        max_length=63,
        help_text=_("As you speak of it: lowercase letters, digits, “-” and “.”."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


class ChangeEngineForm(AddEngineForm):
    """All else says the worker."""

    builds_at_once = forms.IntegerField(
        label=_("Builds at once"),
        min_value=1,
        max_value=16,
        initial=1,
        help_text=_("More builds than this wait; Estiva itself may run on this machine and wants its CPUs too."),
    )
