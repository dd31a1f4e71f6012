"""A PostgreSQL of tests gives up durability; what is measured has what production has."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import durable
from parts.part import remove_folder, temporary_folder
from parts.postgres import Postgres
from parts.processes import PartError


@pytest.fixture
def folder() -> Path:
    """One that PostgreSQL's own user may pass through."""
    return temporary_folder("test")


@pytest.mark.real
@pytest.mark.parametrize("is_durable", [True, False])
def test_what_is_measured_writes_as_production_does(is_durable: bool, folder: Path) -> None:
    try:
        with Postgres(folder / "postgres", durable=is_durable) as server:
            if is_durable:
                durable.assure(server)
            else:
                with pytest.raises(PartError, match="fsync off, full_page_writes off, synchronous_commit on"):
                    durable.assure(server)
    finally:
        remove_folder(folder)
