"""A pasted docker run line: what is read, what is listed, and that nothing is lost or run."""

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import container_settings
from deployments.run_line import MOST_CHARACTERS, Build, Repository, RunLine, Variable, read_run_line
from deployments.run_line.flags import RUN


def port(container: int, host: int | None, **more: Any) -> dict[str, Any]:
    return {"container_port": container, "host_port": host, "protocol": "tcp", **more}


def puzzles(line: RunLine) -> list[str]:
    return [note.text for note in line.not_understood]


def test_the_line_everybody_begins_with() -> None:
    line = read_run_line("docker run -p 5000:5000 python-web-app")
    assert line.image == "python-web-app"
    assert line.settings == {"ports": [port(5000, 5000)]}
    assert (line.not_understood, line.left_out, line.variables) == ((), (), ())


@pytest.mark.parametrize(
    "text",
    [
        "docker run -p 80:8000 nginx",
        "docker run -p80:8000 nginx",
        "docker run -p=80:8000 nginx",
        "docker run --publish 80:8000 nginx",
        "docker run --publish=80:8000 nginx",
        "docker run --publish='80:8000' \"nginx\"",
        "docker run -p $'80:8000' ngi''nx",
        "docker run -p “80:8000” nginx",
        "docker run –publish 80:8000 nginx",
        "docker run —publish=80:8000 nginx",
        "docker run –p 80:8000 nginx",
        "docker run -dp 80:8000 nginx",
        "docker run -itdp80:8000 nginx",
        "docker container run -p 80:8000 nginx",
        "docker container create -p 80:8000 nginx",
        "docker -H ssh://server run -p 80:8000 nginx",
        "podman run -p 80:8000 nginx",
        "nerdctl run -p 80:8000 nginx",
        "/usr/bin/docker run -p 80:8000 nginx",
        "docker.exe run -p 80:8000 nginx",
        "sudo docker run -p 80:8000 nginx",
        "sudo -E -u root docker run -p 80:8000 nginx",
        "DOCKER_HOST=tcp://x docker run -p 80:8000 nginx",
        "winpty docker run -p 80:8000 nginx",
        "$ docker run -p 80:8000 nginx",
        "# docker run -p 80:8000 nginx",
        "me@laptop:~/src$ docker run -p 80:8000 nginx",
        "[root@web ~]# docker run -p 80:8000 nginx",
        "PS C:\\Users\\me> docker run -p 80:8000 nginx",
        "C:\\Users\\me> docker run -p 80:8000 nginx",
        "docker run \\\n  -p 80:8000 \\\n  nginx",
        "docker run \\\r\n  -p 80:8000 \\\r\n  nginx\r\n",
        "docker run \\  \n  -p 80:8000 \\\t\n  nginx",
        "docker run `\n  -p 80:8000 `\n  nginx",
        "docker run ^\n  -p 80:8000 ^\n  nginx",
        "docker run ^\r\n  -p 80:8000 ^\r\n  nginx",
        "docker run \\\n> -p 80:8000 \\\n> nginx",
        "docker run \\\n  # the port\n  -p 80:8000 \\\n  nginx",
        "docker run \\\n  -p 80:8000 \\  # the port\n  nginx",
        "docker run\n  -p 80:8000 nginx",
        "docker run \\\n  -p 80:8000 `#optional` \\\n  nginx",
        "docker run -p 80:8\\\n000 nginx",
        "docker run\u00a0-p\u00a080:8000 nginx",
        "```bash\ndocker run -p 80:8000 nginx\n```",
        "docker run -p 80:8000 nginx &",
        "docker run -p 80:8000 nginx; echo done",
        "docker run -p 80:8000 nginx > /dev/null 2>&1 || exit 1",
        "if true; then docker run -p 80:8000 nginx; fi",
        "(docker run -p 80:8000 nginx)",
        "ID=$(docker run -p 80:8000 nginx)",
        'bash -c "docker run -p 80:8000 nginx"',
        "ssh -i key deploy@10.0.0.5 'docker run -p 80:8000 nginx'",
        "ssh deploy@10.0.0.5 docker run -p 80:8000 nginx",
        "sh '''\n  docker run -p 80:8000 nginx\n'''",
        "docker run -p 80:8000 -- nginx",
        "\ufeffdocker run -p 80:8000 nginx",
    ],
)
def test_every_way_to_write_the_same(text: str) -> None:
    line = read_run_line(text)
    assert line.image == "nginx"
    assert line.settings == {"ports": [port(8000, 80)]}
    assert line.not_understood == ()


@pytest.mark.parametrize(
    ("written", "rows"),
    [
        ("80", [port(80, None)]),
        ("8080:80", [port(80, 8080)]),
        (":80", [port(80, None)]),
        ("53:53/udp", [port(53, 53, protocol="udp")]),
        ("127.0.0.1:8080:80", [port(80, 8080, host_address="127.0.0.1")]),
        ("127.0.0.1::80", [port(80, None, host_address="127.0.0.1")]),
        ("[::1]:8080:80", [port(80, 8080, host_address="::1")]),
        ("8080-8082:80-82", [port(80, 8080), port(81, 8081), port(82, 8082)]),
        ("80-81", [port(80, None), port(81, None)]),
    ],
)
def test_ports(written: str, rows: list[dict[str, Any]]) -> None:
    line = read_run_line(f"docker run -p {written} nginx")
    assert line.settings == {"ports": rows}
    assert line.not_understood == ()


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("-p http", "no port"),
        ("-p 80:70000", "65535"),
        ("-p 1-2000:1-2000", "at most 100"),
        ("-p 8000-8010:80", "differ in length"),
        ("-p 80:80/sctp", "not sctp"),
        ("-p localhost:80:80", "address of the server"),
        ("-v ./data:/data", "machine where this ran"),
        ("-v data/x:/data", "machine where this ran"),
        ("-v $(pwd):/app", "machine where this ran"),
        ('-v "${PWD}/x:/app"', "machine where this ran"),
        ("-v %cd%:/app", "machine where this ran"),
        ("-v ~/x:/app", "machine where this ran"),
        ("-v 'C:\\Users\\me:/app'", "machine where this ran"),
        ("-v data:/data:nocopy", "nocopy"),
        ("-v data:relative", "full path"),
        ("--mount type=image,target=/data", "type image"),
        ("--mount type=tmpfs,target=/data,size=1", "size"),
        ("--mount type=bind,source=src,target=/data", "machine where this ran"),
        ("--network container:db", "publish ports"),
        ("--tmpfs /run:uid=5", "uid=5"),
        ("--ulimit nofile", "nofile=1024:2048"),
        ("--ip 10.0.0.9", "in which network"),
        ("--health-interval soon --health-cmd x", "30s"),
        ("--health-retries 3", "in the image"),
        ("--label estiva.placement=7", "Estiva's and Docker's own"),
        ("--pid container:db", "Choose one of"),
        ("--memory-swap 1g", "memory limit"),
        ("--hostname 'a b'", "letters, digits"),
        ("--volumes-from db", "each volume"),
        ("-P", "Write them under Ports"),
        ("--env-file .env", "Import .env"),
        ("-e TOKEN", "came from the machine"),
        ("-e =x", "name is missing"),
        ("-e URL=$HOST", "write your own value for $HOST"),
        ("-m lots", "512m"),
        ("-m 1m", "no less"),
        ("-m $MEMORY", "$MEMORY"),
        ("--cpus many", "number"),
        ("--restart sometimes", "Choose one of"),
        ("--restart on-failure:many", "on-failure:5"),
        ("--entrypoint ''", "entrypoint away"),
        ("--frobnicate", "no such flag"),
        ("--frobnicate=7", "no such flag"),
        ("-dZ", "no such flag"),
        ("-e A='it", "never closed"),
    ],
)
def test_what_is_listed(flag: str, reason: str) -> None:
    line = read_run_line(f"docker run {flag} nginx")
    assert line.image == "nginx"
    assert set(line.settings) <= {"health"}
    assert any(reason in note.why for note in line.not_understood), line.not_understood


@pytest.mark.parametrize(
    ("flag", "settings"),
    [
        (
            "-v /srv/data:/data:ro,rslave",
            {"binds": [{"source": "/srv/data", "path": "/data", "read_only": True, "propagation": "rslave"}]},
        ),
        ("--mount type=bind,src=/srv,dst=/a", {"binds": [{"source": "/srv", "path": "/a", "read_only": False}]}),
        ("-v /data --mount target=/more", {"anonymous_volumes": ["/data", "/more"]}),
        (
            "--tmpfs /run:size=64m,mode=01777,exec",
            {"tmpfs": [{"path": "/run", "size": "64m", "mode": "1777", "exec": "on"}]},
        ),
        ("--mount type=tmpfs,target=/t,tmpfs-size=1m", {"tmpfs": [{"path": "/t", "size": "1m", "mode": ""}]}),
        ("--network host", {"network_mode": "host"}),
        ("--ip 10.0.0.9 --net=backend", {"networks": [{"name": "backend", "ipv4": "10.0.0.9"}]}),
        ("--privileged --init=false --read-only", {"privileged": "on", "init": "off", "read_only": "on"}),
        ("--cap-add NET_ADMIN --cap-drop ALL", {"cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"]}),
        (
            "--health-retries 2 --health-interval 1m30s --health-cmd 'curl -f localhost'",
            {
                "health": {
                    "kind": "command",
                    "command": ["/bin/sh", "-c", "curl -f localhost"],
                    "retries": "2",
                    "interval": 90.0,
                }
            },
        ),
        (
            "-w /app -h web --domainname shop.test",
            {"working_dir": "/app", "hostname": "web", "domainname": "shop.test"},
        ),
        (
            "--health-cmd up --health-start-period 3m",
            {
                "health": {
                    "kind": "command",
                    "command": ["/bin/sh", "-c", "up"],
                    "start_period": 180.0,
                    "deadline": 240.0,
                }
            },
        ),
        ("--no-healthcheck", {"health": {"no_image_check": "on"}}),
        (
            "--device-read-bps /dev/sda:1m",
            {"device_rates": [{"source": "/dev/sda", "kind": "read_bps", "rate": "1m"}]},
        ),
        ("--memory-swap 2g -m 1g", {"memory": "1g", "memory_swap": "2g"}),
        (
            "--log-opt max-size=1m --log-opt max-file=2",
            {"log_driver": "json-file", "log_options": ["max-size=1m", "max-file=2"]},
        ),
        ("--log-opt tag=x --log-driver journald", {"log_driver": "journald", "log_options": ["tag=x"]}),
        (
            "--ulimit nofile=1:2 --ulimit core=0",
            {"ulimits": [{"name": "nofile", "soft": "1", "hard": "2"}, {"name": "core", "soft": "0", "hard": "0"}]},
        ),
        (
            "--device /dev/a --device /dev/b:rw --device /dev/c:/dev/d:r",
            {
                "devices": [
                    {"source": "/dev/a", "path": "", "permissions": "rwm"},
                    {"source": "/dev/b", "permissions": "rw"},
                    {"source": "/dev/c", "path": "/dev/d", "permissions": "r"},
                ]
            },
        ),
        ("--gpus '\"device=0,1\"'", {"gpus": "device=0,1"}),
        (
            "--add-host db:10.0.0.1 --dns 10.0.0.53 --sysctl net.core.somaxconn=1 -l a=b",
            {
                "extra_hosts": ["db:10.0.0.1"],
                "dns": ["10.0.0.53"],
                "sysctls": ["net.core.somaxconn=1"],
                "labels": ["a=b"],
            },
        ),
        (
            "--pid host --ipc private --shm-size 1g --stop-signal SIGINT",
            {"pid_mode": "host", "ipc_mode": "private", "shm_size": "1g", "stop_signal": "SIGINT"},
        ),
    ],
)
def test_container_options(flag: str, settings: dict[str, Any]) -> None:
    line = read_run_line(f"docker run {flag} nginx")
    assert line.not_understood == ()
    assert line.settings == settings
    container_settings.normalise(line.settings)


def test_what_does_not_go_together_is_taken_once() -> None:
    line = read_run_line("docker run -p 80:80 --network none --tmpfs /a -v data:/a nginx")
    assert line.settings == {"network_mode": "none", "tmpfs": [{"path": "/a"}]}
    assert len(line.not_understood) == 2
    container_settings.normalise(line.settings)


def test_everything_that_fits() -> None:
    line = read_run_line(
        "docker run -d --name shop --restart=on-failure:5 -m 512m --cpus=1.5 --stop-timeout 30 -u 1000:1000 "
        "--network-alias shop --net-alias=web -v data:/data -v cache:/cache:ro,Z "
        "--mount type=volume,src=more,dst=/more,readonly --entrypoint /bin/sh shop:2 -c 'exec \"$0\" && true' --flag=x"
    )
    assert line.settings == {
        "restart": "on-failure",
        "restart_retries": "5",
        "memory": "512m",
        "cpus": "1.5",
        "stop_timeout": "30",
        "user": "1000:1000",
        "network_aliases": ["shop", "web"],
        "volumes": [
            {"name": "data", "path": "/data", "read_only": False},
            {"name": "cache", "path": "/cache", "read_only": True},
            {"name": "more", "path": "/more", "read_only": True},
        ],
        "entrypoint": ["/bin/sh"],
        "command": ["-c", 'exec "$0" && true', "--flag=x"],
    }
    assert (line.image, line.name, line.not_understood) == ("shop:2", "shop", ())
    assert [note.text for note in line.left_out] == ["-d", "--name shop"]


def test_variables_keep_their_values() -> None:
    line = read_run_line(
        "docker run -e A=1 --env B='two words' -eC=\"d 'e' \\\"f\\\"\" -e DB_PASSWORD=hunter22 -e EMPTY= "
        "-e URL=postgres://u:p@db/x -e LINES=$'a\\nb' -e 'PRICE=$5 %cd%' nginx"
    )
    assert line.variables == (
        Variable("A", "1", is_secret=False),
        Variable("B", "two words", is_secret=False),
        Variable("C", "d 'e' \"f\"", is_secret=False),
        Variable("DB_PASSWORD", "hunter22", is_secret=True),
        Variable("EMPTY", "", is_secret=False),
        Variable("URL", "postgres://u:p@db/x", is_secret=True),
        Variable("LINES", "a\nb", is_secret=False),
        Variable("PRICE", "$5 %cd%", is_secret=False),
    )
    assert line.not_understood == ()


def test_a_shells_variable_is_never_replaced_but_hinted_at() -> None:
    line = read_run_line("TAG=2.4\nexport PORT=80\ndocker run -p $PORT:80 -e KEY=$KEY shop:${TAG} serve --at $PORT")
    assert line.image == "shop:${TAG}"
    assert line.settings == {"command": ["serve", "--at", "$PORT"]}
    assert line.variables == (Variable("KEY", "", is_secret=True, needs_value=True),)
    assert [(note.text, note.line) for note in line.not_understood] == [
        ("-p $PORT:80", 3),
        ("-e KEY=$KEY", 3),
        ("shop:${TAG}", 3),
        ("serve --at $PORT", 3),
    ]
    assert "${TAG} = 2.4" in line.not_understood[2].why


def test_an_unknown_flag_takes_its_value_with_it_only_where_that_is_sure() -> None:
    line = read_run_line("docker run --frob 5 --name x nginx")
    assert (line.image, puzzles(line)) == ("nginx", ["--frob", "5"])
    line = read_run_line("docker run --frob nginx -g 'daemon off;'")
    assert (line.image, line.settings["command"], puzzles(line)) == ("nginx", ["-g", "daemon off;"], ["--frob"])


JOB = """#!/bin/bash -ex
# build and run
rm -rf src
git clone --branch main https://ci:s3cret@git.example.com/team/shop.git src
cd src
docker login -u ci -p s3cret registry.example.com
docker build -t shop:$BUILD_NUMBER --build-arg VERSION=3.7 -f docker/Dockerfile --no-cache .
docker run --rm shop:$BUILD_NUMBER pytest
docker stop shop || true
docker rm -f shop || true
docker run -d --name shop -p 5000:5000 \\
  -e FLASK_ENV=production \\
  shop:$BUILD_NUMBER
curl -f http://localhost:5000
cat <<EOF > report.txt
it's done; docker run nothing
EOF
"""


@pytest.mark.parametrize("text", [JOB, JOB.replace("\n", "\r\n")])
def test_a_jenkins_jobs_shell_step(text: str) -> None:
    line = read_run_line(text)
    assert (line.image, line.name) == ("shop:$BUILD_NUMBER", "shop")
    assert line.settings == {"ports": [port(5000, 5000)]}
    assert line.variables == (Variable("FLASK_ENV", "production", is_secret=False),)
    assert line.repository == Repository("https://git.example.com/team/shop.git", "main")
    assert line.build == Build(("shop:$BUILD_NUMBER",), ".", "docker/Dockerfile", args=(("VERSION", "3.7"),))
    texts = puzzles(line)
    assert "rm -rf src" in texts
    assert "docker run" in texts, "the other container is named"
    assert "curl -f http://localhost:5000" in texts
    left = {note.text: note.line for note in line.left_out}
    assert left["docker stop shop"] == 9
    assert left["docker login"] == 6
    assert not any("s3cret" in note.text for note in (*line.not_understood, *line.left_out))


def test_what_keeps_running_is_preferred_to_what_tests_it() -> None:
    text = "docker run --rm app test\ndocker run -d -p 80:80 app\ndocker run -d -p 81:80 other"
    assert read_run_line(text).settings == {"ports": [port(80, 80)]}


def test_build_alone_and_from_an_address() -> None:
    line = read_run_line("docker buildx build https://github.com/team/shop.git#v2:web -t shop --target=prod --push")
    assert line.builds == (Build(("shop",), "web", target="prod"),)
    assert line.repository == Repository("https://github.com/team/shop.git", "v2")
    assert puzzles(line) == ["--push"]
    assert (line.image, line.build) == ("", None)


@pytest.mark.parametrize("text", ["docker compose up -d", "docker-compose -f x.yml up"])
def test_compose_is_sent_elsewhere(text: str) -> None:
    assert "compose file" in read_run_line(text).not_understood[0].why


def test_commented_out_lines_stay_out() -> None:
    line = read_run_line("# docker run -p 1:1 old\ndocker run -p 2:2 new")
    assert (line.image, line.settings) == ("new", {"ports": [port(2, 2)]})


@pytest.mark.parametrize(
    "text", ["", "   \n", "hello", "docker", "docker run", "docker run -p", "'", '"', "$(", "docker run -e"]
)
def test_what_is_hardly_anything(text: str) -> None:
    line = read_run_line(text)
    assert (line.image, line.settings) == ("", {})
    assert bool(line.not_understood) == bool(text.strip())


def test_too_much() -> None:
    line = read_run_line("x" * (MOST_CHARACTERS + 1))
    assert len(line.not_understood) == 1
    assert str(MOST_CHARACTERS) in line.not_understood[0].why


HEAVY = '$( ` "$( \' -va sudo --a ;a $a "a" <a ( x= docker ssh {{ ${ a@b “ -ea=b \n# $\'\\ sh\u00a0docker -p80\u00a0 -p1-99:1-99\u00a0 a\u00a0 --a\u00a0b\u00a0'


@pytest.mark.parametrize("piece", [*HEAVY.split(" "), "\\\n", "<<a\n", "sudo ", "docker ", "ssh a ", "sh docker "])
def test_no_text_takes_long(piece: str) -> None:
    started = time.process_time()
    for head in ("", "docker run ", 'docker run "'):
        text = (head + piece * MOST_CHARACTERS)[:MOST_CHARACTERS]
        accounted_for(text)
    assert time.process_time() - started < 12


def accounted_for(text: str) -> RunLine:
    """Every visible character is in one piece of the account, and what isn't understood is in a note."""
    line = read_run_line(text)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    held = [False] * len(text)
    last = 0
    for piece in line.account:
        assert last <= piece.start < piece.end, "pieces don't overlap"
        last = piece.end
        held[piece.start : piece.end] = [True] * (piece.end - piece.start)
    lost = [character for character, is_held in zip(text, held, strict=True) if not is_held and not character.isspace()]
    assert lost == []
    container_settings.normalise(line.settings)
    assert bool(line.not_understood) >= any(piece.fate == "not_understood" for piece in line.account)
    return line


ODD = (
    "docker run build podman sudo nginx:1.27 8080:80 data:/data A=b = - -- ' \" ` \\ ; && | & ( ) $( ${ $X %X% < > <<EOF EOF # $ ssh sh -c git "
    "clone – “ ” ~/x {{ }} ``` if export"
)
PIECES = st.sampled_from(
    [*RUN.takes_value, *RUN.short, *ODD.split(), "\\\n", "^\n", "\n", "\t", "\r\n", "\u00a0", "\x00", "é", "\ud800"]
)


@given(st.lists(st.tuples(PIECES, st.sampled_from(["", " ", " "])), max_size=40))
def test_no_snippet_breaks_it_and_nothing_is_lost(pieces: list[tuple[str, str]]) -> None:
    accounted_for("".join(piece + space for piece, space in pieces))


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    accounted_for(text)
    accounted_for(f"docker run {text}")


WORDS = st.text(st.characters(exclude_characters="\x00\r", exclude_categories=["Cs"]), min_size=1, max_size=30)


def in_single_quotes(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def in_double_quotes(text: str) -> str:
    return '"' + re.sub(r'(["\\$`])', r"\\\1", text) + '"'


@given(st.lists(WORDS, max_size=5), st.sampled_from([in_single_quotes, in_double_quotes]), WORDS)
def test_quoted_words_arrive_as_they_are(arguments: list[str], quote: Any, value: str) -> None:
    line = accounted_for(" ".join(["docker run -e", quote(f"A={value}"), "nginx", *map(quote, arguments)]))
    assert line.image == "nginx"
    assert line.variables[0].value == value
    assert line.settings.get("command", []) == arguments
    assert line.not_understood == ()
