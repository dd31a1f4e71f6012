"""Environments: staging, production, …"""

from django import forms
from django.utils.translation import gettext_lazy as _


class ChangeEnvironmentForm(forms.Form):
    """Place in the order, and whether to ask twice."""

    position = forms.IntegerField(
        label=_("Place in the order"), min_value=0, max_value=1000, help_text=_("Smaller numbers stand further left.")
    )
    is_production = forms.BooleanField(
        label=_("This is production"),
        required=False,
        help_text=_("A deploy here names the thing once more before it goes."),
    )


class EnvironmentForm(ChangeEnvironmentForm):
    """Also the name, for a new one."""

    name = forms.CharField(
        label=_("Name"),
        max_length=32,
        help_text=_("Small letters, digits and dashes, such as staging. It can't be changed later."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
