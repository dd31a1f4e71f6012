"""The model of a command that runs once in a service: what it keeps, and what only one at a time can have."""

from typing import Any

import pytest

from worker.engine.compose.model import Model
from worker.engine.compose.one_off import run_model
from worker.engine.failure import StepFailed

LABELS = {"estiva.placement": "", "estiva.run": "41"}
WEB: dict[str, Any] = {
    "image": "web@sha256:1",
    "command": ["serve"],
    "entrypoint": ["/entry"],
    "environment": {"TOKEN": "a$b"},
    "ports": [{"target": 80}],
    "container_name": "web",
    "restart": "always",
    "depends_on": {"db": {"condition": "service_healthy"}},
    "healthcheck": {"test": ["CMD", "x"]},
    "deploy": {"replicas": 3, "resources": {"limits": {"memory": "1g"}}},
    "labels": {"estiva.placement": "7", "own": "label"},
    "networks": {"default": {"aliases": ["shop"], "ipv4_address": "10.0.0.9"}},
    "volumes": [{"type": "volume", "source": "data", "target": "/data"}, {"type": "tmpfs", "target": "/tmp"}],
    "configs": [{"source": "motto", "target": "/motto"}],
    "cap_drop": ["ALL"],
}
TREE: dict[str, Any] = {
    "services": {"web": WEB, "db": {"image": "db"}},
    "networks": {"default": {"name": "shop_default", "labels": {"x": "y"}}, "other": {"name": "shop_other"}},
    "volumes": {"data": {"name": "shop_data", "driver": "local"}},
    "configs": {"motto": {"name": "shop_motto", "content": "hello"}},
}


def test_it_joins_what_is_there_and_has_no_names_ports_or_health() -> None:
    words = ["./manage.py", "$(touch x) `id` ${TOKEN}"]
    made = run_model(Model(TREE), "web", "shop-run-41.f2", words, LABELS)
    assert list(made.services) == ["web"]
    assert made.services["web"] == {
        "image": "web@sha256:1",
        "entrypoint": ["/entry"],
        "environment": {"TOKEN": "a$b"},
        "networks": {"default": None},
        "volumes": WEB["volumes"],
        "configs": WEB["configs"],
        "cap_drop": ["ALL"],
        "container_name": "shop-run-41.f2",
        "command": words,
        "labels": LABELS,
        "restart": "no",
        "healthcheck": {"disable": True},
        "deploy": {"resources": {"limits": {"memory": "1g"}}},
    }
    assert made.tree["networks"] == {"default": {"external": True, "name": "shop_default"}}
    assert made.tree["volumes"] == {"data": {"external": True, "name": "shop_data"}}
    assert made.tree["configs"] == TREE["configs"]
    assert "$${TOKEN}" in made.text(), "Compose puts nothing into the words"


@pytest.mark.parametrize("shared", [{"network_mode": "service:db"}, {"pid": "service:db"}, {"volumes_from": ["db"]}])
def test_what_shares_with_another_service_is_refused(shared: dict[str, Any]) -> None:
    tree = {**TREE, "services": {"web": {**WEB, **shared}}}
    with pytest.raises(StepFailed, match="shares"):
        run_model(Model(tree), "web", "x", ["true"], LABELS)
