"""What is done about servers that a deployment left in doubt."""

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments import dealing


class WayOutForm(forms.Form):
    """Why; the servers it is for and what was shown of them are read beside it."""

    reason = forms.CharField(
        label=_("Why"),
        required=False,
        max_length=dealing.LONGEST_REASON,
        help_text=_("Stays on record beside your name. May be left empty."),
    )
