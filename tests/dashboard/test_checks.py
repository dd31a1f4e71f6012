"""Wrong settings speak at start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dashboard import checks
from deployments.sealing import new_key_pair
from parts.environment import throwaway

ROOT = Path(__file__).resolve().parents[2]


def found() -> set[str]:
    every = (checks.keys, checks.database_folder, checks.base_url, checks.redis_address)
    messages = [message for check in every for message in check()]
    assert all(message.hint for message in messages), "every message says what to do"
    return {str(message.id) for message in messages}


def test_the_tests_own_settings_are_fine() -> None:
    assert found() == set()


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("SECRET_KEY", "short", "estiva.E001"),
        ("SECRET_KEY", "a" * 60, "estiva.E001"),
        ("ESTIVA_AUDIT_KEY", "short", "estiva.E002"),
        ("ESTIVA_FIELD_KEY", "no key", "estiva.E003"),
        ("ESTIVA_SEALING_PUBLIC_KEY", "AAAA", "estiva.E004"),
        ("ESTIVA_SEALING_PUBLIC_KEY", "not base64!", "estiva.E004"),
        ("ESTIVA_SEALING_PRIVATE_KEY", "AAAA", "estiva.E005"),
        pytest.param("ESTIVA_SEALING_PRIVATE_KEY", new_key_pair()[1], "estiva.E006", id="another private key"),
        ("ESTIVA_BASE_URL", "deploy.example.com", "estiva.E009"),
        ("ESTIVA_BASE_URL", "http://127.0.0.1/estiva", "estiva.E010"),
        ("ESTIVA_BASE_URL", "https://deploy.example.com", "estiva.E011"),
        ("ESTIVA_REDIS_URL", "amqp://localhost", "estiva.E013"),
        ("ESTIVA_REDIS_URL", "", "estiva.E013"),
        ("ESTIVA_LIVE_REDIS_URL", "localhost:6379", "estiva.E013"),
    ],
)
def test_a_wrong_setting(settings: Any, setting: str, value: str, expected: str) -> None:
    setattr(settings, setting, value)
    assert found() == {expected}


def test_the_web_needs_no_private_key(settings: Any) -> None:
    settings.ESTIVA_SEALING_PRIVATE_KEY = ""
    assert found() == set()


def test_plain_http_beyond_this_machine_is_warned_of(settings: Any) -> None:
    settings.ESTIVA_BASE_URL = "http://deploy.example.com"
    settings.ALLOWED_HOSTS = ["deploy.example.com"]
    assert found() == {"estiva.W001"}
    settings.DEBUG = True
    assert found() == {"estiva.W001", "estiva.E012"}


@pytest.mark.parametrize("pattern", ["*", ".example.com", "deploy.example.com"])
def test_hosts_by_pattern(settings: Any, pattern: str) -> None:
    settings.ESTIVA_BASE_URL = "https://deploy.example.com"
    settings.ALLOWED_HOSTS = [pattern]
    assert found() == set()


def test_the_databases_folder(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "missing" / "estiva.sqlite3")}
    monkeypatch.setitem(settings.DATABASES, "default", database)
    assert found() == {"estiva.E007"}
    (tmp_path / "missing").mkdir()
    assert found() == set()


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return python("manage.py", *arguments, **environment)


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, *arguments]
    return subprocess.run(
        argv, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("entry", ["dashboard.asgi", "worker.celery"])
def test_no_process_serves_with_wrong_settings(tmp_path: Path, entry: str) -> None:
    good = throwaway(tmp_path)
    assert python("-c", f"import {entry}", **good).returncode == 0
    done = python("-c", f"import {entry}", **{**good, "ESTIVA_SEALING_PUBLIC_KEY": "AAAA"})
    assert done.returncode != 0
    assert "ESTIVA_SEALING_PUBLIC_KEY is no key" in done.stderr
    assert "manage.py keys" in done.stderr


def _production(folder: Path) -> dict[str, str]:
    return {
        **throwaway(folder),
        "ESTIVA_BASE_URL": "https://deploy.example.com",
        "ESTIVA_ALLOWED_HOSTS": "deploy.example.com",
        "ESTIVA_TRUSTED_PROXIES": "1",
    }


@pytest.mark.parametrize("subdomains", ["0", "1"])
def test_check_deploy_is_clean_behind_https(tmp_path: Path, subdomains: str) -> None:
    production = {**_production(tmp_path), "ESTIVA_HSTS_SUBDOMAINS": subdomains}
    done = manage("check", "--deploy", "--fail-level", "WARNING", **production)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("chosen", "header"),
    [
        ({}, "max-age=31536000"),
        ({"ESTIVA_HSTS_SUBDOMAINS": "1"}, "max-age=31536000; includeSubDomains"),
        ({"ESTIVA_HSTS_PRELOAD": "1"}, "max-age=31536000; includeSubDomains; preload"),
    ],
)
def test_neighbouring_host_names_are_bound_only_when_asked(tmp_path: Path, chosen: dict[str, str], header: str) -> None:
    script = (
        "import django; django.setup()\n"
        "from django.middleware.security import SecurityMiddleware\n"
        "from django.http import HttpResponse\n"
        "from django.test import RequestFactory\n"
        "answer = SecurityMiddleware(lambda request: HttpResponse())(RequestFactory().get('/readyz', secure=True, "
        "headers={'host': 'deploy.example.com', 'x-forwarded-proto': 'https'}))\n"
        "print(answer.headers['Strict-Transport-Security'])"
    )
    done = python("-c", script, **{**_production(tmp_path), **chosen})
    assert done.stdout.strip() == header, done.stderr


def test_a_wrong_key_stops_the_program(tmp_path: Path) -> None:
    done = manage("check", **{**throwaway(tmp_path), "ESTIVA_SEALING_PUBLIC_KEY": "AAAA"})
    assert done.returncode != 0
    assert "ESTIVA_SEALING_PUBLIC_KEY is no key" in done.stderr
    assert "manage.py keys" in done.stderr
