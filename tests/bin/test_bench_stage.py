"""What benchmarks stand on has production's kind of database, for every process of it."""

from pathlib import Path

import pytest

from bench.stage import Measured
from parts.environment import WORTHLESS_KEYS


@pytest.mark.parametrize("worker", [False, True])
def test_an_installation_that_is_measured_is_on_postgresql(worker: bool, tmp_path: Path) -> None:
    made = Measured(tmp_path)
    made.port("web")
    (tmp_path / "keys.env").write_text("".join(f"{name}={value}\n" for name, value in WORTHLESS_KEYS.items()))

    given = made.environment(worker=worker)

    assert given["ESTIVA_DATABASE_URL"] == made.postgres.url()
    assert given["ESTIVA_DATABASE_URL"].startswith("postgres://")
    assert ("ESTIVA_SEALING_PRIVATE_KEY" in given) is worker
