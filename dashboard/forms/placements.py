"""The forms of a Placement as one: what and where, the container's settings, how it is built, and what Compose brings up."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from dashboard.forms import settings as settings_forms
from dashboard.forms.applications import PlacementForm
from dashboard.forms.refusals import add_refusal
from dashboard.forms.settings import BUILD, COMPOSE, PREFIX, ROLLOUT, SettingsForm
from deployments import build_settings, compose_settings, container_settings, rollout_settings
from deployments.errors import FieldErrors, Refused
from deployments.inventory import applications as inventory
from deployments.models import Host, Placement, Repository
from deployments.queries.repository_page import ref_names
from deployments.queries.shared_variables import secret_names

ACCEPTED: Final = "accept_dockerfile"
_TYPED: Final = ("image", "url", "keep_releases")


class PlacementForms:
    """What stands in them, and the domain's refusals put back at their fields.

    `offered` is a Dockerfile that Estiva wrote: it is built with only after a person has read it and said so.
    """

    def __init__(
        self,
        post: QueryDict | None,
        *,
        hosts: Iterable[Host],
        placement: Placement | None = None,
        initial: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        repository: Repository | None = None,
        build: Mapping[str, Any] | None = None,
        compose: Mapping[str, Any] | None = None,
        offered: str = "",
    ) -> None:
        self.repository, self.offered = repository, offered
        self.has_accepted = post is not None and ACCEPTED in post
        composed = compose or (placement.compose if placement else {}) or compose_settings.defaults()
        begins = {"compose_from": _compose_from(composed, repository), **_initial(placement), **(initial or {})}
        self.placing = PlacementForm(post, hosts=hosts, initial=begins)
        stored = placement.settings if placement else settings or container_settings.defaults()
        self._raw: Mapping[str, Any] = settings_forms.read(post) if post is not None else stored
        self.settings = SettingsForm(self._raw)
        kept = build or (placement.build if placement else {}) or build_settings.defaults()
        self._raw_build: Mapping[str, Any] = settings_forms.read(post, BUILD) if post is not None else kept
        self.build = SettingsForm(self._raw_build, prefix=BUILD)
        self._raw_compose: Mapping[str, Any] = settings_forms.read(post, COMPOSE) if post is not None else composed
        self.compose = SettingsForm(self._raw_compose, prefix=COMPOSE)
        order = (placement.rollout if placement else {}) or rollout_settings.defaults()
        self._raw_rollout: Mapping[str, Any] = settings_forms.read(post, ROLLOUT) if post is not None else order
        self.rollout = SettingsForm(self._raw_rollout, prefix=ROLLOUT)
        self._secrets = secret_names(placement) if placement else []

    @property
    def has_errors(self) -> bool:
        """Something was refused."""
        others = (self.settings, self.build, self.compose, self.rollout)
        return bool(self.placing.errors) or any(each.has_errors for each in others)

    @property
    def ref_names(self) -> list[str]:
        """The branches and tags to choose from."""
        return ref_names(self.repository)

    @property
    def secret_names(self) -> list[str]:
        """The secrets that a build may read."""
        return self._secrets

    def values(self) -> dict[str, Any]:
        """The arguments for `save_placement`, as typed; None-like entries are left to the domain."""
        data = self.placing.cleaned_data
        return {
            "image": data["image"],
            "url": data["url"],
            "keep_releases": data["keep_releases"],
            "host_ids": self.placing.host_ids(),
            "rollout": self._raw_rollout,
            **self._of_source(),
        }

    def is_valid(self) -> bool:
        """Both, by the domain's own rules, so that everything wrong is said at once."""
        self.placing.is_valid()
        typed: dict[str, Any] = {name: str(self.placing.data.get(name, "")) for name in _TYPED}
        said = self._own_errors()
        try:
            inventory.check_placement(**self._of_source(), rollout=self._raw_rollout, **typed)
        except FieldErrors as refused:
            said |= {path: texts for path, texts in refused.errors.items() if path not in self.placing.errors}
        if said:
            self.refuse(FieldErrors(said))
        return not self.has_errors

    def _of_source(self) -> dict[str, Any]:
        """What belongs to the chosen source. What a container of Compose is like stands in the file: nothing else of it is set."""
        if self.placing.is_composed:
            kept = self._raw_compose if self.placing.is_kept_here else {**self._raw_compose, "text": ""}
            source = str(Placement.Source.COMPOSE)
            return {"source": source, "settings": container_settings.defaults(), "compose": kept}
        source = str(Placement.Source.GIT if self.placing.is_built else Placement.Source.IMAGE)
        return {"source": source, "settings": self._raw, "build": self._raw_build}

    def _own_errors(self) -> dict[str, list[Any]]:
        """What only the page knows: whether there is a repository, and whether what Estiva wrote was read."""
        is_kept_here = self.placing.is_composed and self.placing.is_kept_here
        if is_kept_here and not str(self._raw_compose.get("text", "")).strip():
            return {f"{COMPOSE}.text": [_("Paste the Compose file here.")]}
        if is_kept_here or not (self.placing.is_built or self.placing.is_composed):
            return {}
        if self.repository is None:
            return {"source": [_("This application has no repository yet: name one on its page.")]}
        if self.placing.is_composed:
            return {}
        text = str(self._raw_build.get("dockerfile_text", ""))
        if self.offered and text.strip() and not self.has_accepted:
            return {f"{BUILD}.dockerfile_text": [_("Read it, and say that it may be used.")]}
        return {}

    def refuse(self, refusal: Refused, *others: forms.BaseForm) -> None:
        """Put a refusal where it belongs: among the settings, at a field of `others`, else here."""
        if not isinstance(refusal, FieldErrors):
            owner = next((form for form in others if refusal.field in form.fields), self.placing)
            add_refusal(owner, refusal)
            return
        prefixes = tuple(f"{each}." for each in (PREFIX, BUILD, COMPOSE, ROLLOUT))
        mine = {path: texts for path, texts in refusal.errors.items() if path.startswith(prefixes)}
        self.settings = SettingsForm(self._raw, mine)
        self.build = SettingsForm(self._raw_build, mine, BUILD)
        self.compose = SettingsForm(self._raw_compose, mine, COMPOSE)
        self.rollout = SettingsForm(self._raw_rollout, mine, ROLLOUT)
        for path, texts in refusal.errors.items():
            if path not in mine:
                owner = next((form for form in others if path in form.fields), self.placing)
                add_refusal(owner, FieldErrors({path: texts}))


def _compose_from(compose: Mapping[str, Any], repository: Repository | None) -> str:
    """Where the file is: as it was, and for a new one in the repository where there is one."""
    return PlacementForm.TEXT if compose.get("text") or repository is None else PlacementForm.REPOSITORY


def _initial(placement: Placement | None) -> dict[str, Any]:
    if placement is None:
        return {}
    seats = placement.seats.filter(is_active=True)
    return {
        "source": placement.source,
        "image": placement.image,
        "url": placement.url,
        "keep_releases": placement.keep_releases,
        "hosts": [str(host_id) for host_id in seats.values_list("host_id", flat=True)],
        "version": placement.version,
    }
