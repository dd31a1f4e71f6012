"""Where images come from, who signs in there, and through which server that is tried."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.models import Host, Registry
from deployments.models.host import TRUSTED

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class RegistryForm(forms.Form):
    """The domain checks every value again and says what is wrong; a password that is set is never shown."""

    kind = forms.ChoiceField(label=_("Kind"), choices=Registry.Kind.choices, initial=Registry.Kind.PLAIN)
    host = forms.CharField(
        label=_("Host"),
        max_length=300,
        help_text=_("As it stands at the front of the images' names, with the port if there is one."),
        widget=forms.TextInput(attrs={**_PLAIN, "class": "mono", "placeholder": "registry.example.com"}),
    )
    namespace = forms.CharField(
        label=_("Only images under"),
        required=False,
        max_length=255,
        help_text=_("Leave it empty for all. Where several fit an image, the longest counts."),
        widget=forms.TextInput(attrs={**_PLAIN, "class": "mono", "placeholder": "team/backend"}),
    )
    username = forms.CharField(
        label=_("User name"),
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={**_PLAIN, "class": "mono"}),
    )
    password = forms.CharField(
        label=_("Password or token"),
        required=False,
        max_length=16_384,
        help_text=_("Sealed at once; only the worker opens it, and it is never shown again."),
        widget=forms.PasswordInput(attrs={**_PLAIN, "autocomplete": "new-password", "class": "mono"}),
    )
    ca = forms.CharField(
        label=_("Certificate of its own CA"),
        required=False,
        max_length=64_000,
        widget=forms.Textarea(
            attrs={**_PLAIN, "class": "mono", "rows": 4, "placeholder": "-----BEGIN CERTIFICATE-----"}
        ),
    )
    test_host = forms.ModelChoiceField(
        label=_("Test it through"),
        queryset=Host.objects.none(),
        required=False,
        empty_label=_("No server: don't test it"),
        help_text=_("This server's engine signs in there once, as it will for a deploy."),
    )
    test_image = forms.CharField(
        label=_("And look up this image"),
        required=False,
        max_length=400,
        help_text=_("Signing in alone doesn't show whether it may be read."),
        widget=forms.TextInput(attrs={**_PLAIN, "class": "mono", "placeholder": "team/shop:2.4.1"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound and self.data.get("kind") == Registry.Kind.HUB:
            self.fields["host"].required = False  # there is one
        choices = Host.objects.filter(TRUSTED, retired_at=None).order_by("name")
        field = self.fields["test_host"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        field.queryset = choices
        field.label_from_instance = lambda obj: str(obj.name)  # type: ignore[method-assign]
        if not self.is_bound and not self.initial.get("test_host"):
            self.initial["test_host"] = choices.first()


class TagsForm(forms.Form):
    """Whose tags."""

    image = forms.CharField(max_length=400)
