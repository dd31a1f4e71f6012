"""Registering and changing servers."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.inventory import jumping
from deployments.models import Host

GENERATE, PASTE = "generate", "paste"


class HostForm(forms.Form):
    """Name, address, user and socket of a server. The domain checks every value again and says what is wrong."""

    name = forms.CharField(
        label=_("Name"),
        max_length=63,
        help_text=_("What people call it: small letters, digits, dots and dashes, such as web-1."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    address = forms.CharField(
        label=_("Address"),
        max_length=253,
        help_text=_("A host name or an IP address, as the workers reach it, or the server that leads on to it."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    port = forms.IntegerField(label=_("SSH port"), min_value=1, max_value=65535, initial=22)
    user = forms.CharField(
        label=_("SSH user"),
        max_length=64,
        initial="root",
        help_text=_("It must be allowed to use Docker: root, or a member of the docker group."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    via = forms.ModelChoiceField(
        label=_("Reached through"),
        queryset=Host.objects.none(),
        to_field_name="name",
        required=False,
        empty_label=_("nothing: the workers reach it"),
        help_text=_(
            "A server of yours that passes SSH connections on (a jump host). Each keeps its own key and login."
        ),
    )
    docker_socket = forms.CharField(
        label=_("Docker socket"),
        max_length=255,
        initial="/var/run/docker.sock",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, host: Host | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        via: Any = self.fields["via"]
        via.queryset = jumping.choices(host)


class ChangeHostForm(HostForm):
    """Also how much it builds at once."""

    builds_at_once = forms.IntegerField(
        label=_("Builds at once"),
        min_value=1,
        max_value=16,
        initial=1,
        help_text=_("More builds than this wait; what serves on this server wants its CPUs too."),
    )


class NewHostForm(HostForm):
    """Also the key: made here, or pasted."""

    key = forms.ChoiceField(
        label=_("SSH key"),
        choices=[
            (GENERATE, _("Make a new key pair for this server (Ed25519); you add one line to it")),
            (PASTE, _("Paste a private key that the server knows already")),
        ],
        initial=GENERATE,
        widget=forms.RadioSelect,
    )
    private_key = forms.CharField(
        label=_("Private key"),
        required=False,
        strip=False,
        max_length=20_000,
        help_text=_("OpenSSH or PEM: Ed25519, ECDSA or RSA. Sealed at once; never shown again."),
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )
    passphrase = forms.CharField(
        label=_("Passphrase"),
        required=False,
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        """A pasted key is wanted exactly where pasting was chosen."""
        data = super().clean() or {}
        if data.get("key") == PASTE and not data.get("private_key", "").strip():
            self.add_error("private_key", _("Paste the key, or let one be made."))
        if data.get("key") == GENERATE:
            data["private_key"] = data["passphrase"] = ""
        return data


class TrustForm(forms.Form):
    """The admin's word that the key is the server's own."""

    key = forms.CharField(widget=forms.HiddenInput)  # the key that was shown, so that another one can't slip in
    pasted = forms.CharField(
        label=_("The server's own line, to compare"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(
            attrs={"rows": 2, "class": "mono", "spellcheck": "false", "placeholder": "256 SHA256:… (ED25519)"}
        ),
    )


class RetireForm(forms.Form):
    """Typing the name says that it's meant."""

    name = forms.CharField(
        label=_("Type the server's name"), max_length=63, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, data: Any = None, *, host: Host) -> None:
        super().__init__(data)
        self._host = host

    def clean_name(self) -> str:
        """Exactly the name."""
        name = str(self.cleaned_data["name"])
        if name != self._host.name:
            raise forms.ValidationError(_("This is not the name of the server."))
        return name
