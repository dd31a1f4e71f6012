"""The tables: migrations are complete, the first rows are there, and a secret's column takes nothing plain."""

import re
from io import StringIO
from unittest.mock import patch

import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from deployments import clock, sealing
from deployments.management.commands import keys
from deployments.models import AuditHead, Host, Installation
from deployments.states import (
    OPERATION_ENDS,
    OPERATION_MOVES,
    TARGET_ENDS,
    TARGET_HELD,
    TARGET_MOVES,
    TARGET_OPEN,
    OperationStatus,
    TargetStatus,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


def test_the_cache_has_its_table() -> None:
    cache.set("spring", "água", 60)

    assert cache.get("spring") == "água"


def test_the_installation_has_a_name_that_images_can_bear() -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]{7}", Installation.objects.get().name)
    assert AuditHead.objects.get(pk=1).number == 0


def test_the_clock_is_the_database_s() -> None:
    first, second = clock.now(), clock.now()

    assert first <= second
    assert first.utcoffset() is not None


def test_a_sealed_value_is_opened_by_the_worker_alone(settings: object) -> None:
    sealed = sealing.seal("ssh-key ü")
    host = Host.objects.create(name="web-1", address="a", private_key=sealed)
    host.refresh_from_db()

    assert host.private_key == sealed
    assert sealing.open_sealed(sealed) == "ssh-key ü"
    assert "ssh-key" not in f"{sealed} {sealed!r} {vars(host)}"
    settings.ESTIVA_SEALING_PRIVATE_KEY = ""  # type: ignore[attr-defined]
    with pytest.raises(ImproperlyConfigured):
        sealing.open_sealed(sealed)


def test_another_installation_s_key_opens_nothing(settings: object) -> None:
    sealed = sealing.seal("secret")
    settings.ESTIVA_SEALING_PRIVATE_KEY = sealing.new_key_pair()[1]  # type: ignore[attr-defined]

    with pytest.raises(sealing.CannotOpen):
        sealing.open_sealed(sealed)


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert sealing.seal("secret").cipher != sealing.seal("secret").cipher


def test_a_plain_text_is_never_stored_where_sealed_ones_are() -> None:
    with pytest.raises(TypeError):
        Host.objects.create(name="web-1", address="a", private_key="-----BEGIN OPENSSH PRIVATE KEY-----")


def test_fresh_keys_fit_their_settings() -> None:
    said = StringIO()
    call_command(keys.Command(), stdout=said)
    values = dict(line.split("=", 1) for line in said.getvalue().splitlines())

    assert set(values) == {
        "ESTIVA_SECRET_KEY",
        "ESTIVA_SEALING_PUBLIC_KEY",
        "ESTIVA_SEALING_PRIVATE_KEY",
        "ESTIVA_AUDIT_KEY",
        "ESTIVA_FIELD_KEY",
    }
    with patch.multiple(
        "django.conf.settings",
        ESTIVA_SEALING_PUBLIC_KEY=values["ESTIVA_SEALING_PUBLIC_KEY"],
        ESTIVA_SEALING_PRIVATE_KEY=values["ESTIVA_SEALING_PRIVATE_KEY"],
    ):
        assert sealing.open_sealed(sealing.seal("x")) == "x"


def test_the_states_are_whole() -> None:
    assert set(TARGET_MOVES) == set(TargetStatus)
    assert set(TargetStatus) == TARGET_OPEN | TARGET_ENDS
    assert not TARGET_OPEN & TARGET_ENDS
    assert TARGET_HELD < TARGET_OPEN
    assert all(not TARGET_MOVES[end] for end in TARGET_ENDS), "what ended stays so"
    assert set(OPERATION_MOVES) == set(OperationStatus)
    assert all(not OPERATION_MOVES[end] for end in OPERATION_ENDS)
