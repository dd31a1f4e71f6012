"""The settings a throwaway installation runs with: for tests and for checks that only need Estiva to be importable."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Printed here for everybody to read, hence worthless: the demo and real installations make keys of their own.
WORTHLESS_KEYS = {
    "ESTIVA_SECRET_KEY": "worthless-key-for-tests-" + "0123456789" * 4,
    "ESTIVA_SEALING_PRIVATE_KEY": "ZXN0aXZhOiB3b3J0aGxlc3Mga2V5IG9mIGEgdGVzdC4=",
    "ESTIVA_SEALING_PUBLIC_KEY": "hv+b338Us7O0Lbb6T8wtBR2eCeTaLRFQOmyRInH8gCQ=",
    "ESTIVA_AUDIT_KEY": "d29ydGhsZXNzIGF1ZGl0IGtleSBvZiB0aGUgdGVzdHM=",
    "ESTIVA_FIELD_KEY": "d29ydGhsZXNzIGZpZWxkIGtleSBvZiB0aGUgdGVzdHM=",
}


def throwaway(var: Path) -> dict[str, str]:
    """Environment variables for an installation whose files all lie under `var`, on SQLite."""
    return {
        **WORTHLESS_KEYS,
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "ESTIVA_VAR": str(var),
        "ESTIVA_DATABASE_URL": f"sqlite://{var}/estiva.sqlite3",
        "ESTIVA_REDIS_URL": f"unix://{var}/valkey.sock",
        "ESTIVA_PLAIN_STATIC": "1",
    }
