"""How a container of a Compose application was left, so that what somebody changes by hand can be told later. Pure but for `read_all`.

A Compose file puts variables, and so secrets, wherever it likes. As it is, only what can hardly be one is written down; of the
rest a keyed hash, which tells that it is another and nothing else. Two readings of one engine are compared, as in `engine.found`.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from worker.engine.compose.sight import HASH
from worker.engine.container_host import Container, ContainerHost, LocalImage
from worker.engine.found import environment_given, found_settings
from worker.engine.spec import Secret

Left = Mapping[str, Any]
"""`{"mark", "id", "name", "target", "definition", "settings": {name: value or hash}, "networks": {name: hash}, "variables": {name: hash}}`."""

HASHED: Final = "hash:"
_READING: Final = "1"  # another one when this module reads otherwise: what was read before is not compared then
_PLAIN: Final = frozenset({"restart", "ports", "cpuset_cpus", "cpuset_mems", "stop_timeout", "network_mode"})
_NOT_READ: Final = frozenset(
    {
        "labels", "networks", "network_aliases", "engine:Networks",  # below, in words of their own
        "mac_address",  # some engines show the one that they gave, and give another at the next start
    }
)  # fmt: skip
_UPDATED: Final = frozenset(
    {
        "restart", "restart_retries", "memory", "memory_reservation", "memory_swap", "cpus", "cpu_shares", "cpu_period",
        "cpu_quota", "cpuset_cpus", "cpuset_mems", "pids_limit", "blkio_weight", "engine:CpuRealtimePeriod",
        "engine:CpuRealtimeRuntime", "engine:KernelMemory",
    }
)  # fmt: skip
"""What can be changed of a container that goes on being: anything else that an engine says otherwise is its own doing, as after an upgrade."""
_NAMELESS: Final = ("bridge", "host", "none")


@dataclass(frozen=True, slots=True)
class Changed:
    """What of a container is not as it was left. `settings` are (before, now); networks and variables how: added, removed, changed."""

    recreated: bool = False
    redefined: bool = False  # by what Compose itself calls another definition
    name: str = ""  # the new one
    settings: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.recreated or self.name or self.settings or self.networks or self.variables)


def read(container: Container, image: LocalImage | None, key: Secret) -> Left:
    """{} where it can't be told: what its image says of itself is needed to know what was said beside it."""
    found = found_settings(container, image) if image is not None else {}
    if not found:
        return {}
    labels = [each for each in found.get("labels", ()) if not each.startswith("com.docker.compose.")]
    settings = {name: value for name, value in found.items() if name not in _NOT_READ}
    if labels:
        settings["labels"] = labels
    return {
        "mark": _hash(key, ["reading", _READING]),
        "id": container.id,
        "name": container.name,
        "target": container.labels.get("estiva.target", ""),
        "definition": container.labels.get(HASH, ""),
        "settings": {name: _kept(key, name, value) for name, value in settings.items()},
        "networks": _networks(container, key),
        "variables": {name: _hash(key, value) for name, value in environment_given(container, image).items()},
    }


def read_all(host: ContainerHost, containers: Iterable[Container], key: Secret) -> dict[str, Left]:
    """By ID, each image asked about once."""
    containers = list(containers)
    images = {each: host.local_image(each) for each in dict.fromkeys(each.image_id for each in containers)}
    return {each.id: read(each, images[each.image_id], key) for each in containers}


def compared(before: Sequence[Left], now: Sequence[Left]) -> list[tuple[Left, Changed]]:
    """The containers of a service, each with what differs: by ID, else by name, else in their order.

    One that another deploy has made is left out: that was nobody's hand. So is what can't be compared.
    """
    made_by = {each["target"] for each in before if each} | {""}
    known = {each["id"]: each for each in before if each}
    same = [(known[each["id"]], each) for each in now if each and each["id"] in known]
    here = {each["id"] for each, _ in same}
    went = [each for each in known.values() if each["id"] not in here]
    new = [each for each in now if each and each["id"] not in known and each["target"] in made_by]
    pairs = [*same, *_in_the_place_of(went, new)]
    return [(each, changed(one, each)) for one, each in pairs if one["mark"] == each["mark"]]


def _in_the_place_of(went: Iterable[Left], new: Iterable[Left]) -> list[tuple[Left, Left]]:
    old, names = {each["name"]: each for each in went}, {each["name"]: each for each in new}
    both = sorted(old.keys() & names.keys())
    rest = zip(sorted(old.keys() - names.keys()), sorted(names.keys() - old.keys()), strict=False)
    return [(old[one], names[other]) for one, other in [*zip(both, both, strict=True), *rest]]


def changed(before: Left, now: Left) -> Changed:
    """From one reading to another."""
    old, new, recreated = before["settings"], now["settings"], before["id"] != now["id"]
    told = [name for name in dict.fromkeys((*new, *old)) if recreated or name in _UPDATED]
    names = [name for name in told if old.get(name) != new.get(name)]
    return Changed(
        recreated=recreated,
        redefined=before["definition"] != now["definition"],
        name=now["name"] if before["name"] != now["name"] else "",
        settings={name: (old.get(name), new.get(name)) for name in names},
        networks=_how(before["networks"], now["networks"]),
        variables=_how(before["variables"], now["variables"]) if recreated else {},
    )


def is_hashed(value: Any) -> bool:
    """Whether no more is known of it than whether it is another."""
    return isinstance(value, str) and value.startswith(HASHED)


def _kept(key: Secret, name: str, value: Any) -> Any:
    return value if name in _PLAIN or isinstance(value, bool | int | float) else f"{HASHED}{_hash(key, value)}"


def _networks(container: Container, key: Secret) -> dict[str, str]:
    """Its names and fixed addresses in each; those that the engine gives come and go."""
    joined = (container.inspected.get("NetworkSettings") or {}).get("Networks") or {}
    found = {}
    for name, each in joined.items():
        aliases = sorted({alias for alias in (each or {}).get("Aliases") or () if not container.id.startswith(alias)})
        fixed = (each or {}).get("IPAMConfig") or {}
        own = [] if name in _NAMELESS else [aliases, fixed.get("IPv4Address") or "", fixed.get("IPv6Address") or ""]
        found[name] = _hash(key, own)
    return found


def _how(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    return {name: "added" if name not in before else "removed" if name not in now else "changed" for name in names}


def _hash(key: Secret, value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hmac.new(key.reveal().encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:24]
