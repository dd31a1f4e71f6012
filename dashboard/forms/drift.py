"""What is done about a difference."""

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments import adopting, drifting


class IgnoreForm(forms.Form):
    """Why it may stay so; `shown` is the difference that was looked at."""

    shown = forms.CharField(max_length=64, widget=forms.HiddenInput, required=False)
    reason = forms.CharField(
        label=_("Why it may stay so"),
        max_length=drifting.LONGEST_REASON,
        help_text=_("Everybody sees it beside your name."),
    )


class AdoptForm(forms.Form):
    """Why it was changed, and whether the settings become so as well."""

    shown = forms.CharField(max_length=64, widget=forms.HiddenInput, required=False)
    note = forms.CharField(
        label=_("Why it was changed"), max_length=adopting.LONGEST_NOTE, help_text=_("It stays with the release.")
    )
    follow = forms.BooleanField(required=False, initial=True)
    without = forms.BooleanField(required=False)
