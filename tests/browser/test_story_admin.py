"""The story's first part: an admin sets Estiva up, registers a server, and describes an application."""

import re

from playwright.sync_api import expect

from tests.browser.story import ADMIN, APPLICATION, PASSWORD, SECRET, SERVER, Story, address
from tests.browser.visitor import PATIENCE


def test_the_printed_link_makes_the_first_admin(story: Story) -> None:
    marta = story.people[ADMIN] = story.visitor()
    marta.go("/")
    expect(marta.page).to_have_url(re.compile("/account/login"))  # nobody becomes admin by visiting first
    marta.go(story.estiva.setup_link)
    marta.fill(name=ADMIN, email="marta@harbour.example", password=PASSWORD)
    marta.press("Become the admin")
    marta.reads("First steps", "Add a server")

    stranger = story.visitor()
    with stranger.forgiving("404", "410"):
        stranger.go(story.estiva.setup_link)
        stranger.reads("This link is used or over")
    stranger.close()


def test_environments_are_named(story: Story) -> None:
    marta = story.admin
    for name, position in (("staging", "1"), ("production", "2")):
        marta.go("/environments/new")
        marta.fill(name=name, position=position)
        marta.page.locator('[name="is_production"]').set_checked(name == "production")
        marta.press("Create")
        marta.page.wait_for_url("**/environments/")
        marta.reads(name)


def test_a_server_is_registered_and_shows_its_key(story: Story) -> None:
    marta, server = story.admin, story.estiva.server
    marta.go("/")
    marta.press("Add server")
    marta.fill(name=SERVER, address=server.sshd.address, port="1", user=server.sshd.user)
    marta.fill(docker_socket=str(server.socket))
    marta.fill(port=str(server.sshd.port))
    marta.press("Add and look at it")
    marta.page.wait_for_url(f"**/servers/{SERVER}/")
    marta.mark()
    marta.reads("Is this its key?", server.sshd.fingerprint())
    assert marta.is_marked()


def test_another_servers_key_is_not_taken_for_it(story: Story) -> None:
    marta = story.admin
    line = "256 SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA root@elsewhere (ED25519)"
    marta.fill(pasted=line)
    with marta.forgiving("422"), marta.page.expect_response("**/events?*"):
        marta.press("It matches, trust this key")
    expect(marta.page.locator("#trust-form .error, #trust-form .note.bad").first).to_be_visible()
    expect(marta.page.locator('[name="pasted"]')).to_have_value(line)


def test_the_server_becomes_ready_before_everybodys_eyes(story: Story) -> None:
    marta, server = story.admin, story.estiva.server
    marta.go(f"/servers/{SERVER}/")
    server.sshd.authorize(marta.page.locator("#authorized-line").inner_text())
    watching = story.another_of(ADMIN)
    watching.go(f"/servers/{SERVER}/")
    watching.mark()
    marta.fill(pasted=f"256 {server.sshd.fingerprint()} root@harbour (ED25519)")
    marta.press("It matches, trust this key")
    watching.state("Ready")
    watching.reads("linux/amd64")
    assert watching.is_marked()
    watching.close()
    marta.state("Ready")


def test_an_application_is_described(story: Story) -> None:
    marta, server = story.admin, story.estiva.server
    marta.go("/")
    marta.press("New application")
    marta.fill(name=APPLICATION, description="Shows ships the way in", image=f"{server.image}:1")
    marta.fill(url=story.estiva.application_url)
    marta.page.get_by_role("radio", name="production").check()
    marta.page.get_by_role("checkbox", name=re.compile(SERVER)).check()
    ports = marta.page.locator('[data-rows="settings.ports"]')
    ports.get_by_label("Container port").fill("5000")
    ports.get_by_label("Server port").fill(str(server.application_port))
    ports.get_by_label("Server address").fill("127.0.0.1")
    marta.page.locator('[name="settings.health.kind"]').select_option("http")
    marta.fill(settings__health__path="/healthz", settings__health__port="5000", settings__health__deadline="20")
    marta.press("Save application")
    marta.page.wait_for_url(f"**{address('production')}")
    marta.reads(APPLICATION)


def test_what_is_wrong_is_said_at_its_field(story: Story) -> None:
    marta = story.admin
    marta.go(f"{address('production')}settings")
    marta.fill(image="HTTP://not an image")
    with marta.forgiving("422"):
        marta.press("Save settings")
        expect(marta.page.locator("#id_image_error")).to_be_visible()
    assert marta.page.locator("#id_image").input_value() == "HTTP://not an image"


def test_variables_and_a_secret_are_set(story: Story) -> None:
    marta = story.admin
    marta.go(f"{address('production')}variables")
    for name, value, is_secret in (
        ("SAMPLE_GREETING", "Lamps are lit.", False),
        ("SAMPLE_BEHAVIOUR", "slow_start", False),
        ("KEEPER_TOKEN", SECRET, True),
    ):
        marta.fill(name=name, value=value)
        marta.page.locator('[name="is_secret"]').set_checked(is_secret)
        marta.press("Add", exact=True)
        expect(marta.page.locator("table.variables")).to_contain_text(name, timeout=PATIENCE)
    assert SECRET not in marta.page.content()
