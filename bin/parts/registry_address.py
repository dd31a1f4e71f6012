"""An address of the loopback interface outside 127.0.0.0/8, for a registry whose certificate counts, and what is told to engines of it."""

from __future__ import annotations

import ipaddress
import json
import shutil
from pathlib import Path

from parts.processes import PartError, run

STATE = "private-registry.json"
TRUSTED = Path("/etc/docker/certs.d")
NETWORK = ipaddress.ip_network("198.18.0.0/24")  # of a range that is kept for tests


def take(folder: Path, port: int) -> str:
    """The first that nobody took (the kernel refuses the same twice), noted in `folder` until `give_back`."""
    for each in NETWORK.hosts():
        try:
            run(["ip", "address", "add", f"{each}/32", "dev", "lo"])
        except PartError as error:
            if "File exists" not in str(error):
                raise
            continue
        (folder / STATE).write_text(json.dumps({"ip": str(each), "trusted": str(TRUSTED / f"{each}:{port}")}))
        return str(each)
    raise PartError(f"No free address in {NETWORK}: remove leftovers with `ip address del ADDRESS/32 dev lo`.")


def give_back(folder: Path) -> None:
    """Undo it, also after a crash; once is enough."""
    try:
        state = json.loads((folder / STATE).read_text())
    except FileNotFoundError:
        return
    trusted = Path(state["trusted"])
    if trusted.parent == TRUSTED:
        shutil.rmtree(trusted, ignore_errors=True)
        if TRUSTED.exists() and not any(TRUSTED.iterdir()):
            TRUSTED.rmdir()
    try:
        run(["ip", "address", "del", f"{state['ip']}/32", "dev", "lo"])
    except PartError as error:
        if "Cannot assign" not in str(error):
            raise
    (folder / STATE).unlink()
