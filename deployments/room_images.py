"""Images of ours that nothing needs any more on a server: which they are, and asking for their removal.

Ours are those whose every tag is `estiva/INSTALLATION/NAME…:RELEASE`. Needed is what a container uses, running or not, and what
a rollback would need: of each Placement the Releases kept on any of its servers, what runs, and everything newer.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import audit, image_reference, releases
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Deployment, Host, Installation, Operation, Placement, PlacementHost, Release, Target
from deployments.operations import request_operation
from deployments.room import check_open
from deployments.states import DEPLOYMENT_OPEN, OPERATION_OPEN, TargetStatus

DEADLINE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Unused:
    """One image that may go: `tags` are ours and its only ones, `digests` came with our own pull. `size` is what it frees, in bytes."""

    id: str
    tags: list[str]
    digests: list[str]
    size: int

    def as_request(self) -> dict[str, Any]:
        """For the worker."""
        return {"id": self.id, "tags": self.tags, "digests": self.digests, "size": self.size}


def unused(images: Iterable[Mapping[str, Any]]) -> list[Unused]:
    """Of a server's images as `worker.room.reading` lists them, biggest first."""
    prefix, images = _prefix(), list(images)
    needed = Needed.read({tag for image in images for tag in image["tags"]}, prefix)
    found = []
    for image in images:
        tags = list(image["tags"])
        if image["used_by"] or not tags or not all(needed.may_drop(tag, prefix) for tag in tags):
            continue
        pulled = needed.pulled_as(tags, prefix)
        digests = [each for each in image["digests"] if each.partition("@")[0] in pulled]
        if len(digests) == len(image["digests"]):  # else somebody else pulled it too
            found.append(Unused(image["id"], tags, digests, max(0, image["size"] - (image["shared"] or 0))))
    return sorted(found, key=lambda each: -each.size)


def still_unused(tags: Collection[str]) -> bool:
    """The record still has no need of an image with these tags."""
    prefix = _prefix()
    needed = Needed.read(tags, prefix)
    return bool(tags) and all(needed.may_drop(tag, prefix) for tag in tags)


def request_removal(*, actor: Actor, host: Host, chosen: Collection[str]) -> Operation:
    """Remove exactly these images (ids) of the last look; Refused when one of them isn't unused any more."""
    check_open(host)
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        if Operation.objects.filter(host=host, kind=Operation.Kind.IMAGES, status__in=OPERATION_OPEN).exists():
            raise Refused(_("Images are being removed there already."), remedy=_("Wait for it."))
        look = Operation.objects.filter(host=host, kind=Operation.Kind.ROOM, status="succeeded").order_by("-pk").first()
        listed = {each.id: each for each in unused(look.result["images"] if look else [])}
        if not chosen or not set(chosen) <= listed.keys():
            raise Refused(
                _("What is unused there is not what it was. Nothing was removed."),
                remedy=_("Look at the list again."),
            )
        rows = [listed[each].as_request() for each in sorted(chosen)]
        operation = request_operation(
            actor=actor,
            kind=Operation.Kind.IMAGES,
            host=host,
            request={"images": rows},
            deadline_seconds=DEADLINE_SECONDS,
        )
        after = {"images": [tag for row in rows for tag in row["tags"]], "bytes": sum(row["size"] for row in rows)}
        audit.record(actor, "host.remove_images", host, after=after)
    return operation


def _prefix() -> str:
    return f"estiva/{Installation.objects.values_list('name', flat=True).get()}/"


@dataclass(frozen=True, slots=True)
class Needed:
    """What the record needs: by the name that images bear the numbers of Releases, and whose deployments are open."""

    kept: Mapping[str, frozenset[int]]
    busy: frozenset[str]
    pulled: Mapping[tuple[str, int], str]

    def may_drop(self, tag: str, prefix: str) -> bool:
        """This is a tag of ours for a Release that nothing needs."""
        name, number = _parsed(tag, prefix)
        if number is None or name in self.busy:
            return False
        kept = self.kept.get(name, frozenset())
        return number not in kept and number < max(kept, default=number + 1)

    def pulled_as(self, tags: Iterable[str], prefix: str) -> set[str]:
        """The names under which these Releases were pulled."""
        parsed = (_parsed(tag, prefix) for tag in tags)
        return {self.pulled.get((name, number or 0), "") for name, number in parsed} - {""}

    @classmethod
    def read(cls, tags: Iterable[str], prefix: str) -> "Needed":
        """Of the Placements that these tags name, in a constant number of queries: others' history may be long."""
        parsed = {_parsed(tag, prefix) for tag in tags}
        wanted = {name for name, number in parsed if number is not None}
        rows = Placement.objects.select_related("application", "environment")
        rows = rows.only("keep_releases", "application__name", "environment__name")
        placements = {row.pk: row for row in rows if wanted & _names(row)} if wanted else {}
        kept, busy = defaultdict[str, set[int]](set), set[str]()
        for placement_id, numbers in _kept_numbers(placements).items():
            for name in _names(placements[placement_id]):
                kept[name] |= numbers
        open_ones = Deployment.objects.filter(placement__in=placements, status__in=DEPLOYMENT_OPEN)
        for placement_id in open_ones.values_list("placement", flat=True):
            busy |= _names(placements[placement_id])
        pulled = {}
        made = Release.objects.filter(
            placement__in=placements, number__in={number for _name, number in parsed if number is not None}
        )
        for row in made.filter(source={}).exclude(image="").values_list("placement", "number", "image"):
            for name in _names(placements[row[0]]):
                pulled[name, row[1]] = image_reference.parse(row[2]).name
        return cls({name: frozenset(numbers) for name, numbers in kept.items()}, frozenset(busy), pulled)


def _names(placement: Placement) -> set[str]:
    return {releases.placement_name(placement), releases.project_name(placement)}


def _parsed(tag: str, prefix: str) -> tuple[str, int | None]:
    """`estiva/INSTALLATION/app-production/web:12` as its Placement's name and the Release; None when it is no such tag."""
    name, _colon, number = tag.removeprefix(prefix).rpartition(":")
    if not tag.startswith(prefix) or not number.isdecimal():
        return "", None
    return name.partition("/")[0], int(number)


def _kept_numbers(placements: Mapping[int, Placement]) -> dict[int, set[int]]:
    """What runs, and of each server in use as many of the last that ended well as its Placement keeps."""
    found = defaultdict[int, set[int]](set)
    seats = PlacementHost.objects.filter(placement__in=placements)
    seats = seats.select_related("running_release", "placement__application")
    in_use = set()
    for seat in seats:
        if seat.running_release is not None:
            found[seat.placement_id].add(seat.running_release.number)
        if seat.is_active and seat.placement.application.archived_at is None:
            in_use.add((seat.placement_id, seat.host_id))
    ran = Target.objects.filter(placement__in=placements, role=Target.Role.DEPLOY, status=TargetStatus.SUCCEEDED)
    of_seat = defaultdict[tuple[int, int], dict[int, None]](dict)
    for placement_id, host_id, number in ran.order_by("-id").values_list(
        "placement", "host", "deployment__release__number"
    ):
        numbers = of_seat[placement_id, host_id]
        if (placement_id, host_id) in in_use and len(numbers) < max(1, placements[placement_id].keep_releases):
            numbers[number] = None
    for (placement_id, _host), numbers in of_seat.items():
        found[placement_id] |= set(numbers)
    return found
