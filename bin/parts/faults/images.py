"""What the campaign deploys: a page that says which version and which container answered, cheap enough to be asked all the time.

The image's behaviour is chosen by SAMPLE_BEHAVIOUR, as with `parts.sample_image`, whose layers it shares.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parts import sample_image
from parts.namespaces import Network
from parts.processes import port_answers
from parts.registry import Registry
from parts.sample_image import Sample

PORT = 5000
REPOSITORY = "team/page"
START = """set -u
port=${SAMPLE_PORT:-5000}
wait_for=${SAMPLE_SECONDS:-2}
echo "page: version $SAMPLE_VERSION starting on port $port"
mkdir -p /tmp/www
echo "$SAMPLE_VERSION $(hostname)" > /tmp/www/index.html
echo ok > /tmp/www/healthz
case $SAMPLE_BEHAVIOUR in
exits) echo "page: cannot open /data/settings.json: no such file" >&2; exit 3 ;;
slow_start) sleep "$wait_for" ;;
exits_late) sleep "$wait_for"; echo "page: fatal: nobody answers" >&2; exit 4 ;;
never_healthy) rm /tmp/www/healthz ;;
steady) n=0; while [ $n -lt "${SAMPLE_TIMES:-100}" ]; do n=$((n + 1)); echo "page: step $n of the start-up"; sleep 0.02; done ;;
chatty) seq 1 "${SAMPLE_LINES:-5000}" | sed 's/.*/page: loaded record & of the start-up index/' ;;
binary) n=0; while [ $n -lt 200 ]; do printf 'page: broken \\377\\376 \\303 line %s\\n' $n; n=$((n + 1)); done ;;
no_newline) n=0; while [ $n -lt "${SAMPLE_TIMES:-100}" ]; do printf 'page: still %s ' $n; n=$((n + 1)); sleep 0.05; done; echo ;;
long_line) head -c 50000000 /dev/zero | tr '\\0' x; echo ;;
floods) yes 'page: a line of a flood, which says nothing new and never ends, as such lines are' | head -c 100000000 ;;
ignores_term) echo "page: ready"; exec httpd -f -p "$port" -h /tmp/www ;;
esac
httpd -f -p "$port" -h /tmp/www &
server=$!
trap 'kill $server; exit 0' TERM INT
echo "page: ready"
wait $server
"""


@dataclass(frozen=True)
class Page(Sample):
    """One image of it. Its manner is one of the cases above."""

    def application(self) -> dict[str, bytes]:
        """One script."""
        return {"app/start": START.encode()}


class WorldRegistry(Registry):
    """A registry on this machine's address in a network of namespaces, which engines there take as insecure."""

    def __init__(self, folder: Path, network: Network, port: int) -> None:
        super().__init__(folder, port)
        self.host = network.gateway

    @property
    def address(self) -> str:
        """What an image reference begins with: host:port."""
        return f"{self.host}:{self.port}"

    def _answers(self) -> bool:
        return port_answers(self.port, self.host)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=30)


@dataclass(frozen=True)
class Pushed:
    """An image in the registry: what people write, and what is really meant."""

    reference: str
    digest: str
    image_id: str

    @property
    def tag(self) -> str:
        """Its tag: the version that the page says."""
        return self.reference.rpartition(":")[2]


class Images:
    """Pushes pages, equal ones once."""

    def __init__(self, registry: WorldRegistry) -> None:
        self.registry = registry
        self._known: dict[str, Pushed] = {}

    def page(
        self, tag: str, manner: str = "plain", *, seconds: float = 2, repository: str = REPOSITORY, **more: Any
    ) -> Pushed:
        """The page's version `tag` that behaves like that."""
        page = self.made(tag, manner, seconds=seconds, **more)
        key = f"{repository}:{tag}"
        if key not in self._known:
            digest = sample_image.push(self.registry, repository, tag, page)
            self._known[key] = Pushed(f"{self.registry.address}/{key}", digest, sample_image.image_id(page))
        return self._known[key]

    def made(self, tag: str, manner: str = "plain", *, seconds: float = 2, **more: Any) -> Page:
        """As `page`, not pushed."""
        variables = {"SAMPLE_BEHAVIOUR": manner, "SAMPLE_SECONDS": f"{seconds:g}", **more.pop("variables", {})}
        return Page(tag, variables=variables, **more)
