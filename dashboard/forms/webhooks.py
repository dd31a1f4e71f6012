"""A hook: who calls, its name, and what it follows, one pattern a line."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.models import Webhook
from deployments.webhooks.rules import Place

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
_GIT = (Webhook.Kind.GITHUB, Webhook.Kind.GITLAB, Webhook.Kind.GITEA)
_OF_IMAGES = ("branches", "include", "exclude")  # what an image has not


class Lines(forms.CharField):
    """Several short texts, one a line; its value is a list."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            max_length=10_000,
            widget=forms.Textarea(attrs={**_PLAIN, "rows": 2, "class": "mono"}),
            **kwargs,
        )

    def to_python(self, value: object) -> Any:
        """Without empty lines and what surrounds a line."""
        return [line.strip() for line in (super().to_python(value) or "").splitlines() if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        """Lines again."""
        return "\n".join(value) if isinstance(value, list) else value


def kinds_for(place: Place) -> list[tuple[str, Any]]:
    """Who can call for a Placement like this: Git services where it comes from a repository, registries where it's an image."""
    wanted = (*(_GIT if place.repository_url else ()), *((Webhook.Kind.REGISTRY,) if place.images else ()))
    return [(kind.value, kind.label) for kind in (*(wanted or _GIT), Webhook.Kind.PLAIN)]


class WebhookForm(forms.Form):
    """Of a new hook or, with `kind`, of one that is there: who calls stays as it is."""

    kind = forms.ChoiceField(label=_("Who calls"), widget=forms.RadioSelect)
    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("Its deploys are recorded under it."),
        widget=forms.TextInput(attrs=_PLAIN),
    )
    branches = Lines(label=_("Branches"), help_text=_("One a line: main, release/*. A lone * means all."))
    tags = Lines(label=_("Tags"), help_text=_("One a line: v*. Empty: tags don't deploy."))
    include = Lines(
        label=_("Only when these paths change"),
        help_text=_("One a line: src/, *.py, /Dockerfile, web/**/*.css. Empty: all of them."),
    )
    exclude = Lines(label=_("Not when only these change"), help_text=_("One a line: docs/, *.md."))

    def __init__(self, *args: Any, place: Place, kind: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if kind:
            del self.fields["kind"]
        else:
            self.fields["kind"].choices = kinds_for(place)  # type: ignore[attr-defined]
        if place.images and not place.repository_url:
            for name in _OF_IMAGES:
                del self.fields[name]
            self.fields["tags"].help_text = _("Of the image, one a line: latest, 2.*. A lone * means all.")

    def rules(self) -> dict[str, list[str]]:
        """As the domain takes them."""
        return {name: self.cleaned_data.get(name, []) for name in ("branches", "tags", "include", "exclude")}
