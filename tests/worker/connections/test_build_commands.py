"""Limits that are held command by command, on a server that keeps its groups in memory. The kernel's part is in tests/integration."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from worker.connections.build_commands import Commands, places, shares
from worker.connections.channels import Output
from worker.connections.control_groups import ROOT, Group, Kernel, NotHeld
from worker.engine.build_events import VertexEnded, VertexStarted
from worker.engine.errors import HostError

MB = 1 << 20
SECOND = "0::/system.slice/docker.service\n"
FIRST = "5:memory:/system.slice/docker.service\n3:cpu,cpuacct:/system.slice/docker.service\n1:name=systemd:/x\n0::/x\n"
BESIDE = f"{ROOT}/system.slice/system.slice:docker:"


class Server:
    """Answers as a server does whose control groups are `groups`: by path, the files in each."""

    def __init__(self, told: str = SECOND) -> None:
        self.told = told
        self.groups: dict[str, dict[str, str]] = {}
        self.busy = False
        self.refuses = ""
        self.written = 0

    def run(self, argv: Sequence[str], *, stdin: bytes | None = None) -> Output:
        match argv[0]:
            case "find":
                shown = [path for path in self.groups if path.rpartition("/")[0] in argv]
                return Output(0, "".join(f"{path}\n" for path in shown).encode(), b"")
            case "tee" if stdin is not None:
                return self._write(argv[1:], stdin.decode().strip())
            case "readlink":
                return Output(0, "".join(f"{path}\n" for path in argv[2:]).encode(), b"")
            case "cat" if argv[1].startswith("/proc/"):
                return Output(0, self.told.encode(), b"")
            case "cat":
                return Output(0, "".join(f"{self._file(path)}\n" for path in argv[1:]).encode(), b"")
            case "grep" if "-l" in argv:
                return Output(0, "".join(f"{path}\n" for path in argv[3:] if self._file(path)).encode(), b"")
            case "grep" if argv[2] == ".":
                rows = [(path, self._file(path)) for path in argv[3:]]
                return Output(0, "".join(f"{path}:{said}\n" for path, said in rows if said).encode(), b"")
            case "grep":
                rows = [(path, self._file(path)) for path in argv[4:]]
                return Output(0, "".join(f"{path}:anon {used}\n" for path, used in rows if used).encode(), b"")
        return Output(0, b"0\n", b"")

    def _file(self, path: str) -> str:
        group, _, name = path.rpartition("/")
        return self.groups.get(group, {}).get(name, "")

    def _write(self, paths: Sequence[str], value: str) -> Output:
        self.written += 1
        for path in paths:
            group, _, name = path.rpartition("/")
            if group not in self.groups:
                return Output(1, b"", f"tee: {path}: No such file or directory".encode())
            if self.refuses and self.refuses in name:
                return Output(1, b"", f"tee: {path}: Permission denied".encode())
            if self.busy and "limit_in_bytes" in name and value != "-1":
                return Output(1, b"", f"tee: {path}: Device or resource busy".encode())
            self.groups[group][name] = value
        return Output(0, value.encode(), b"")

    def begin(self, name: str, used: int = 0) -> dict[str, str]:
        """A command begins; its group's files."""
        self.groups[f"{BESIDE}{name}"] = {"cgroup.procs": "812", "memory.stat": str(used)}
        return self.groups[f"{BESIDE}{name}"]


def commands(server: Server, memory: int | None = 64 * MB, cpus: float | None = 0.5, version: int = 2) -> Commands:
    held = Commands(Kernel(server, version), memory, cpus, "web-1")  # type: ignore[arg-type]
    note = held.begin("7", "")
    assert note.level == "info"
    return held


def test_a_command_is_limited_as_soon_as_it_is_there() -> None:
    server = Server()
    held = commands(server)
    held.look()
    assert server.written == 0
    group = server.begin("abc123")
    held.look()
    assert (group["memory.max"], group["memory.swap.max"], group["cpu.max"]) == (str(64 * MB), "0", "50000 100000")
    before = server.written
    held.look()
    assert server.written == before, "what is held is left alone"


def test_it_is_looked_for_at_once_when_a_run_begins_and_rarely_otherwise() -> None:
    server = Server()
    held = commands(server)
    held.look()
    idle = held.due
    held.heed([VertexStarted("a", "[internal] load build definition")])
    assert held.due == idle
    held.heed([VertexStarted("b", "[2/3] RUN make")])
    assert held.due < idle - 0.5
    looked = held.due
    held.look()
    assert held.due < looked + 0.3, "not found yet"
    server.begin("abc123")
    held.look()
    assert held.due > looked + 0.8, "found"


def test_commands_that_run_at_once_share() -> None:
    server = Server()
    held = commands(server)
    one = server.begin("one", used=40 * MB)
    held.look()
    two = server.begin("two")
    held.look()
    assert one["cpu.max"] == two["cpu.max"] == "25000 100000"
    assert (one["memory.max"], two["memory.max"]) == (str(64 * MB), str(24 * MB))
    del server.groups[f"{BESIDE}one"]
    held.look()
    assert (two["memory.max"], two["cpu.max"]) == (str(64 * MB), "50000 100000")


@pytest.mark.parametrize(
    ("used", "expected"),
    [([0], [64]), ([0, 0], [64, 64]), ([10, 30], [34, 54]), ([1, 0], [64, 62]), ([60, 60], [4, 4]), ([70, 70], [2, 2])],
)
def test_each_may_have_what_the_others_leave(used: list[int], expected: list[int]) -> None:
    assert shares(64 * MB, [each * MB for each in used]) == [each * MB for each in expected]


def test_what_an_engine_left_behind_is_no_command() -> None:
    server = Server()
    dead = server.begin("dead")
    dead["cgroup.procs"] = ""
    held = commands(server)
    alive = server.begin("alive")
    held.look()
    assert "cpu.max" not in dead
    assert alive["cpu.max"] == "50000 100000"


def test_limits_are_taken_from_what_still_runs() -> None:
    server = Server()
    held = commands(server)
    group = server.begin("others")
    held.look()
    held.give_back()
    assert (group["memory.max"], group["cpu.max"]) == ("max", "max 100000")


def test_another_build_that_ends_takes_no_limits_away_for_long() -> None:
    server = Server()
    ended, goes_on = commands(server), commands(server, memory=32 * MB, cpus=1.5)
    group = server.begin("abc")
    ended.look()
    goes_on.look()
    ended.give_back()
    goes_on.look()
    assert (group["memory.max"], group["cpu.max"]) == (str(32 * MB), "150000 100000")
    before = server.written
    ended.look()
    goes_on.look()
    assert server.written == before, "two builds don't fight about which limit it is"


def test_a_command_that_has_too_much_already_ends_the_build() -> None:
    server = Server(FIRST)
    held = commands(server, version=1)
    name = "system.slice/docker.service/system.slice:docker:abc"
    server.groups[f"{ROOT}/memory/{name}"] = {"memory.usage_in_bytes": str(65 * MB)}
    server.groups[f"{ROOT}/cpu/{name}"] = {}
    server.busy = True
    with pytest.raises(HostError, match="used more than 64 MB of memory") as said:
        held.look()
    assert "memory limit" in said.value.remedy


def test_what_the_kernel_refuses_is_said() -> None:
    server = Server()
    held = commands(server)
    server.begin("abc")
    server.refuses = "cpu.max"
    with pytest.raises(NotHeld, match="Permission denied"):
        held.look()


def test_a_command_that_is_over_meanwhile_is_no_trouble() -> None:
    class Quick(Server):
        def _write(self, paths: Sequence[str], value: str) -> Output:
            self.groups.clear()
            return super()._write(paths, value)

    server = Quick()
    held = commands(server)
    server.begin("abc")
    held.look()
    held.give_back()


def test_a_command_that_was_never_found_is_said() -> None:
    held = commands(Server())
    held.heed([VertexStarted("b", "[2/3] RUN make")])
    held.look()
    note = held.heed([VertexEnded("b", "[2/3] RUN make", 8.0, cached=False)])
    assert note is not None
    assert note.level == "warn"
    assert "not held" in note.text


@pytest.mark.parametrize("parent", ["evil", "a.slice/../..", "-x.slice ", "/x.slice"])
def test_only_a_slice_is_believed(parent: str) -> None:
    with pytest.raises(NotHeld, match="is not one that limits"):
        Commands(Kernel(Server(), 2), MB, None, "web-1").begin("7", parent)  # type: ignore[arg-type]


def test_where_groups_may_appear() -> None:
    assert places(2, SECOND) == {
        f"{ROOT}/system.slice/docker.service": Group.everywhere("/system.slice/docker.service"),
        f"{ROOT}/system.slice": Group.everywhere("/system.slice"),
        ROOT: Group.everywhere(""),
    }
    first = places(1, "5:memory:/a/b\n3:cpu,cpuacct:/\n")
    assert first[f"{ROOT}/memory/a/b"] == Group("/a/b", "")
    with pytest.raises(NotHeld, match="can't be read"):
        places(1, SECOND)
