"""Shared sets of variables: a new one's name, and which of them a Placement uses."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.models import VariableSet


class SetForm(forms.Form):
    """A new set."""

    name = forms.CharField(
        label=_("Name"),
        max_length=40,
        help_text=_("Small letters, digits and dashes, such as mail."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


class OrderForm(forms.Form):
    """A number for each set that is used."""

    def __init__(self, *args: Any, sets: Sequence[VariableSet], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sets = list(sets)
        for each in self._sets:
            self.fields[f"set-{each.pk}"] = forms.IntegerField(
                label=each.name, required=False, min_value=1, max_value=999
            )

    def chosen(self) -> list[int]:
        """The ids of those with a number, the lowest first; for a valid form."""
        numbers = [(self.cleaned_data[f"set-{each.pk}"], each.name, each.pk) for each in self._sets]
        return [pk for number, _name, pk in sorted(row for row in numbers if row[0] is not None)]
