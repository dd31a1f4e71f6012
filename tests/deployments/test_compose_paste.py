"""A pasted compose file: its services as containers, its mistakes with their lines."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import container_settings
from deployments.compose_paste import MOST_CHARACTERS, ComposeService, read_compose
from deployments.run_line import Build, Variable
from deployments.yaml_lines import YamlError

SHOP = """\
version: "3.8"
name: shop
x-common: &common
  restart: on-failure:3
  stop_grace_period: 1m30s
services:
  web:
    <<: *common
    image: registry.example.com/shop:2
    container_name: shop
    ports:
      - 22:22
      - "127.0.0.1:8080:80"
      - target: 53
        published: "5353"
        protocol: udp
        mode: host
    environment:
      - FLASK_ENV=production
      - DB_PASSWORD=hunter22
      - PRICE=$$5
      - HOST=${HOST:-localhost}
      - TOKEN
    command: gunicorn -w 4 'app:make()'
    entrypoint: ["/bin/tini", "--"]
    mem_limit: 512m
    user: 1000:1000
    deploy:
      replicas: 2
      resources:
        limits:
          cpus: "0.5"
    volumes:
      - data:/data:ro
      - ./src:/src
      - {type: volume, source: kept, target: /kept}
    depends_on: [db]
    healthcheck:
      test: curl -f http://localhost
  db:
    build:
      context: ./db
      target: prod
      args:
        VERSION: "15"
      ssh: default
    environment:
      DEBUG: on
      PORT: 5432
      EMPTY: ""
      FROM_HERE:
volumes:
  data:
  kept:
    name: kept
    driver: nfs
networks:
  back: {}
"""


@pytest.fixture
def web() -> ComposeService:
    service = read_compose(SHOP).service("web")
    assert service is not None
    return service


def test_what_fits(web: ComposeService) -> None:
    assert web.image == "registry.example.com/shop:2"
    assert web.settings == {
        "restart": "on-failure",
        "restart_retries": "3",
        "stop_timeout": 90,
        "ports": [
            {"container_port": 22, "host_port": 22, "protocol": "tcp"},
            {"container_port": 80, "host_port": 8080, "host_address": "127.0.0.1", "protocol": "tcp"},
            {"container_port": 53, "host_port": 5353, "protocol": "udp"},
        ],
        "command": ["gunicorn", "-w", "4", "app:make()"],
        "entrypoint": ["/bin/tini", "--"],
        "memory": "512m",
        "cpus": "0.5",
        "user": "1000:1000",
        "volumes": [
            {"name": "data", "path": "/data", "read_only": True},
            {"name": "kept", "path": "/kept", "read_only": False},
        ],
        "network_aliases": ["web"],
        "health": {"kind": "command", "command": ["/bin/sh", "-c", "curl -f http://localhost"]},
    }
    assert web.variables == (
        Variable("FLASK_ENV", "production", is_secret=False),
        Variable("DB_PASSWORD", "hunter22", is_secret=True),
        Variable("PRICE", "$5", is_secret=False),
        Variable("HOST", "", is_secret=False, needs_value=True),
        Variable("TOKEN", "", is_secret=True, needs_value=True),
    )


def test_what_does_not_is_listed_by_line(web: ComposeService) -> None:
    assert [(note.line, note.text) for note in web.not_understood] == [
        (22, "environment: HOST"),
        (23, "environment: TOKEN"),
        (29, "deploy: replicas"),
        (34, "volumes: data:/data:ro"),
        (35, "volumes: ./src:/src"),
        (37, "depends_on"),
    ]
    assert "shop_data" in web.not_understood[3].why
    assert [note.text for note in web.left_out] == ["container_name: shop", "web"]
    paste = read_compose(SHOP)
    assert [(note.line, note.text) for note in paste.notes] == [(57, "networks"), (55, "volumes: kept: driver")]
    assert [note.text for note in paste.left_out] == ["version", "name", "x-common"]


def test_a_service_that_is_built() -> None:
    db = read_compose(SHOP).service("db")
    assert db is not None
    assert (db.image, db.build) == ("", Build(context="./db", target="prod", args=(("VERSION", "15"),)))
    assert [note.text for note in db.not_understood] == ["build: ssh", "environment: FROM_HERE"]
    assert [(each.name, each.value) for each in db.variables] == [
        ("DEBUG", "on"),
        ("PORT", "5432"),
        ("EMPTY", ""),
        ("FROM_HERE", ""),
    ]


BILLION = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x]"]
    + [f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]" for before, name in ("ab", "bc", "cd", "de")]
)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "nothing"),
        ("# only words\n", 1, "nothing"),
        ("- a", 1, "begin with a name"),
        ("web:\n  image: nginx", 1, "services:"),
        ("x: 1", 1, "services:"),
        ("services:\n", 1, "no service"),
        ("services:\n  web: nginx", 2, "group of settings"),
        ("services:\n\tweb:\n", 2, "tab"),
        ("services:\n  web:\n    image: a\n    image: b\n", 4, "line 3"),
        ("services:\n  web:\n    image: 'a\n", 4, "YAML"),
        ("services:\n  web:\n   image: a\n  b: c: d\n", 4, "YAML"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("services: !!python/object/apply:os.system ['x']", 1, "!!python"),
        ("services:\n  web:\n    ports: !reset []", 3, "!reset"),
        ("services: *nobody", 1, "YAML"),
        ("a: &a [*a]", 1, "itself"),
        ("services: \x00", 1, "invisible"),
        ("[" * 3000, 1, "nested"),
        ("a: " + "[" * 60 + "]" * 60, 1, "nested"),
        (BILLION, 1, "too much"),
        ("x" * (MOST_CHARACTERS + 1), 1, "longer than"),
        ("? [a]\n: b", 1, "plain word"),
        ("services:\n  web:\n    <<: [1]", 3, "merged"),
    ],
)  # fmt: skip
def test_mistakes_have_lines(text: str, line: int, words: str) -> None:
    with pytest.raises(YamlError) as caught:
        read_compose(text)
    assert words in str(caught.value)
    assert caught.value.problems[0].line == line


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("image: Shop", "lowercase"),
        ("image: shop:${TAG}", "${TAG}"),
        ("image: [a]", "not how it is written"),
        ("ports: [http]", "no port"),
        ("ports: ['${PORT}:80']", "${PORT}"),
        ("ports: [{target: 80, size: 1}]", "no such option of a port"),
        ("command: echo 'x", "never closed"),
        ("command: []", "take away"),
        ("command: {a: b}", "not how it is written"),
        ("restart: sometimes", "Choose one of"),
        ("stop_grace_period: soon", "30s"),
        ("mem_limit: 1k", "no less"),
        ("environment: ['=x']", "name is missing"),
        ("environment: {A: [1]}", "not how it is written"),
        ("deploy: {resources: {limits: {gpus: 1}}}", "no such limit"),
        ("volumes: ['./srv:/data']", "machine where this ran"),
        ("volumes: [{type: bind, source: srv, target: /data}]", "machine where this ran"),
        ("volumes: [{type: image, source: srv, target: /data}]", "type image"),
        ("network_mode: service:db", "another container"),
        ("healthcheck: {interval: 5s}", "in the image"),
        ("healthcheck: {test: [RUN, a]}", "not how it is written"),
        ("healthcheck: {test: a, interval: soon}", "30s"),
        ("healthcheck: {test: a, start_interval: 5s}", "no such part"),
        ("labels: [estiva.x=1]", "own"),
        ("labels: {'com.docker.compose.project': x}", "own"),
        ("ulimits: [nofile]", "not how it is written"),
        ("ulimits: {nofile: {hard: 5}}", "nofile=1024:2048"),
        ("logging: {driver: pigeon}", "Choose one of"),
        ("cap_add: [[a]]", "not how it is written"),
        ("pid: service:db", "Choose one of"),
        ("sysctls: {a: [[1]]}", "not how it is written"),
        ("blkio_config: {weight: 5}", "10 to 1000"),
        ("frobnicate: true", "no such setting"),
    ],
)
def test_what_a_service_can_not_have(service: str, reason: str) -> None:
    (web,) = read_compose(f"services:\n  web:\n    {service}\n").services
    assert any(reason in note.why and note.line == 3 for note in web.not_understood), web.not_understood


OPTIONS = """
services:
  web:
    image: shop:2
    privileged: true
    init: false
    working_dir: /app
    hostname: web
    memswap_limit: 2g
    mem_limit: 1g
    deploy: {resources: {limits: {pids: 5}}}
    cap_add: [NET_ADMIN]
    dns: 10.0.0.53
    dns_search: [a.test, b.test]
    labels: {team: web, price: $$5, empty: }
    sysctls: {net.core.somaxconn: 5}
    extra_hosts: {db: 10.0.0.1}
    tmpfs: /run:size=1m
    ulimits: {nofile: {soft: 1, hard: 2}, core: 0}
    devices: ["/dev/a:/dev/b:r"]
    logging: {options: {max-size: 1m}}
    healthcheck: {test: [CMD, check, "a b"], interval: 1m, retries: 2}
    network_mode: none
    gpus: all
    blkio_config: {weight: 20}
    volumes:
      - /srv:/srv:ro
      - /only
      - {type: bind, source: /a, target: /a, bind: {propagation: rslave}}
      - {type: tmpfs, target: /t, tmpfs: {size: 4096}}
"""


def test_container_options() -> None:
    (web,) = read_compose(OPTIONS).services
    assert web.not_understood == ()
    assert web.settings == {
        "privileged": "true",
        "init": "false",
        "working_dir": "/app",
        "hostname": "web",
        "memory": "1g",
        "memory_swap": "2g",
        "pids_limit": "5",
        "cap_add": ["NET_ADMIN"],
        "dns": ["10.0.0.53"],
        "dns_search": ["a.test", "b.test"],
        "labels": ["team=web", "price=$5", "empty="],
        "sysctls": ["net.core.somaxconn=5"],
        "extra_hosts": ["db=10.0.0.1"],
        "tmpfs": [{"path": "/run", "size": "1m"}, {"path": "/t", "size": "4096"}],
        "ulimits": [{"name": "nofile", "soft": "1", "hard": "2"}, {"name": "core", "soft": "0", "hard": "0"}],
        "devices": [{"source": "/dev/a", "path": "/dev/b", "permissions": "r"}],
        "log_driver": "json-file",
        "log_options": ["max-size=1m"],
        "health": {"kind": "command", "command": ["check", "a b"], "interval": 60.0, "retries": "2"},
        "network_mode": "none",
        "gpus": "all",
        "blkio_weight": "20",
        "binds": [
            {"source": "/srv", "path": "/srv", "read_only": True},
            {"source": "/a", "path": "/a", "read_only": False, "propagation": "rslave"},
        ],
        "anonymous_volumes": ["/only"],
    }
    assert container_settings.normalise(web.settings)["labels"] == ["team=web", "price=$5", "empty="]


KEYS = st.sampled_from(
    [
        "healthcheck",
        "logging",
        "ulimits",
        "tmpfs",
        "labels",
        "devices",
        "network_mode",
        "blkio_config",
        "memswap_limit",
        "image",
        "build",
        "ports",
        "volumes",
        "environment",
        "command",
        "entrypoint",
        "restart",
        "deploy",
        "user",
        "mem_limit",
        "stop_grace_period",
        "networks",
        "x-a",
    ]
)
VALUES: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["80:80", "a:/b", "A=b", "${X}", "$$", "1h", "~"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["target", "published", "source", "type", "resources", "limits", "args", "memory", "a"]), inner, max_size=4),
    ),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_every_service_is_read_somehow(service: dict[str, Any]) -> None:
    (web,) = read_compose(json.dumps({"services": {"web": service}}, ensure_ascii=True)).services
    container_settings.normalise(web.settings)


@given(st.text(st.sampled_from(list("services: \n-[]{}&*!|>'\"#%@,?ab$~\t\x00é")), max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    with suppress(YamlError):
        read_compose(text)
