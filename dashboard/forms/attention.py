"""What is done about servers that a deployment left in doubt."""

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments import ways_out


class WayOutForm(forms.Form):
    """Why; the servers it is for and what was shown of them are read beside it."""

    reason = forms.CharField(
        label=_("Why"),
        required=False,
        max_length=ways_out.LONGEST_REASON,
        help_text=_("Stays on record beside your name. May be left empty."),
    )
