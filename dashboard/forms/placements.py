"""The two forms of a Placement as one: what and where, and the container's settings."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from dashboard.forms import settings as settings_forms
from dashboard.forms.applications import PlacementForm
from dashboard.forms.refusals import add_refusal
from dashboard.forms.settings import PREFIX, SettingsForm
from deployments import container_settings
from deployments.errors import FieldErrors, Refused
from deployments.inventory import applications as inventory
from deployments.models import Host, Placement


class PlacementForms:
    """What stands in both, and the domain's refusals put back at their fields."""

    def __init__(
        self,
        post: QueryDict | None,
        *,
        hosts: Iterable[Host],
        placement: Placement | None = None,
        initial: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.placing = PlacementForm(post, hosts=hosts, initial={**_initial(placement), **(initial or {})})
        stored = placement.settings if placement else settings or container_settings.defaults()
        self._raw: Mapping[str, Any] = settings_forms.read(post) if post is not None else stored
        self.settings = SettingsForm(self._raw)

    @property
    def has_errors(self) -> bool:
        """Something was refused."""
        return bool(self.placing.errors) or self.settings.has_errors

    def values(self) -> dict[str, Any]:
        """The arguments for `save_placement`, as typed; None-like entries are left to the domain."""
        data = self.placing.cleaned_data
        return {
            "image": data["image"],
            "url": data["url"],
            "keep_releases": data["keep_releases"],
            "host_ids": self.placing.host_ids(),
            "settings": self._raw,
        }

    def is_valid(self) -> bool:
        """Both, by the domain's own rules, so that everything wrong is said at once."""
        self.placing.is_valid()
        typed = {name: str(self.placing.data.get(name, "")) for name in ("image", "url", "keep_releases")}
        try:
            inventory.check_placement(settings=self._raw, **typed)
        except FieldErrors as refused:
            said = {path: texts for path, texts in refused.errors.items() if path not in self.placing.errors}
            self.refuse(FieldErrors(said))
        return not self.has_errors

    def refuse(self, refusal: Refused, *others: forms.BaseForm) -> None:
        """Put a refusal where it belongs: among the settings, at a field of `others`, else here."""
        if not isinstance(refusal, FieldErrors):
            owner = next((form for form in others if refusal.field in form.fields), self.placing)
            add_refusal(owner, refusal)
            return
        mine = {path: texts for path, texts in refusal.errors.items() if path.startswith(f"{PREFIX}.")}
        self.settings = SettingsForm(self._raw, mine)
        for path, texts in refusal.errors.items():
            if path not in mine:
                owner = next((form for form in others if path in form.fields), self.placing)
                add_refusal(owner, FieldErrors({path: texts}))


def _initial(placement: Placement | None) -> dict[str, Any]:
    if placement is None:
        return {}
    seats = placement.seats.filter(is_active=True)
    return {
        "image": placement.image,
        "url": placement.url,
        "keep_releases": placement.keep_releases,
        "hosts": [str(host_id) for host_id in seats.values_list("host_id", flat=True)],
        "version": placement.version,
    }
