"""pyinfra's inventory: the servers that it is told of. Runs in the peers' environment."""

import json
import os
from pathlib import Path

_TOLD = json.loads(Path(os.environ["BENCH_TOLD"]).read_text())

servers = [
    (
        f"seat-{number}",
        {
            "ssh_hostname": each["address"],
            "ssh_port": each["port"],
            "ssh_user": each["user"],
            "ssh_key": _TOLD["key"],
            "ssh_known_hosts_file": _TOLD["known"],
            "lines": each["lines"],
        },
    )
    for number, each in enumerate(_TOLD["seats"])
]
