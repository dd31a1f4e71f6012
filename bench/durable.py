"""That what is measured is what production does: PostgreSQL writes for good before it says that it has."""

import psycopg

from parts.postgres import Postgres
from parts.processes import PartError

SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")


def assure(postgres: Postgres | None) -> None:
    """Print how the running server writes; PartError where a crash of the machine could lose what was committed."""
    if postgres is None:
        raise PartError("What is measured needs PostgreSQL.")
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        found = {name: str((server.execute(f"SHOW {name}").fetchone() or ("",))[0]) for name in SETTINGS}
    told = ", ".join(f"{name} {value}" for name, value in found.items())
    print(f"PostgreSQL has {told}", flush=True)
    if set(found.values()) != {"on"}:
        raise PartError(f"Its times would be too good: PostgreSQL has {told}.")
