"""A new access token: its name, how much it may do, how long, and where."""

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.accounts import tokens
from deployments.models import AccessToken, User
from deployments.queries.tokens import choosable

Scope = AccessToken.Scope

ALL, SOME = "all", "some"
_DAYS: Final = ((7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("a year")), (0, _("no end")))
_SAID: Final = {
    Scope.READ: _("Looks at everything you see. Never a secret's value."),
    Scope.DEPLOY: _("Also plans, deploys, cancels, goes back, sets variables and settings: for pipelines."),
    Scope.ADMIN: _("Also servers, environments and settings with power over a server. It has to expire."),
}


class TokenForm(forms.Form):
    """What is offered follows from the person's role; the domain checks it again."""

    name = forms.CharField(
        label=_("Name"),
        max_length=tokens.LONGEST_NAME,
        help_text=_("What it is for: what is done with it is recorded under your name and this one."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "ci-storefront"}),
    )
    scope = forms.ChoiceField(label=_("It may"), widget=forms.RadioSelect)
    days = forms.TypedChoiceField(label=_("It ends after"), coerce=int, choices=_DAYS, initial=tokens.DEFAULT_DAYS)
    where = forms.ChoiceField(
        label=_("It reaches"),
        choices=[(ALL, _("All that you reach, what comes later too")), (SOME, _("Only what is chosen here"))],
        initial=ALL,
        widget=forms.RadioSelect,
    )
    placements = forms.MultipleChoiceField(label=_("Chosen"), required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed = tokens.scopes_of(user.role)
        self.places = choosable(user)
        self.fields["scope"].choices = [(each.value, each.label) for each in allowed]  # type: ignore[attr-defined]
        self.fields["scope"].initial = str(allowed[min(1, len(allowed) - 1)])
        self.fields["placements"].choices = [(str(each.pk), str(each)) for each in self.places]  # type: ignore[attr-defined]

    @property
    def scopes(self) -> list[tuple[Any, Any]]:
        """Each choice with what it means."""
        return [(option, _SAID[Scope(option.data["value"])]) for option in self["scope"]]

    @property
    def chosen(self) -> set[str]:
        """The ids that are ticked."""
        return set(self["placements"].value() or ())

    def values(self) -> dict[str, Any]:
        """As the domain takes them."""
        data = self.cleaned_data
        narrowed = [int(each) for each in data["placements"]] if data["where"] == SOME else None
        return {"name": data["name"], "scope": data["scope"], "days": data["days"], "placement_ids": narrowed}
