"""The prober's own process: a line for every request, whatever became of it."""

from __future__ import annotations

import asyncio
import io
import json
import struct
from typing import Any

import pytest

from parts.faults import asking


@pytest.mark.parametrize("error", [TimeoutError(), OSError(), IndexError(), struct.error(), ValueError()])
def test_whatever_goes_wrong_is_written_down(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(_: Any) -> tuple[str, str]:
        raise error

    monkeypatch.setattr(asking, "ask", ask)
    out = io.StringIO()
    asyncio.run(asking.note({"name": "shop"}, out))
    name, asked, until, text, wrong = json.loads(out.getvalue())
    assert (name, text) == ("shop", "")
    assert asked <= until
    assert wrong == ("no answer within 3 s" if isinstance(error, TimeoutError) else type(error).__name__)
