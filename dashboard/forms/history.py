"""The filters of the history, in the URL."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.models import User
from deployments.permissions import may_see_people, visible_applications, visible_environments, visible_hosts
from deployments.queries.history import HistoryFilter
from deployments.states import DeploymentStatus


class HistoryForm(forms.Form):
    """Choices are names as this person may see them; a name that is no longer there still filters."""

    application = forms.CharField(label=_("Application"), required=False, max_length=40)
    environment = forms.CharField(label=_("Environment"), required=False, max_length=32)
    server = forms.CharField(label=_("Server"), required=False, max_length=63)
    person = forms.CharField(label=_("Person"), required=False, max_length=120)
    state = forms.ChoiceField(label=_("State"), required=False, choices=[("", _("Any")), *DeploymentStatus.choices])
    since = forms.DateTimeField(
        label=_("From"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    until = forms.DateTimeField(
        label=_("To"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        names = {
            "application": (_("Any"), visible_applications(user).values_list("name", flat=True)),
            "environment": (_("Any"), visible_environments(user).values_list("name", flat=True)),
            "server": (_("Any"), visible_hosts(user).values_list("name", flat=True)),
        }
        for name, (every, values) in names.items():
            present = str(self.data.get(name) or "")
            choices = [("", every), *((value, value) for value in values)]
            if present and present not in {value for value, _label in choices}:
                choices.append((present, present))
            self.fields[name].widget = forms.Select(choices=choices)
        if not may_see_people(user):
            self.fields["person"].widget.attrs["placeholder"] = _("Name")

    def wanted(self) -> HistoryFilter:
        """What was asked for; fields in error count as empty, and show their error."""
        self.is_valid()
        return HistoryFilter(**{name: value for name, value in self.cleaned_data.items() if value})


class MomentForm(forms.Form):
    """A moment in the past: "what ran here then?"."""

    at = forms.DateTimeField(
        label=_("Moment"), widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"})
    )
