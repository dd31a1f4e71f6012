"""Variables: byte for byte, and a secret never comes back."""

import pytest
from django.test import Client
from django.utils.html import escape
from hypothesis import given
from hypothesis import strategies as some

from dashboard.forms.variables import VariableForm
from deployments.models import AuditEntry, Placement, SecretVersion, User, Variable
from tests import factories as make

pytestmark = pytest.mark.django_db

PATH = "/applications/storefront/staging/variables"
SECRET = "sk_live_topsecret"


@pytest.fixture
def ana() -> User:
    return make.ana()


@pytest.fixture
def as_ana(ana: User, client: Client) -> Client:
    client.force_login(ana)
    return client


@pytest.fixture
def placement() -> Placement:
    return make.placement(make.application("storefront"))


def as_browser(text: str) -> str:
    """Line breaks as every browser sends them."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


@pytest.mark.parametrize(
    "value",
    [
        "",
        " around ",
        "one\ntwo\n",
        "\n\nlate",
        "$HOME `id` \\ \"q\" 'q' # no comment",
        '{"a": [1]}',
        "Olá, 世界 🛳",
        "=a=b",
    ],
)
def test_a_value_is_kept_byte_for_byte(as_ana: Client, placement: Placement, value: str) -> None:
    answer = as_ana.post(PATH, {"name": "VALUE", "value": as_browser(value)})
    assert answer.status_code == 302
    assert Variable.objects.get(placement=placement).value == value


@given(some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\x00\r")))
def test_no_text_is_changed_on_its_way_in(value: str) -> None:
    form = VariableForm({"name": "VALUE", "value": as_browser(value)})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["value"] == value


def test_what_is_shown_for_changing_and_sent_back_changes_nothing(as_ana: Client, placement: Placement) -> None:
    make.variable(placement, "VALUE", "one\r\ntwo\rthree")
    answer = as_ana.post(f"{PATH}?edit=VALUE", {"name": "VALUE", "value": as_browser("one\r\ntwo\rthree")})
    assert answer.status_code == 302
    assert Variable.objects.get().value == "one\r\ntwo\rthree", (
        "a text field can't hold these, so they were not touched"
    )


def test_a_leading_line_break_survives_the_form(as_ana: Client, placement: Placement) -> None:
    make.variable(placement, "VALUE", "\nsecond")
    text = as_ana.get(f"{PATH}?edit=VALUE").content.decode()
    assert ">\n\nsecond</textarea>" in text, "browsers drop the first line break of a text field"


def test_a_secret_is_never_shown_again(as_ana: Client, placement: Placement) -> None:
    as_ana.post(PATH, {"name": "STRIPE_KEY", "value": SECRET, "is_secret": "on"})
    pages = (PATH, f"{PATH}?edit=STRIPE_KEY", f"{PATH}/export", "/applications/storefront/staging/", f"{PATH}/import")
    for path in pages:
        answer = as_ana.get(path)
        assert answer.status_code == 200
        assert SECRET not in answer.content.decode()
    assert SECRET not in str(list(AuditEntry.objects.values()))
    assert Variable.objects.get().value == ""
    assert SecretVersion.objects.get().sealed is not None


def test_a_secret_that_was_refused_is_not_sent_back_as_plain_text_elsewhere(
    as_ana: Client, placement: Placement
) -> None:
    make.variable(placement, "STRIPE_KEY", SECRET, secret=True)
    answer = as_ana.post(f"{PATH}?edit=STRIPE_KEY", {"name": "STRIPE_KEY", "value": "", "is_secret": "on"})
    assert answer.status_code == 422
    assert "A secret needs a value." in answer.content.decode()
    assert SecretVersion.objects.count() == 1


def test_a_secret_takes_a_new_version_and_stays_secret(as_ana: Client, placement: Placement) -> None:
    make.variable(placement, "STRIPE_KEY", SECRET, secret=True)
    as_ana.post(f"{PATH}?edit=STRIPE_KEY", {"name": "STRIPE_KEY", "value": "another", "is_secret": "on"})
    assert [version.number for version in SecretVersion.objects.order_by("number")] == [1, 2]
    answer = as_ana.post(f"{PATH}?edit=STRIPE_KEY", {"name": "STRIPE_KEY", "value": "plain"})
    assert answer.status_code == 422
    assert Variable.objects.get().is_secret


def test_a_short_secret_and_an_odd_name_are_warned_of(as_ana: Client, placement: Placement) -> None:
    text = as_ana.post(PATH, {"name": "odd-name", "value": "abc", "is_secret": "on"}, follow=True).content.decode()
    assert "so short that it can&#x27;t be masked" in text
    assert "shells and many programs only read names" in text


@pytest.mark.parametrize("name", ["", "A B", "A=B", "#A", "'A'"])
def test_an_impossible_name_is_refused_at_its_field(as_ana: Client, placement: Placement, name: str) -> None:
    answer = as_ana.post(PATH, {"name": name, "value": "kept as typed"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert 'id="id_name_error"' in text
    assert "kept as typed" in text


def test_adding_never_overwrites(as_ana: Client, placement: Placement) -> None:
    make.variable(placement, "VALUE", "first")
    assert as_ana.post(PATH, {"name": "VALUE", "value": "second"}).status_code == 422
    assert Variable.objects.get().value == "first"


def test_deleting_says_so_and_destroys_a_secrets_values(as_ana: Client, placement: Placement) -> None:
    make.variable(placement, "STRIPE_KEY", SECRET, secret=True)
    answer = as_ana.post(f"{PATH}/delete", {"name": "STRIPE_KEY"}, follow=True)
    assert "STRIPE_KEY is gone." in answer.content.decode()
    assert not Variable.objects.exists()
    assert SecretVersion.objects.get().sealed is None
    assert as_ana.get(f"{PATH}/delete").status_code == 405


@pytest.mark.parametrize("name", ["a/b", "..", "../..", "äb?#", "x&y;z"])
def test_any_name_that_docker_takes_is_shown_and_deleted(as_ana: Client, placement: Placement, name: str) -> None:
    make.variable(placement, name, "1")

    assert f'value="{escape(name)}"' in as_ana.get(PATH).content.decode()
    as_ana.post(f"{PATH}/delete", {"name": name})

    assert not Variable.objects.filter(name=name).exists()


def test_a_file_is_imported_whole_or_not_at_all(as_ana: Client, placement: Placement) -> None:
    broken = as_ana.post(f"{PATH}/import", {"text": "A=1\nB='open\n"})
    assert broken.status_code == 422
    assert "Line 2" in broken.content.decode()
    assert "B=&#x27;open" in broken.content.decode(), "what was typed is still there"
    assert not Variable.objects.exists()
    text = "A=1\r\nSTRIPE_KEY='it''s'\r\nSTRIPE_URL=u\r\n"
    assert as_ana.post(f"{PATH}/import", {"text": text}).status_code == 422
    good = as_ana.post(
        f"{PATH}/import",
        {"text": 'A=1\r\nSTRIPE_KEY="two\r\nlines"\r\nSTRIPE_URL=u', "secret_names": "STRIPE_*, NOT_THERE"},
        follow=True,
    )
    assert "3 variables changed: A, STRIPE_KEY, STRIPE_URL." in good.content.decode()
    assert dict(Variable.objects.values_list("name", "is_secret")) == {
        "A": False,
        "STRIPE_KEY": True,
        "STRIPE_URL": True,
    }
    again = as_ana.post(f"{PATH}/import", {"text": "A=1"}, follow=True)
    assert "Nothing differs." in again.content.decode()


def test_all_of_a_file_may_be_secret(as_ana: Client, placement: Placement) -> None:
    as_ana.post(f"{PATH}/import", {"text": "A=one\nB=two", "all_secret": "on"})
    assert all(variable.is_secret for variable in Variable.objects.all())


def test_an_export_names_secrets_and_gives_the_rest(as_ana: Client, placement: Placement) -> None:
    make.variable(placement, "GREETING", "it's\n$5")
    make.variable(placement, "STRIPE_KEY", SECRET, secret=True)
    answer = as_ana.get(f"{PATH}/export")
    text = answer.content.decode()
    assert answer["Content-Disposition"] == 'attachment; filename="storefront-staging.env"'
    assert "STRIPE_KEY is a secret" in text
    as_ana.post(f"{PATH}/delete", {"name": "GREETING"})
    as_ana.post(f"{PATH}/import", {"text": as_browser(text)})
    assert Variable.objects.get(name="GREETING").value == "it's\n$5"


def test_who_may_look_and_who_may_change(client: Client, placement: Placement) -> None:
    make.variable(placement, "CART_V2", "on")
    client.force_login(make.bruno(placement))
    assert client.post(PATH, {"name": "BRUNO", "value": "was here"}).status_code == 302
    client.force_login(make.carla())
    text = client.get(PATH).content.decode()
    assert "CART_V2" in text
    assert "Add a variable" not in text
    for path in (PATH, f"{PATH}/import", f"{PATH}/delete"):
        assert client.post(path, {"name": "X", "value": "1", "text": "X=1"}).status_code == 403
    client.force_login(make.dora())
    for path in (PATH, f"{PATH}/import", f"{PATH}/export"):
        assert client.get(path).status_code == 404
    assert Variable.objects.filter(name="X").count() == 0
