"""The engine's lists as the room that people see. Pure; a missing field is its empty value.

`{"containers": [...], "images": [...], "volumes": [...], "networks": [...], "disk": {...} | None, "left_out": {kind: n}}`;
what is ours stands first, and of each kind no more than `MOST`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from worker.room.server_room import Listing

Json = Mapping[str, Any]
Row = dict[str, Any]

MOST: Final = 500
_HEALTH = re.compile(r" \((?:health: )?(healthy|unhealthy|starting)\)")
_INSTALLATION = "estiva.installation"
_PREDEFINED = ("bridge", "host", "none", "podman")


def room(listing: Listing, installation: str) -> dict[str, Any]:
    """Everything, with who uses what."""
    usage = listing.usage or {}
    weights = {str(each.get("Id")): each for each in usage.get("Images") or ()}
    sizes = {str(each.get("Name")): each.get("UsageData") or {} for each in usage.get("Volumes") or ()}
    of_image, of_volume, of_network = _users(listing.containers)
    images = [_image(each, weights, of_image, installation) for each in listing.images]
    volumes = [_volume(each, sizes, of_volume, installation) for each in listing.volumes]
    networks = [_network(each, of_network, installation) for each in listing.networks]
    rows = [_container(each, installation) for each in listing.containers]
    found = {"containers": rows, "images": images, "volumes": volumes, "networks": networks}
    kept = {kind: _ours_first(rows, lambda row: str(row["name"])) for kind, rows in found.items()}
    left_out = {kind: len(rows) - len(kept[kind]) for kind, rows in found.items() if len(rows) > len(kept[kind])}
    return {**kept, "disk": disk(usage) if listing.usage is not None else None, "left_out": left_out}


def containers(found: Iterable[Json], installation: str) -> list[Row]:
    """Those of `/containers/json`, ours first."""
    return _ours_first([_container(each, installation) for each in found], lambda row: str(row["name"]))


def _ours_first(rows: list[Row], name: Callable[[Row], str]) -> list[Row]:
    return sorted(rows, key=lambda row: (not row["ours"], name(row)))[:MOST]


def _container(found: Json, installation: str) -> Row:
    labels: Json = found.get("Labels") or {}
    said = str(found.get("Status") or "")
    health = _HEALTH.search(said)
    placement = str(labels.get("estiva.placement", ""))
    ours = labels.get(_INSTALLATION) == installation
    return {
        "id": str(found["Id"]),
        "name": _name(found),
        "image": str(found.get("Image") or ""),
        "image_id": str(found.get("ImageID") or ""),
        "state": str(found.get("State") or ""),
        "status": _HEALTH.sub("", said),
        "health": health[1] if health else "",
        "ports": _ports(found.get("Ports") or ()),
        "networks": sorted((found.get("NetworkSettings") or {}).get("Networks") or {}),
        "created": int(found.get("Created") or 0),
        "ours": ours,
        "placement": int(placement) if ours and placement.isdecimal() else None,
        "release": str(labels.get("estiva.release", "")) if ours else "",
        "service": str(labels.get("com.docker.compose.service", "")),
    }


def _name(found: Json) -> str:
    """Its own name: links give it others, with a second slash."""
    names = [str(each).removeprefix("/") for each in found.get("Names") or ()]
    return next((each for each in names if "/" not in each), str(found["Id"])[:12])


def _ports(found: Iterable[Json]) -> list[str]:
    """`0.0.0.0:8080 → 80`; each once, though the engine tells it for IPv4 and IPv6; what isn't published as `80`."""
    shown: dict[str, None] = {}
    for port in sorted(found, key=lambda each: (int(each.get("PrivatePort") or 0), str(each.get("IP", "")))):
        inner = f"{port.get('PrivatePort')}" + ("" if port.get("Type") == "tcp" else f"/{port.get('Type')}")
        outer = port.get("PublicPort")
        address = str(port.get("IP") or "")
        if outer and address == "::" and f"{outer} → {inner}" in shown:
            continue
        open_to_all = address in ("0.0.0.0", "::", "")  # noqa: S104 - read, not bound
        shown[f"{'' if open_to_all else address + ':'}{outer} → {inner}" if outer else inner] = None
    return list(shown)


def _users(containers: Iterable[Json]) -> tuple[dict[str, list[str]], dict[str, list[str]], dict[str, list[str]]]:
    """Names of containers by image ID, by volume, by network."""
    images, volumes, networks = defaultdict(list), defaultdict(list), defaultdict(list)
    for each in containers:
        name = _name(each)
        images[str(each.get("ImageID") or "")].append(name)
        for mount in each.get("Mounts") or ():
            if mount.get("Type") == "volume":
                volumes[str(mount.get("Name") or "")].append(name)
        for network in (each.get("NetworkSettings") or {}).get("Networks") or {}:
            networks[network].append(name)
    return images, volumes, networks


def _image(found: Json, weights: Mapping[str, Json], users: Mapping[str, list[str]], installation: str) -> Row:
    tags = [each for each in found.get("RepoTags") or () if each != "<none>:<none>"]
    digests = [each for each in found.get("RepoDigests") or () if not each.startswith("<none>")]
    shared = (weights.get(str(found["Id"])) or {}).get("SharedSize")
    return {
        "id": str(found["Id"]),
        "name": (sorted(tags) or sorted(digests) or [str(found["Id"])])[0],
        "tags": sorted(tags),
        "digests": sorted(digests),
        "size": int(found.get("Size") or 0),
        "shared": int(shared) if isinstance(shared, int) and shared >= 0 else None,
        "created": int(found.get("Created") or 0),
        "used_by": sorted(users.get(str(found["Id"]), [])),
        "ours": any(each.startswith(f"estiva/{installation}/") for each in tags),
    }


def _volume(found: Json, sizes: Mapping[str, Json], users: Mapping[str, list[str]], installation: str) -> Row:
    size = (sizes.get(str(found["Name"])) or {}).get("Size")
    return {
        "name": str(found["Name"]),
        "driver": str(found.get("Driver") or ""),
        "created": str(found.get("CreatedAt") or ""),
        "size": int(size) if isinstance(size, int) and size >= 0 else None,
        "used_by": sorted(users.get(str(found["Name"]), [])),
        "ours": (found.get("Labels") or {}).get(_INSTALLATION) == installation,
    }


def _network(found: Json, users: Mapping[str, list[str]], installation: str) -> Row:
    return {
        "name": str(found["Name"]),
        "driver": str(found.get("Driver") or ""),
        "scope": str(found.get("Scope") or ""),
        "subnets": [
            str(each.get("Subnet")) for each in (found.get("IPAM") or {}).get("Config") or () if each.get("Subnet")
        ],
        "predefined": str(found["Name"]) in _PREDEFINED,
        "used_by": sorted(users.get(str(found["Name"]), [])),
        "ours": (found.get("Labels") or {}).get(_INSTALLATION) == installation,
    }


def disk(usage: Json) -> dict[str, int]:
    """Bytes by kind, from `/system/df`; a layer that several images share counts once."""
    caches = usage.get("BuildCache") or ()
    return {
        "images": int(usage.get("LayersSize") or 0) or _sizes(usage.get("Images")),  # podman doesn't count layers
        "containers": sum(int(each.get("SizeRw") or 0) for each in usage.get("Containers") or ()),
        "volumes": sum(
            max(0, int((each.get("UsageData") or {}).get("Size") or 0)) for each in usage.get("Volumes") or ()
        ),
        "cache": sum(int(each.get("Size") or 0) for each in caches if not each.get("Shared")),
    }


def _sizes(images: Iterable[Json] | None) -> int:
    """Each image once; podman names it again for every tag."""
    return sum({str(each.get("Id")): int(each.get("Size") or 0) for each in images or ()}.values())
