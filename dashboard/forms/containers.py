"""Saying yes to what is done with a container."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.queries.room import ContainerPage
from deployments.room_acts import Act


class ActForm(forms.Form):
    """In production the application's name is typed before something that serves is taken down."""

    name = forms.CharField(
        label=_("Type the application's name"),
        max_length=63,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def __init__(self, data: Any = None, *, page: ContainerPage, act: Act) -> None:
        super().__init__(data)
        self._name = page.placement.application.name if page.placement else ""
        if act == Act.START or not page.asks_for_name:
            del self.fields["name"]

    def clean_name(self) -> str:
        """Exactly the name."""
        name = str(self.cleaned_data["name"])
        if name != self._name:
            raise forms.ValidationError(_("This is not the name of the application."))
        return name
