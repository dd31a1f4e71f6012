"""docker-compose.yml and the systemd units say what docs/install.md and docs/security.md promise of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from parts import secret_files, trial_images
from parts.engine26 import ComposeCli
from parts.environment import ROOT
from parts.processes import PartError, run
from parts.trial_person import TICKED, Page

UNITS = sorted((ROOT / "docs/systemd").glob("*.service"))
PRIVATE_KEY = "ESTIVA_SEALING_PRIVATE_KEY"
PRINTED = "".join(f"{name}=value of {name}=\n" for name in secret_files.KEYS)
OURS = ("migrate", "web", "worker", "looker", "reconciler")


def test_the_secrets_files_are_for_containers_and_their_owner(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    names = secret_files.write(folder, secret_files.read(PRINTED.splitlines()))
    assert names == sorted(path.name for path in folder.iterdir())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
    assert (folder / "ESTIVA_AUDIT_KEY").read_text() == "value of ESTIVA_AUDIT_KEY="
    for name, within in (("POSTGRES_PASSWORD", "ESTIVA_DATABASE_URL"), ("REDIS_PASSWORD", "ESTIVA_REDIS_URL")):
        assert f":{(folder / name).read_text()}@" in (folder / within).read_text()


def test_keys_in_use_are_never_overwritten(tmp_path: Path) -> None:
    keys = secret_files.read(PRINTED.splitlines())
    secret_files.write(tmp_path / "secrets", keys)
    (tmp_path / "secrets/REDIS_PASSWORD").unlink()
    before = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    with pytest.raises(PartError, match="already"):
        secret_files.write(tmp_path / "secrets", keys)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == before


def test_a_failed_keys_command_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"ESTIVA_SECRET_KEY, .*ESTIVA_FIELD_KEY"):
        secret_files.main([str(tmp_path / "secrets")], ["Unable to find image 'estiva:local'"], tmp_path)
    assert not (tmp_path / "secrets").exists()


@pytest.fixture(scope="session")
def resolved(compose_cli: ComposeCli, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """docker-compose.yml as Compose understands it with .env.example as it comes."""
    folder = tmp_path_factory.mktemp("compose")
    shutil.copy(ROOT / ".env.example", folder / ".env")
    argv = [str(compose_cli.program), "compose", "--file", str(ROOT / "docker-compose.yml")]
    argv += ["--env-file", str(folder / ".env"), "config", "--format", "json"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ESTIVA_", "COMPOSE_"))}
    env = {**kept, **compose_cli.variables}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.real
def test_every_container_is_held_tight(resolved: dict[str, Any]) -> None:
    assert set(resolved["services"]) == {"postgres", "redis", "caddy", *OURS}
    for name, service in resolved["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["init"], name
        assert set(service["deploy"]["resources"]["limits"]) == {"memory", "pids"}, name
        assert service["logging"]["options"]["max-size"], name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else []), name
        assert "healthcheck" in service or name in ("migrate", "caddy"), name
        assert re.search(r":\d+\.\d+\.?\d*(-|$)|:local$", service["image"]), service["image"]


@pytest.mark.real
def test_the_data_is_published_nowhere(resolved: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in resolved["services"].items() if "ports" in service}
    assert set(published) == {"web", "caddy"}
    assert [port["host_ip"] for port in published["web"]] == ["127.0.0.1"]
    assert resolved["networks"]["data"]["internal"]
    for name in ("postgres", "redis"):
        assert list(resolved["services"][name]["networks"]) == ["data"]
        assert resolved["services"][name]["user"] == "999:999"
    assert list(resolved["services"]["caddy"]["networks"]) == ["default"]


@pytest.mark.real
def test_secrets_are_files_and_only_workers_open_what_is_sealed(resolved: dict[str, Any]) -> None:
    for name in OURS:
        service = resolved["services"][name]
        mounted = {each["source"] for each in service["secrets"]}
        assert (PRIVATE_KEY in mounted) == (name in ("worker", "looker")), name
        assert {f"{each}_FILE" for each in mounted} <= set(service["environment"]), name
        assert not {each for each in mounted if service["environment"].get(each)}, name
    written = {*secret_files.KEYS, "POSTGRES_PASSWORD", "REDIS_PASSWORD", "ESTIVA_DATABASE_URL", "ESTIVA_REDIS_URL"}
    assert set(resolved["secrets"]) == written
    assert {Path(each["file"]).name for each in resolved["secrets"].values()} == written


@pytest.mark.real
def test_one_image_is_built_once(resolved: dict[str, Any]) -> None:
    assert {resolved["services"][name]["image"] for name in OURS} == {"estiva:local"}
    assert [name for name, service in resolved["services"].items() if "build" in service] == ["migrate"]


def test_every_public_image_has_a_stand_in() -> None:
    named = {f"{name}:{tag}" for name, tag in trial_images._named(ROOT)}
    text = (ROOT / "docker-compose.yml").read_text() + (ROOT / "Dockerfile").read_text()
    public = {each for each in re.findall(r"^ *(?:image:|FROM) +(\S+)", text, re.MULTILINE) if not each.startswith("$")}
    assert named == public
    assert {each.partition(":")[0] for each in named} == set(trial_images.IMAGES)


def installed(unit: Path, folder: Path) -> Path:
    """The unit as it would be on a machine where Estiva lies in `folder`: systemd wants the programs to be there."""
    name = unit.name.replace("@.", "@deploy.")
    program = re.search("^ExecStart=(/opt/estiva/[^ ]+)", unit.read_text(), re.MULTILINE)
    assert program
    place = folder / program[1].lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("#!/bin/sh\n")
    place.chmod(0o755)
    (folder / name).write_text(unit.read_text().replace("/opt/estiva", f"{folder}/opt/estiva"))
    return folder / name


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_the_units_and_finds_them_tight(unit: Path, tmp_path: Path) -> None:
    file = installed(unit, tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "estiva" in line]) == (0, [])
    run(["systemd-analyze", "security", "--offline=true", "--threshold=20", str(file)])  # of 100


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_load_what_is_written_and_no_more_than_they_need(unit: Path) -> None:
    text = unit.read_text()
    loaded = set(re.findall(r"^LoadCredential=(\w+):/etc/estiva/secrets/\1$", text, re.MULTILINE))
    assert loaded == set(re.findall(r"^Environment=(\w+)_FILE=%d/\1$", text, re.MULTILINE))
    common = {*secret_files.KEYS, "ESTIVA_DATABASE_URL", "ESTIVA_REDIS_URL"} - {PRIVATE_KEY}
    assert loaded == (common | {PRIVATE_KEY} if "worker" in unit.name else common)


def test_compose_and_systemd_start_the_same_programs() -> None:
    """Words apart that differ for a reason: where the web listens, and the queue that is the unit's instance."""
    compose = json.loads(json.dumps((ROOT / "docker-compose.yml").read_text()))
    worker = next(unit for unit in UNITS if "worker" in unit.name).read_text()
    for queue in ("deploy", "look"):
        words = re.search(rf'\["celery", [^\]]*"{queue}"[^\]]*\]', compose)
        assert words
        command = " ".join(json.loads(words[0])).replace("%h", "%%h")
        assert f"/opt/estiva/.venv/bin/{command}" in worker.replace("%i", queue)
    dockerfile = (ROOT / "Dockerfile").read_text()
    web = next(unit for unit in UNITS if "web" in unit.name).read_text()
    gunicorn = " ".join(json.loads(re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)[0]))
    assert gunicorn.replace("0.0.0.0:", "127.0.0.1:") in web


def test_the_docs_name_commands_that_exist() -> None:
    commands = {path.stem for path in ROOT.glob("*/management/commands/*.py")} | {"migrate", "check", "collectstatic"}
    for page in ("install.md", "operations.md"):
        named = set(re.findall(r"manage\.py (\w+)", (ROOT / "docs" / page).read_text()))
        assert named, page
        assert named <= commands, page


FORM = """<form action="save"><input name="a" value="1"><input type="checkbox" name="b" value="yes">
<input type="radio" name="c" value="x"><input type="radio" name="c" value="y" checked><textarea name="d">
kept &amp; lines</textarea><select name="e"><option value="1">one<option value="2" selected>two</select>
<template><input name="never" value="1"></template><input name="f" disabled value="1"><button name="g">Go</button></form>"""


def test_the_trials_person_sends_a_form_as_a_browser_does() -> None:
    form = Page("/place/", FORM).form("/place/save")
    assert form.filled({}) == [("a", "1"), ("c", "y"), ("d", "kept & lines"), ("e", "2")]
    assert form.filled({"a": "2", "b": TICKED, "d": None}) == [("c", "y"), ("e", "2"), ("a", "2"), ("b", "yes")]
    with pytest.raises(PartError, match="no field never"):
        form.filled({"never": "1"})
