"""The resolved model: what Compose made of the documents, and what Estiva makes of that before it is brought up."""

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.engine.compose.interpolate import escaped, unescaped
from worker.engine.compose.prepare import FENCE_SERVICE, Prepared
from worker.engine.container_host import Container
from worker.engine.spec import Identity

CONFIG_LABEL = "estiva.config"  # a keyed hash of the service's definition: equal means "nothing to change"
RELEASE_LABEL = "estiva.release"
OWN_LABELS = (RELEASE_LABEL, "estiva.deployment", "estiva.target")
_TAKEN_OUT = ("build", "env_file", "profiles", "develop", "pull_policy")


@dataclass(frozen=True, slots=True, repr=False)
class Model:
    """Resolved: values as they are meant, no variable left. May hold secrets, so it doesn't print."""

    tree: Mapping[str, Any]

    @property
    def services(self) -> Mapping[str, Mapping[str, Any]]:
        """By name."""
        services: Mapping[str, Mapping[str, Any]] = self.tree.get("services") or {}
        return services

    def text(self) -> str:
        """For Compose's standard input."""
        return json.dumps(escaped(self.tree))

    def jobs(self) -> frozenset[str]:
        """Services that do something and end: others wait for their completion."""
        found = set()
        for body in self.services.values():
            for name, how in (body.get("depends_on") or {}).items():
                if isinstance(how, dict) and how.get("condition") == "service_completed_successfully":
                    found.add(name)
        return frozenset(found)

    def scale(self, service: str) -> int:
        """How many containers it is to have."""
        body = self.services[service]
        replicas = body.get("scale", (body.get("deploy") or {}).get("replicas"))
        return 1 if replicas is None else int(replicas)


def read_model(said: str, prepared: Prepared) -> Model:
    """What `config` said, with the files of variables below each service's own. ValueError when it isn't JSON."""
    tree = unescaped(json.loads(said))
    if not isinstance(tree, dict):
        raise ValueError("not a model")
    for name, body in (tree.get("services") or {}).items():
        below = prepared.environments.get(name)
        if below:
            body["environment"] = {**below, **(body.get("environment") or {})}
    return Model(tree)


def pinned(model: Model, images: Mapping[str, str], identity: Identity) -> Model:
    """With each service's image as it is pinned, nothing to build, and our labels that never change."""
    tree = dict(model.tree)
    ours = {key: value for key, value in identity.labels().items() if key not in OWN_LABELS}
    services = {}
    for name, body in model.services.items():
        kept = {key: value for key, value in body.items() if key not in _TAKEN_OUT}
        kept["image"] = images.get(name, kept.get("image"))
        kept["labels"] = {**(kept.get("labels") or {}), **ours}
        services[name] = kept
    tree["services"] = services
    for kind in ("networks", "volumes"):
        entries = {name: dict(body or {}) for name, body in (tree.get(kind) or {}).items()}
        for body in entries.values():
            if not body.get("external"):
                body["labels"] = {**(body.get("labels") or {}), **ours}
        if entries:
            tree[kind] = entries
    return Model(tree)


def definition(model: Model, service: str, installation: str) -> str:
    """A service's definition in one word: equal before and after means that nothing of it changes.

    Keyed by the installation, since it stands in a label and secrets are part of what it hashes.
    """
    body = {key: value for key, value in model.services[service].items() if key not in ("depends_on", "scale")}
    sources = [each["source"] for each in body.get("configs") or []]
    texts = [(model.tree.get("configs") or {}).get(source) for source in sources]
    shown = json.dumps([body, texts], sort_keys=True).encode()
    return hmac.new(installation.encode(), shown, hashlib.sha256).hexdigest()[:32]


def marked(
    model: Model, identity: Identity, running: Mapping[str, Sequence[Container]], anew: Collection[str] = ()
) -> Model:
    """With labels that say whose each container is. A service that doesn't change keeps the labels it has, since other
    labels alone would make Compose recreate it; they name the deploy that made its containers. Just that becomes of the
    services in `anew`: made by this deploy, they still are of the Release that they are of.
    """
    services = {}
    for name, body in model.services.items():
        word = definition(model, name, identity.installation)
        labels, own = _kept(word, identity, running.get(name, ())), identity.labels()
        if labels is None:
            labels = {key: own[key] for key in OWN_LABELS}
        elif name in anew:
            labels |= {key: own[key] for key in OWN_LABELS if key != RELEASE_LABEL}
        services[name] = {**body, "labels": {**body["labels"], CONFIG_LABEL: word, **labels}}
    return Model({**model.tree, "services": services})


def _kept(word: str, identity: Identity, running: Sequence[Container]) -> dict[str, str] | None:
    found = [
        {key: each.labels.get(key, "") for key in OWN_LABELS}
        for each in running
        if each.labels.get(CONFIG_LABEL) == word and each.labels.get("estiva.installation") == identity.installation
    ]
    return next((each for each in found if all(each.values())), None)


def fenced(model: Model, volume: str, gone: Mapping[str, str]) -> Model:
    """With a service of no containers that needs the volume which stands for our fence, and with services that are to
    have none any more (`gone`: name to image).
    """
    services = dict(model.services)
    image = next((str(body["image"]) for body in services.values()), next(iter(gone.values()), ""))
    services |= {name: {"image": each, "scale": 0} for name, each in gone.items() if name not in services}
    mount = {"type": "volume", "source": FENCE_SERVICE, "target": "/fence"}
    services[FENCE_SERVICE] = {"image": image, "scale": 0, "network_mode": "none", "volumes": [mount]}
    volumes = {**(model.tree.get("volumes") or {}), FENCE_SERVICE: {"external": True, "name": volume}}
    return Model({**model.tree, "services": services, "volumes": volumes})
