"""The filters of the audit trail, in the URL."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from dashboard import words
from deployments.models import AuditEntry
from deployments.queries import trail


class TrailForm(forms.Form):
    """Every field may be empty."""

    person = forms.ChoiceField(label=_("Who"), required=False)
    action = forms.CharField(
        label=_("What"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"list": "actions", "placeholder": _("any act"), "autocomplete": "off"}),
    )
    object_kind = forms.ChoiceField(label=_("On what"), required=False)
    object_name = forms.CharField(
        label=_("Its name"), required=False, max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    outcome = forms.ChoiceField(
        label=_("Outcome"), required=False, choices=[("", _("any")), *AuditEntry.Outcome.choices]
    )
    since = forms.DateTimeField(
        label=_("From"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    until = forms.DateTimeField(
        label=_("To"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.actions, kinds = trail.names()
        known = [(trail.ESTIVA, "Estiva"), (trail.STRANGERS, _("not signed in"))]
        self._choose("person", [("", _("anybody")), *trail.people(), *known])
        self._choose("object_kind", [("", _("anything")), *((kind, words.KINDS.get(kind, kind)) for kind in kinds)])

    def _choose(self, name: str, choices: list[tuple[str, Any]]) -> None:
        present = str(self.data.get(name) or "")
        if present and present not in {value for value, _label in choices}:
            choices.append((present, present))
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    def wanted(self) -> trail.TrailFilter:
        """What was asked for; a field in error counts as empty, and shows its error."""
        self.is_valid()
        return trail.TrailFilter(**{name: value for name, value in self.cleaned_data.items() if value})

    @property
    def is_used(self) -> bool:
        """Any filter is set."""
        return any(self.data.get(name) for name in self.fields)
