"""What production serves: hashed names, also between the scripts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.core.management import call_command


def test_modules_import_each_other_by_their_hashed_names(tmp_path: Path, settings: Any) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "dashboard.static_files.StaticFiles"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    (main,) = (path for path in (tmp_path / "js").glob("main.*.js") if path.suffix == ".js")
    imported = re.findall(r"""(?:from |import\()["']\./([^"']+)["']""", main.read_text())
    assert imported
    for name in imported:
        assert re.search(r"\.[0-9a-f]{12}\.js$", name), name
        assert (tmp_path / "js" / name).exists()
