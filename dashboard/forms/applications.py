"""Applications, and where they are placed."""

from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from dashboard.forms.refusals import add_refusal
from deployments.errors import Refused
from deployments.inventory import applications as inventory
from deployments.models import Environment, Host, Placement

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class DescriptionForm(forms.Form):
    """What is said about an Application."""

    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=200,
        help_text=_("A few words that tell it from the others."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class NameForm(DescriptionForm):
    """Also the name, for a new one."""

    name = forms.CharField(
        label=_("Name"),
        max_length=40,
        help_text=_(
            "Part of its containers' names, so it can't be changed later: small letters, digits, single dashes."
        ),
        widget=forms.TextInput(attrs={**_PLAIN, "placeholder": "storefront"}),
    )

    def clean(self) -> dict[str, Any]:
        """The domain's own rules, so that they are said together with everything else that is wrong."""
        data = super().clean() or {}
        if not self.errors:
            try:
                inventory.check_application(**data)
            except Refused as refusal:
                add_refusal(self, refusal)
        return data


class PlacementForm(forms.Form):
    """Source, image, servers and address of a Placement; settings of the container, the build and Compose are forms of their own."""

    REPOSITORY: Final = "repository"
    TEXT: Final = "text"

    source = forms.ChoiceField(
        label=_("Where it comes from"),
        required=False,
        choices=[
            (Placement.Source.IMAGE, _("An image from a registry")),
            (Placement.Source.GIT, _("Built from the Git repository")),
            (Placement.Source.COMPOSE, _("A Compose application")),
        ],
    )
    compose_from = forms.ChoiceField(
        label=_("Where the Compose file is"),
        required=False,
        choices=[(REPOSITORY, _("In the Git repository")), (TEXT, _("Kept here"))],
    )
    image = forms.CharField(
        label=_("Image"),
        max_length=400,
        help_text=_("As for docker pull, such as registry.example.com/shop:2.4.1. The servers pull it themselves."),
        widget=forms.TextInput(attrs={**_PLAIN, "class": "mono", "placeholder": "nginx:1.27"}),
    )
    url = forms.CharField(
        label=_("Address"),
        required=False,
        max_length=300,
        help_text=_("Where the running application answers; shown as a link."),
        widget=forms.URLInput(attrs={**_PLAIN, "placeholder": "https://shop.example.com"}),
    )
    keep_releases = forms.CharField(
        label=_("Releases kept"),
        initial="5",
        help_text=_("Their images stay on the servers, so that going back is quick."),
        widget=forms.NumberInput(attrs={"min": 1, "max": 50}),
    )
    hosts = forms.MultipleChoiceField(label=_("Servers"), required=False, widget=forms.CheckboxSelectMultiple)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, hosts: Iterable[Host], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.servers = list(hosts)
        self.fields["hosts"].choices = [(str(host.pk), host.name) for host in self.servers]  # type: ignore[attr-defined]
        if self.is_built or self.is_composed:
            self.fields["image"].required = False

    @property
    def is_built(self) -> bool:
        """It is to be built from the repository, as typed or as it was."""
        return bool(self["source"].value() == Placement.Source.GIT)

    @property
    def is_composed(self) -> bool:
        """It is to be brought up by Compose, as typed or as it was."""
        return bool(self["source"].value() == Placement.Source.COMPOSE)

    @property
    def is_kept_here(self) -> bool:
        """The Compose file is the text of the form, not the repository's."""
        return bool(self["compose_from"].value() != self.REPOSITORY)

    @property
    def chosen(self) -> set[str]:
        """The ids that are ticked."""
        return {str(each) for each in self["hosts"].value() or ()}

    def host_ids(self) -> list[int]:
        """The ids once the form is valid."""
        return [int(each) for each in self.cleaned_data["hosts"]]


class EnvironmentChoiceForm(forms.Form):
    """Which Environment a Placement is for."""

    environment = forms.ChoiceField(label=_("Environment"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, environments: Iterable[Environment], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.environments = list(environments)
        self.fields["environment"].choices = [(each.name, each.name) for each in self.environments]  # type: ignore[attr-defined]

    def chosen(self) -> Environment:
        """The Environment once the form is valid."""
        return next(each for each in self.environments if each.name == self.cleaned_data["environment"])
