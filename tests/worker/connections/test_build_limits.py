"""Where the limits of builds are written, and what is believed of a server's own words. The kernel's part is in tests/integration."""

import time

import pytest

from worker.connections.build_limits import Limits
from worker.connections.channels import Output
from worker.connections.control_groups import Group, Setting, settings
from worker.connections.engine_process import EngineProcess, option, own_engine
from worker.engine.build_events import BuilderNote
from worker.engine.errors import Cancelled

DEBIAN = ["/usr/sbin/dockerd", "-H", "fd://", "--containerd=/run/containerd/containerd.sock"]
SECOND = ["dockerd", "--data-root", "/srv/docker", "--cgroup-parent=/builds"]


def test_both_versions_of_control_groups() -> None:
    group = Group.everywhere("/docker/buildkit")
    assert settings(2, group, 64 << 20, 0.5) == [
        Setting("/sys/fs/cgroup/docker/buildkit/memory.max", "67108864"),
        Setting("/sys/fs/cgroup/docker/buildkit/memory.swap.max", "0", optional=True),
        Setting("/sys/fs/cgroup/docker/buildkit/cpu.max", "50000 100000"),
    ]
    first = [(each.path.rpartition("/")[2], each.value) for each in settings(1, group, 64 << 20, None)]
    assert first == [
        ("memory.memsw.limit_in_bytes", "-1"),
        ("memory.limit_in_bytes", "67108864"),
        ("memory.memsw.limit_in_bytes", "67108864"),
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "-1"),
    ]


def test_the_engine_is_found_among_several() -> None:
    debian, second = EngineProcess("7", DEBIAN), EngineProcess("8", SECOND)
    assert own_engine([debian], "/var/lib/docker") == debian
    assert own_engine([debian, second], "/srv/docker/") == second
    assert own_engine([debian, second], "/var/lib/docker") == debian
    assert own_engine([debian, debian], "/var/lib/docker") is None
    assert own_engine([], "/var/lib/docker") is None
    assert option(SECOND, "--cgroup-parent") == "/builds"
    assert option(["dockerd", "--cgroup-parent"], "--cgroup-parent") == ""


class Shell:
    """A session on a server whose commands answer as set; what was run is noted."""

    alive = True
    elsewhere = frozenset({"/proc/666/ns/pid"})  # in a container

    def __init__(self, **answers: Output) -> None:
        self.answers, self.ran = answers, list[list[str]]()
        self.files: dict[str, bytes] = {}
        self.sudo = False
        self.absent: set[str] = set()  # names of files that this kernel hasn't

    def run(self, argv: list[str], *, stdin: bytes | None = None) -> Output:
        self.ran.append(list(argv))
        if argv[0] == "sudo":
            if not self.sudo:
                return Output(1, b"", b"sudo: a password is required")
            return Output(0, b"0\n", b"") if argv[2] == "id" else self.run(argv[2:], stdin=stdin)
        if argv[0] == "tee" and stdin is not None:
            absent = [path for path in argv[1:] if path.rpartition("/")[2] in self.absent]
            self.files |= {path: stdin for path in argv[1:] if path not in absent}
            return (
                Output(1, stdin, f"tee: {absent[0]}: Permission denied".encode()) if absent else Output(0, stdin, b"")
            )
        if argv[0] == "cat" and argv[1] in self.files:
            return Output(0, b"".join(self.files[path] for path in argv[1:]), b"")
        if argv[0] == "grep":
            rows = [(path, self.files.get(path, b"")) for path in argv[3:]]
            return Output(0, b"".join(f"{path}:".encode() + said for path, said in rows if said), b"")
        if argv[0] == "readlink" and argv[-1].startswith("/proc/"):
            return Output(0, b"pid:[1]\n" if argv[-1] not in self.elsewhere else b"pid:[2]\n", b"")
        if argv[0] == "readlink" and argv[0] not in self.answers:
            return Output(0, "".join(f"{path}\n" for path in argv[2:]).encode(), b"")
        return self.answers.get(argv[0], Output(1, b"", b"no such thing"))


def held(shell: Shell, **info: object) -> BuilderNote | None:
    limits = Limits(shell, {"CgroupDriver": "cgroupfs", "CgroupVersion": "2", **info}, 64 << 20, 0.5)  # type: ignore[arg-type]
    with limits:
        return limits.note


ROOT = {
    "id": Output(0, b"0\n", b""),
    "mkdir": Output(0, b"", b""),
    "pgrep": Output(0, b"812 " + " ".join(DEBIAN).encode(), b""),
}


def test_limits_are_written_read_back_and_given_back() -> None:
    shell = Shell(**ROOT)
    note = held(shell)
    assert note is not None
    assert note == BuilderNote(
        "What this build runs gets 64 MB of memory and 0.5 CPUs, together with whatever else is built on this engine "
        "meanwhile."
    )
    assert shell.files["/sys/fs/cgroup/docker/buildkit/memory.max"] == b"max\n"
    assert ["mkdir", "-p", "/sys/fs/cgroup/docker/buildkit"] in shell.ran
    assert shell.files["/sys/fs/cgroup/cgroup.subtree_control"] == b"+memory +cpu\n"


@pytest.mark.parametrize(
    ("answers", "info", "why"),
    [
        ({"id": Output(0, b"1000\n", b"")}, {}, "it takes root on the server"),
        ({}, {"SecurityOptions": ["name=rootless"]}, "without root"),
        ({}, {"CgroupDriver": "none"}, "keeps no control groups"),
        ({"pgrep": Output(0, b"9 dockerd --cgroup-parent=system.slice:docker:", b"")}, {}, "is not one that limits"),
        ({"pgrep": Output(1, b"", b"")}, {}, "it can't be told which"),
        ({"readlink": Output(0, b"/var/lib/docker/volumes/evil/_data\n", b"")}, {}, "is no control group"),
        ({"pgrep": Output(0, b"666 dockerd --data-root=/var/lib/docker", b"")}, {}, "it can't be told which"),
        ({"pgrep": Output(0, b"9 dockerd --cgroup-parent=../../../srv/x", b"")}, {}, "is not one that limits"),
        ({"pgrep": Output(0, b"9 dockerd --cgroup-parent=/a/../../../srv", b"")}, {}, "is not one that limits"),
        ({"mkdir": Output(1, b"", b"mkdir: read-only file system\nmore")}, {}, "read-only file system"),
    ],
)
def test_what_cannot_be_held_is_said(answers: dict[str, Output], info: dict[str, object], why: str) -> None:
    note = held(Shell(**(ROOT | answers)), **info)
    assert note is not None
    assert note.level == "warn"
    assert note.text.startswith("The limits of this build are not held: ")
    assert why in note.text
    assert "\n" not in note.text


class Stubborn(Shell):
    """Its kernel takes every value and keeps its own."""

    def run(self, argv: list[str], *, stdin: bytes | None = None) -> Output:
        if argv[0] == "cat" and "cgroup" in argv[1]:
            return Output(0, b"max\n", b"")
        return super().run(argv, stdin=stdin)


def test_a_kernel_that_takes_another_value_is_not_believed() -> None:
    note = held(Stubborn(**ROOT))
    assert note is not None
    assert "did not take 67108864" in note.text


def test_without_limits_nothing_is_run() -> None:
    shell = Shell()
    with Limits(shell, {}, None, None) as limits:  # type: ignore[arg-type]
        assert limits.note is None
    assert shell.ran == []


def test_a_sudo_that_asks_nothing_is_root_enough() -> None:
    shell = Shell(**(ROOT | {"id": Output(0, b"1000\n", b"")}))
    shell.sudo = True
    note = held(shell)
    assert note is not None
    assert note.level == "info"
    assert shell.files["/sys/fs/cgroup/docker/buildkit/memory.max"] == b"max\n", "written, and given back"
    written = [argv for argv in shell.ran if "tee" in argv and argv[0] != "tee"]
    assert written
    assert all(argv[:3] == ["sudo", "-n", "tee"] for argv in written)


def test_a_kernel_that_does_not_count_swap_holds_the_rest() -> None:
    shell = Shell(**ROOT)
    shell.absent = {"memory.memsw.limit_in_bytes"}
    with Limits(shell, {"CgroupDriver": "cgroupfs"}, 64 << 20, 0.5) as limits:  # type: ignore[arg-type]
        assert limits.note is not None
        assert limits.note.level == "info"
        assert shell.files["/sys/fs/cgroup/memory/docker/buildkit/memory.limit_in_bytes"] == b"67108864\n"
    assert shell.files["/sys/fs/cgroup/memory/docker/buildkit/memory.limit_in_bytes"] == b"-1\n"
    assert limits.afterwards is None


def test_limits_that_cannot_be_taken_away_are_said_and_fail_no_build() -> None:
    shell = Shell(**ROOT)
    with Limits(shell, {"CgroupDriver": "cgroupfs"}, 64 << 20, None) as limits:  # type: ignore[arg-type]
        shell.absent = {"memory.limit_in_bytes"}
    assert limits.afterwards is not None
    assert limits.afterwards.level == "warn"
    assert "go on for other builds" in limits.afterwards.text


def test_a_cancel_while_limits_are_written_takes_them_back() -> None:
    class Interrupted(Shell):
        def run(self, argv: list[str], *, stdin: bytes | None = None) -> Output:
            if argv[0] == "cat" and "cgroup" in argv[1]:
                raise Cancelled("Somebody asked to stop.")
            return super().run(argv, stdin=stdin)

    shell = Interrupted(**ROOT)
    with pytest.raises(Cancelled):
        Limits(shell, {"CgroupVersion": "2", "CgroupDriver": "cgroupfs"}, 64 << 20, 0.5).__enter__()  # type: ignore[arg-type]
    assert shell.files["/sys/fs/cgroup/docker/buildkit/memory.max"] == b"max\n"


def test_another_build_that_ends_takes_no_limits_away_for_long() -> None:
    shell, info = Shell(**ROOT), {"CgroupDriver": "cgroupfs", "CgroupVersion": "2"}
    with Limits(shell, info, 64 << 20, None) as limits:  # type: ignore[arg-type]
        with Limits(shell, info, 64 << 20, 0.5):  # type: ignore[arg-type]
            pass
        assert limits.due is not None
        time.sleep(max(0.0, limits.due - time.monotonic()))
        assert list(limits.heed([])) == []
        assert shell.files["/sys/fs/cgroup/docker/buildkit/memory.max"] == b"67108864\n"
        assert limits.due > time.monotonic()
    assert shell.files["/sys/fs/cgroup/docker/buildkit/memory.max"] == b"max\n"
