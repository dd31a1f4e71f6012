"""Getting in by a link, and one's own account."""

from typing import Any

from allauth.account.forms import LoginForm
from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.models import User

_NEW_PASSWORD = {"autocomplete": "new-password", "minlength": "10"}


class SignInForm(LoginForm):
    """allauth's, dressed as our own fields: a label above, nothing greyed out inside."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
        self.fields["login"].label = _("Email address")
        self.fields["login"].widget.attrs.update({"autocomplete": "username", "autofocus": True})
        self.fields["password"].help_text = ""


class PersonForm(forms.Form):
    """What an invited person says about themselves. The domain checks the values and the password's strength."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=120,
        help_text=_("As colleagues know you: it stands beside everything you deploy."),
        widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=1000,
        help_text=_("At least 10 characters; a few words are easier to remember than signs."),
        widget=forms.PasswordInput(attrs=_NEW_PASSWORD),
    )


class SetupForm(PersonForm):
    """The first admin also gives an address to sign in with."""

    email = forms.EmailField(
        label=_("Email address"),
        help_text=_("You sign in with it. Estiva sends no mail."),
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )

    field_order = ("name", "email", "password")


class PasswordForm(forms.Form):
    """A new password; the present one is asked for, unless a sign-in link brought this person here."""

    current = forms.CharField(
        label=_("Present password"),
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    password = forms.CharField(
        label=_("New password"),
        strip=False,
        max_length=1000,
        help_text=_("At least 10 characters. Everywhere else you are signed out."),
        widget=forms.PasswordInput(attrs=_NEW_PASSWORD),
    )

    def __init__(self, *args: Any, user: User, needs_current: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user
        if not needs_current:
            del self.fields["current"]

    def clean_current(self) -> str:
        """It must be theirs."""
        current = str(self.cleaned_data["current"])
        if not self._user.check_password(current):
            raise forms.ValidationError(_("That is not your present password."))
        return current


class PreferencesForm(forms.Form):
    """Name and theme."""

    name = forms.CharField(label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    theme = forms.ChoiceField(
        label=_("Look"),
        choices=[("system", _("As the system")), ("light", _("Light")), ("dark", _("Dark"))],
        widget=forms.RadioSelect,
    )
