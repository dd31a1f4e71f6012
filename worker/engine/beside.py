"""A container beside what serves: the Release's own, but for what only one at a time can have."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from worker.engine.container_body import container_body
from worker.engine.container_host import Container
from worker.engine.spec import DeploySpec

WHOSE = ("estiva.placement", "estiva.hook", "estiva.run", "estiva.run.of")
"""Labels that say what a container is to us. A container inherits its image's, so each is given here, if only empty."""


def beside_body(spec: DeploySpec, words: Sequence[str], labels: Mapping[str, str]) -> dict[str, Any]:
    """Its create request: no ports, names, addresses or health check, these labels alone. It reveals secrets."""
    container = spec.container
    networks = tuple(replace(each, aliases=(), ipv4="", ipv6="") for each in container.options.networks)
    alone = replace(
        container,
        ports=(),
        command=tuple(words),
        network_aliases=(),
        options=replace(container.options, networks=networks),
    )
    body = container_body(replace(spec, container=alone), {}, with_aliases=False)
    body["Labels"] = {**dict.fromkeys(WHOSE, ""), **labels}
    body["Healthcheck"] = {"Test": ["NONE"]}
    body.pop("ExposedPorts", None)
    return body


def beside_only(found: Sequence[Container]) -> list[Container]:
    """Those that aren't a Placement's own: whatever the image of such a one says in its labels, it runs no command of ours."""
    return [each for each in found if not each.labels.get("estiva.placement")]


def shown(words: Sequence[str]) -> str:
    """A command for people: a word is quoted where it has more than plain characters."""
    return " ".join(_shown(each) for each in words)


def _shown(word: str) -> str:
    return word if word and all(each.isalnum() or each in "-_./:=@,+" for each in word) else repr(word)
