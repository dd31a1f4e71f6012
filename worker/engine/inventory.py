"""What a server holds for one Placement, and whose it is. Pure but for `take_inventory`, which looks once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from worker.engine.container_host import Container, ContainerHost
from worker.engine.names import FENCE_UNKNOWN, fence_of
from worker.engine.spec import Identity

RESTART_LABEL = "estiva.restart"  # the user's policy, "on-failure:3": it has to survive the worker that changed it
PORT_LABEL = "estiva.port"  # where its own Release's health check asks
STOP_LABEL = "estiva.stop"  # the seconds that its own Release gives it to end
FIXED_LABEL = "estiva.fixed"  # made on an engine that can't change a policy: this one says nothing of who stopped it
ADOPTABLE = ("created", "running")


@dataclass(frozen=True, slots=True)
class Owned:
    """A container that carries our installation's and Placement's labels."""

    container: Container

    @property
    def name(self) -> str:
        """Its name now."""
        return self.container.name

    @property
    def fence(self) -> int:
        """Who holds it."""
        return fence_of(self.container.name)

    @property
    def release(self) -> int:
        """The Release it runs; 0 if the label says nothing sensible."""
        return _number(self.container.labels.get("estiva.release", ""))

    @property
    def target(self) -> int:
        """The Target that made it."""
        return _number(self.container.labels.get("estiva.target", ""))

    @property
    def running(self) -> bool:
        """Its process is alive, though it may be paused."""
        return self.container.running

    @property
    def awake(self) -> bool:
        """Its process is alive, and nobody paused it."""
        return self.container.running and not self.container.paused

    @property
    def wanted_policy(self) -> tuple[str, int]:
        """The restart policy its Release asks for; what it has now where no label says so."""
        policy, _, retries = self.container.labels.get(RESTART_LABEL, "").partition(":")
        if not policy:
            return self.container.restart_policy, self.container.restart_retries
        return policy, _number(retries)

    def stop_timeout(self, otherwise: int) -> int:
        """Seconds between SIGTERM and SIGKILL that its own Release asks for."""
        seconds = self.container.labels.get(STOP_LABEL, "")
        return int(seconds) if seconds.isdigit() else otherwise

    @property
    def health_port(self) -> int | None:
        """The container port that its own Release's health check asks; None where no label says so."""
        return _number(self.container.labels.get(PORT_LABEL, "")) or None

    @property
    def has_wanted_policy(self) -> bool:
        """False while a deploy is holding it under another policy."""
        return self.wanted_policy[0] == self.container.restart_policy

    @property
    def policy_fixed(self) -> bool:
        """It has had its restart policy from the start."""
        return FIXED_LABEL in self.container.labels

    @property
    def promoted(self) -> bool:
        """It was proven by the deploy that made it: only then it gets its Release's policy (undecidable for "no")."""
        return self.has_wanted_policy and self.wanted_policy[0] != "no"


@dataclass(frozen=True, slots=True)
class Inventory:
    """The containers of one Placement on one server, sorted by the part they play for one Target."""

    mine: Owned | None  # made by this Target, in this attempt or an earlier one
    incumbent: Owned | None  # what serves, or served last
    leftovers: tuple[Owned, ...]

    @property
    def everything(self) -> tuple[Owned, ...]:
        """All of them."""
        return tuple(each for each in (self.mine, self.incumbent, *self.leftovers) if each)

    @property
    def names(self) -> frozenset[str]:
        """Names that are taken by ours."""
        return frozenset(each.name for each in self.everything)

    @property
    def stopped_by_deploy(self) -> bool:
        """The incumbent doesn't run, because a deploy that never ended stopped it.

        A deploy changes the policy before it stops the old container, and keeps its own container until the old one
        runs again. So a foreign policy tells it; where the Release's own policy is one of the two that a deploy uses,
        another container of the Placement does.
        """
        if self.incumbent is None or self.incumbent.running:
            return False
        others = self.mine is not None or bool(self.leftovers)
        ambiguous = self.incumbent.container.restart_policy in ("always", "no") or self.incumbent.policy_fixed
        return not self.incumbent.has_wanted_policy or (others and ambiguous)

    @property
    def needs_care(self) -> bool:
        """An earlier attempt or deploy left something half done that must not stay so."""
        held = self.incumbent is not None and not self.incumbent.has_wanted_policy
        held = held and self.incumbent is not None and self.incumbent.container.restart_policy in ("always", "no")
        return self.mine is not None or held or self.stopped_by_deploy

    def past_return(self, identity: Identity) -> bool:
        """Seen when an attempt begins: an earlier one proved our container and removed the old one. There is no way
        back.

        Where the Release's own policy is "no" the proof doesn't show; there the recorded old one's absence tells.
        """
        if self.mine is None or self.incumbent is not None:
            return False
        undecided = self.mine.wanted_policy[0] == "no" and self.mine.running and identity.incumbent_target is not None
        return self.mine.promoted or undecided


def labels_of(identity: Identity) -> dict[str, str]:
    """What marks a container as this Placement's."""
    return {"estiva.installation": identity.installation, "estiva.placement": str(identity.placement)}


def take_inventory(host: ContainerHost, identity: Identity, incumbent_id: str = "") -> Inventory:
    """Look once, and sort what is there. `incumbent_id` is the container already known to be the incumbent, if any."""
    found = [Owned(as_recorded(each, identity)) for each in host.containers(labels_of(identity))]
    return sort_out(found, identity, incumbent_id)


def as_recorded(container: Container, identity: Identity) -> Container:
    """With the labels that the record gives it, where it was taken over: Docker can't change them."""
    adopted = identity.adopted
    if adopted is None or container.id != adopted.container_id:
        return container
    return replace(container, labels={**container.labels, **dict(adopted.labels)})


def sort_out(found: Sequence[Owned], identity: Identity, incumbent_id: str = "") -> Inventory:
    """Who is who. Among our Target's own containers a running one goes before a created one; the rest are leftovers."""
    own = sorted((each for each in found if each.target == identity.target), key=_usefulness, reverse=True)
    others = [each for each in found if each.target != identity.target]
    others.sort(key=lambda each: (each.container.id == incumbent_id, *_claim(each, identity)), reverse=True)
    incumbent = others[0] if others else None
    return Inventory(mine=own[0] if own else None, incumbent=incumbent, leftovers=(*own[1:], *others[1:]))


def _usefulness(each: Owned) -> tuple[bool, bool, int, bool]:
    return each.awake, each.container.status in ADOPTABLE, each.fence, each.promoted


def _claim(each: Owned, identity: Identity) -> tuple[bool, bool, bool, bool, bool, int, int]:
    """How good its claim to be the incumbent is.

    What was proven and runs goes first, among those the recorded one; then what is recorded or proven and doesn't run;
    then an unproven one that runs, from a deploy that never ended; then the newest.
    """
    recorded = each.target == identity.incumbent_target
    proven = recorded or each.promoted or each.container.restart_policy == "always"
    return each.awake and proven, each.awake and recorded, recorded, proven, each.awake, each.fence, each.release


def lower_fences(found: Iterable[Owned], fence: int) -> list[Owned]:
    """Those that an older holder named (or somebody by hand)."""
    return [each for each in found if FENCE_UNKNOWN <= each.fence < fence]


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
