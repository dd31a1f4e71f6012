"""Starting an application from what somebody has: a docker run line or a compose file fills the form; nothing is saved by that."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from dashboard.forms.variables import ExactText, ImportForm
from deployments import compose_paste, compose_settings, container_settings, dotenv
from deployments.actors import Actor
from deployments.compose_text import ComposeFace, read_face
from deployments.errors import FieldErrors, Refused
from deployments.inventory import applications as inventory
from deployments.models import Placement
from deployments.run_line import Build, Note, Repository, Variable, read_run_line
from deployments.yaml_lines import YamlError

RUN: Final = "run"
COMPOSE: Final = "compose"
KINDS: Final = ((RUN, _("A docker run line")), (COMPOSE, _("A compose file")))
WHOLE: Final = "whole"
SERVICE: Final = "service"
WAYS: Final = (
    (WHOLE, _("As one Compose application")),
    (SERVICE, _("One service, as a container")),
)
_NOT_IN_NAME: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Pasted:
    """What was read, in the shapes that the forms begin with; and what was not."""

    name: str = ""
    image: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    variables: Sequence[Variable] = ()
    build: Build | None = None
    repository: Repository | None = None
    not_understood: Sequence[Note] = ()
    left_out: Sequence[Note] = ()
    compose: str = ""  # the whole file, where it is kept

    @property
    def is_empty(self) -> bool:
        """Nothing in it could begin an application."""
        return not (self.image or self.build or self.repository or self.compose)

    def variables_text(self) -> str:
        """As `.env` text; those without a value as a comment to fill in."""
        known = dotenv.dump((each.name, each.value) for each in self.variables if not each.needs_value)
        return known + "".join(f"# {each.name}=\n" for each in self.variables if each.needs_value)

    def secret_names(self) -> str:
        """Those that look like secrets."""
        return " ".join(each.name for each in self.variables if each.is_secret)


class PasteForm(forms.Form):
    """The text, and of a compose file what becomes of it: it is kept whole, or one service of it is taken over."""

    kind = forms.ChoiceField(choices=KINDS, widget=forms.HiddenInput)
    text = ExactText(label=_("What you have"), rows=12, max_length=compose_settings.LONGEST)
    way = forms.ChoiceField(label=_("What becomes of it"), required=False, choices=WAYS, initial=WHOLE)
    service = forms.CharField(required=False, max_length=200)

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_compose = kind == COMPOSE
        self.services: tuple[compose_paste.ComposeService, ...] = ()
        if self.is_compose:
            self.fields["text"].label = _("The compose file")
            self.fields["text"].help_text = _("All of it, as docker compose takes it.")
        else:
            self.fields["text"].label = _("The docker run line")
            self.fields["text"].help_text = _(
                "A line, or the whole script around it: a Jenkins job's shell step reads the same way. Nothing of it is run."
            )

    @property
    def is_whole(self) -> bool:
        """The file is to be kept as it is."""
        return self.is_compose and self["way"].value() == WHOLE

    def pasted(self) -> Pasted | None:
        """What was read; None where the form is not valid or a service has to be chosen among `services` first."""
        if not self.is_valid():
            return None
        read = _whole if self.is_whole else _compose if self.is_compose else _run_line
        try:
            found = read(self.cleaned_data["text"], self.cleaned_data["service"])
        except YamlError as error:
            for problem in error.problems[:20]:
                self.add_error("text", str(problem))
            return None
        except FieldErrors as refused:
            for text in refused.errors.get("text", [])[:20]:
                self.add_error("text", text)
            return None
        except _ChooseService as choice:
            self.services = choice.services
            return None
        if found.is_empty:
            self.add_error(
                "text", _("There is no docker run line in this. It looks like: docker run -p 8080:80 nginx:1.27")
            )
            return None
        return found


class _ChooseService(Exception):
    def __init__(self, services: tuple[compose_paste.ComposeService, ...]) -> None:
        super().__init__()
        self.services = services


def _run_line(text: str, _service: str) -> Pasted:
    line = read_run_line(text)
    build = line.build or (line.builds[0] if line.builds and not line.image else None)
    return Pasted(
        name=_suggested(line.name or line.image),
        image=line.image,
        settings=container_settings.normalise(line.settings),
        variables=line.variables,
        build=build,
        repository=line.repository,
        not_understood=line.not_understood,
        left_out=line.left_out,
    )


def _compose(text: str, name: str) -> Pasted:
    paste = compose_paste.read_compose(text)
    service = paste.services[0] if len(paste.services) == 1 else paste.service(name)
    if service is None:
        raise _ChooseService(paste.services)
    return Pasted(
        name=_suggested(service.name),
        image=service.image,
        settings=container_settings.normalise(service.settings),
        variables=service.variables,
        build=service.build or (None if service.image else Build()),
        not_understood=(*paste.notes, *service.not_understood),
        left_out=(*paste.left_out, *service.left_out),
    )


def _whole(text: str, _service: str) -> Pasted:
    kept = compose_settings.normalise({"text": text})["text"]
    face = read_face(kept)
    return Pasted(name=_suggested(face.name), variables=face.variables, compose=kept)


def _suggested(written: str) -> str:
    """A name that an application can have, out of a container's or an image's."""
    last = written.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return _NOT_IN_NAME.sub("-", last.lower()).strip("-")[:40].strip("-")


class Start:
    """What the form of a new application began with: its notes stay on the page until it is saved, its variables are saved with it."""

    def __init__(self, post: QueryDict | None, paste: PasteForm | None = None, pasted: Pasted | None = None) -> None:
        if paste is None and post is not None and "pasted-text" in post:
            paste = PasteForm(post, prefix="pasted", kind=post.get("pasted-kind", ""))
            pasted = paste.pasted()
        self.paste = paste
        self.pasted = pasted
        self.is_whole = bool(pasted.compose) if pasted else post is not None and post.get("pasted-way") == WHOLE
        text = pasted.compose if pasted else post.get("compose.text", "") if post is not None else ""
        self.face = read_face(text) if self.is_whole else ComposeFace()
        is_typed = post is not None and "variables-text" in post
        initial = {"text": pasted.variables_text(), "secret_names": pasted.secret_names()} if pasted else {}
        self.variables = ImportForm(post if is_typed else None, prefix="variables", initial=initial)
        self.variables.fields["text"].required = False
        self.variables.fields["text"].widget.attrs["rows"] = 5

    @property
    def hidden(self) -> dict[str, str]:
        """What carries the pasted text through the form, by field name; a file that is kept stands in a field of its own."""
        if self.is_whole:
            return {"pasted-kind": COMPOSE, "pasted-way": WHOLE}
        if self.paste is None or self.pasted is None:
            return {}
        return {f"pasted-{name}": str(self.paste.cleaned_data.get(name, "")) for name in ("kind", "text", "service")}

    @property
    def kind(self) -> str:
        """`run` or `compose`, "" where nothing was pasted."""
        return self.hidden.get("pasted-kind", "")

    @property
    def has_variables(self) -> bool:
        """Something was pasted that could have some."""
        return self.pasted is not None or self.variables.is_bound

    def initial(self) -> dict[str, Any]:
        """For the form of the placement."""
        if self.pasted is None:
            return {}
        return {"source": Placement.Source.COMPOSE} if self.pasted.compose else {"image": self.pasted.image}

    def compose(self) -> dict[str, Any] | None:
        """The Compose settings that the form of the placement begins with."""
        return (
            compose_settings.normalise({"text": self.pasted.compose}) if self.pasted and self.pasted.compose else None
        )

    def is_valid(self) -> bool:
        """The variables; what was pasted needs no more checking, since nothing of it is saved."""
        return not self.variables.is_bound or self.variables.is_valid()

    def save_variables(self, actor: Actor, placement: Placement) -> None:
        """Set those of the form. Refused at `text`."""
        if not self.variables.is_bound:
            return
        text, secret_names = self.variables.cleaned_data["text"], self.variables.chosen_secrets()
        try:
            inventory.import_variables(actor=actor, placement=placement, text=text, secret_names=secret_names)
        except Refused as refusal:
            raise Refused(refusal.message, "text", refusal.remedy) from refusal
