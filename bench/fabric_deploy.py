"""Fabric's deploy: the docker client's four steps, as the lines that it is told, the servers side by side. Runs in the peers' environment."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fabric import Connection
from paramiko import RejectPolicy

TOLD = json.loads(Path(os.environ["BENCH_TOLD"]).read_text())


def deploy(seat: dict[str, Any]) -> None:
    """One server."""
    with Connection(
        seat["address"], user=seat["user"], port=seat["port"], connect_kwargs={"key_filename": TOLD["key"]}
    ) as connection:
        connection.client.load_host_keys(TOLD["known"])
        connection.client.set_missing_host_key_policy(RejectPolicy())
        for line in seat["lines"]:
            connection.run(line, hide=True)


with ThreadPoolExecutor(TOLD["at_once"]) as pool:
    list(pool.map(deploy, TOLD["seats"]))
