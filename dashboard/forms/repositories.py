"""Where an application's source is, how Estiva logs in, and which branch to look at."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from dashboard.forms.applications import NameForm
from dashboard.forms.refusals import add_refusal
from deployments import git_url
from deployments.errors import Refused
from deployments.inventory import applications as inventory
from deployments.models import Repository

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class RepositoryForm(forms.Form):
    """Address and credential. The domain checks them again and says what is wrong; a token that is set is never shown."""

    url = forms.CharField(
        label=_("Repository"),
        max_length=1000,
        help_text=_("As its Clone button gives it: https://github.com/team/shop.git or git@github.com:team/shop.git."),
        widget=forms.TextInput(attrs={**_PLAIN, "class": "mono", "placeholder": "https://github.com/team/shop.git"}),
    )
    credential = forms.ChoiceField(
        label=_("How Estiva logs in"),
        choices=[
            (Repository.Credential.NONE, _("Not at all: the repository is public")),
            (Repository.Credential.TOKEN, _("With a user name and an access token (https)")),
            (Repository.Credential.KEY, _("With a deploy key that Estiva makes (ssh)")),
        ],
        initial=Repository.Credential.NONE,
        widget=forms.RadioSelect,
    )
    username = forms.CharField(
        label=_("User name"),
        required=False,
        max_length=100,
        help_text=_("Whose token it is. GitHub takes anything, GitLab the token's name or oauth2."),
        widget=forms.TextInput(attrs=_PLAIN),
    )
    token = forms.CharField(
        label=_("Token"),
        required=False,
        strip=True,
        max_length=4096,
        help_text=_("Reading the repository is enough. Sealed at once; never shown again."),
        widget=forms.PasswordInput(attrs={**_PLAIN, "autocomplete": "new-password", "class": "mono"}),
    )

    def clean_url(self) -> str:
        """As it is kept."""
        try:
            return git_url.check_url(self.cleaned_data["url"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class NewFromRepositoryForm(NameForm, RepositoryForm):
    """A new application that is built from a repository: its name, and where its source is."""

    field_order = ("name", "description", "url", "credential", "username", "token")

    def naming(self) -> dict[str, Any]:
        """What `create_application` takes."""
        return {name: self.cleaned_data[name] for name in ("name", "description")}

    def repository(self) -> dict[str, Any]:
        """What `save_repository` takes."""
        return {name: self.cleaned_data[name] for name in RepositoryForm.base_fields}

    def clean(self) -> dict[str, Any]:
        """The domain's own rules about the name, so that they are said together with everything else that is wrong."""
        data = forms.Form.clean(self) or {}
        if "name" in data:
            try:
                inventory.check_application(name=data["name"])
            except Refused as refusal:
                add_refusal(self, refusal)
        return data


class LookForm(forms.Form):
    """Which branch, tag or commit to look at, and which folder of it."""

    ref = forms.CharField(
        label=_("Branch, tag or commit"),
        max_length=200,
        widget=forms.TextInput(attrs={**_PLAIN, "class": "mono", "list": "known-ref"}),
    )
    subdirectory = forms.CharField(
        label=_("Folder"),
        required=False,
        max_length=500,
        help_text=_("Where the Dockerfile is, if not at the top."),
        widget=forms.TextInput(attrs={**_PLAIN, "class": "mono", "placeholder": "services/web"}),
    )
