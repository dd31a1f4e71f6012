"""The form of a container's settings: every option goes through it, folded where nothing is set; powers are an admin's."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import pytest
from django.test import Client

from deployments import container_settings
from deployments.models import Placement
from tests import factories as make
from tests.every_option import OPTIONS, SETTINGS

SECTIONS = {"Command and lifecycle", "Storage", "Network", "Resources", "Rights", "Logging and labels"}
PATH = "/applications/storefront/staging/settings"


@pytest.fixture
def placement() -> Placement:
    return make.placement(make.application("storefront"), make.environment("staging"), [make.host("web-1")])


def as_typed(placement: Placement, settings: Mapping[str, Any]) -> dict[str, str]:
    """What a browser sends for these settings."""
    seat = placement.seats.get()
    sent = {"source": "image", "image": placement.image, "url": "", "keep_releases": "5", "hosts": str(seat.host_id)}
    sent["version"] = str(placement.version)
    for name, value in settings.items():
        sent |= _typed(f"settings.{name}", value)
    return sent


def _typed(path: str, value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {key: text for name, each in value.items() for key, text in _typed(f"{path}.{name}", each).items()}
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return {
            key: text for number, each in enumerate(value) for key, text in _typed(f"{path}.{number}", each).items()
        }
    if isinstance(value, list):
        return {path: "\r\n".join(value)}
    return {path: "on" if value is True else "" if value is None or value is False else str(value)}


def folds(text: str) -> dict[str, bool]:
    """The sections, and whether they are open."""
    found = re.findall(r'<details class="section"( open)?>\s*<summary><span class="section-name">([^<]*)', text)
    return {unescape(name): bool(is_open) for is_open, name in found}


@pytest.mark.django_db
def test_every_option_goes_through_the_form_and_back(client: Client, placement: Placement) -> None:
    client.force_login(make.ana())
    bare = client.get(PATH).content.decode()
    assert set(folds(bare).values()) == {False}
    assert set(folds(bare)) >= SECTIONS
    answer = client.post(PATH, as_typed(placement, SETTINGS))
    assert answer.status_code == 302, answer.content.decode()
    placement.refresh_from_db()
    assert placement.settings == container_settings.normalise(SETTINGS)
    text = client.get(PATH).content.decode()
    assert {name for name, is_open in folds(text).items() if is_open} >= SECTIONS
    again = client.post(PATH, as_typed(placement, placement.settings))
    assert again.status_code == 302
    version = placement.version
    placement.refresh_from_db()
    assert (placement.settings, placement.version) == (container_settings.normalise(SETTINGS), version)


@pytest.mark.django_db
def test_a_power_is_refused_at_its_field_and_its_section_opens(client: Client, placement: Placement) -> None:
    client.force_login(make.bruno(placement))
    typed = as_typed(placement, {"cap_add": ["NET_ADMIN"], "binds": [{"source": "/etc", "path": "/a"}], "tmpfs": []})
    answer = client.post(PATH, typed)
    assert answer.status_code == 422
    text = unescape(answer.content.decode())
    assert {name for name, is_open in folds(text).items() if is_open} == {"Storage", "Rights"}
    assert text.count("Only an admin may set this") == 2
    assert 'id="id_settings_binds_0_source_error"' in text
    placement.refresh_from_db()
    assert not set(placement.settings) & set(OPTIONS)


@pytest.mark.django_db
def test_what_cannot_be_is_said_at_its_field(client: Client, placement: Placement) -> None:
    client.force_login(make.ana())
    typed = as_typed(placement, {"dns": ["10.0.0.1", "nowhere"], "binds": [{"source": "srv", "path": "/a"}]})
    text = unescape(client.post(PATH, typed).content.decode())
    assert "2: Write an address" in text
    assert "Write a full path of the server" in text
    assert {name for name, is_open in folds(text).items() if is_open} == {"Network", "Storage"}
    typed = as_typed(placement, {"ulimits": [{"name": "nofile", "soft": 9, "hard": 1}]})
    assert "The soft limit can't be above the hard one." in unescape(client.post(PATH, typed).content.decode())
