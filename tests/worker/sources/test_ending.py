"""Being interrupted, running out of time or space: what was started is gone, and the next one finds things in order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from parts.git_server import GitServer as RealGitServer
from parts.processes import descendants
from worker.engine.errors import Cancelled
from worker.sources import locks
from worker.sources.git import ContextOptions, GitRefused
from worker.sources.processes import TooLong, TooMuch, run
from worker.sources.shapes import nobody

from .conftest import MakeMirror, MakeRepo


def test_a_cancelled_fetch_leaves_no_process(
    git_server: RealGitServer, make_repo: MakeRepo, make_mirror: MakeMirror
) -> None:
    repo = make_repo()
    running: list[int] = []

    def interrupt() -> None:
        if reached.is_set():
            running.extend(_gits())
            raise Cancelled("enough")

    with git_server.gate.closed() as reached:
        began = time.monotonic()
        with pytest.raises(Cancelled):
            make_mirror(repo, interrupt=interrupt).fetch("main")
        assert len(running) >= 2, "git and its helper were there"
        assert soon(lambda: not set(running) & set(_gits()))
        assert time.monotonic() - began < 5
    assert make_mirror(repo).resolve("main") == repo.head()


def test_a_server_that_hangs_is_given_up(
    git_server: RealGitServer, make_repo: MakeRepo, make_mirror: MakeMirror
) -> None:
    repo = make_repo()
    with git_server.gate.closed() as reached:
        with pytest.raises(GitRefused) as refusal:
            make_mirror(repo, list_seconds=0.5).refs()
        assert reached.is_set()
        assert soon(lambda: not _gits())
    assert refusal.value.kind == "too_slow"
    assert "within 0.5 s" in refusal.value.message


def test_a_repository_too_large_is_given_up_while_it_arrives(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"large": os.urandom(3 * 1024 * 1024)})
    mirror = make_mirror(repo, mirror_size=1024 * 1024)
    with pytest.raises(GitRefused) as refusal:
        mirror.fetch("main")
    assert refusal.value.kind == "too_large"
    assert mirror.repo.size() == 0, "nothing half fetched stays"


def test_a_mirror_that_has_grown_full_begins_anew(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"large": os.urandom(600 * 1024)})
    mirror = make_mirror(repo, mirror_size=1024 * 1024, depth=1)
    old = mirror.resolve("main")
    repo.commit({"large": os.urandom(700 * 1024)})
    assert mirror.resolve("main") == repo.head()
    assert mirror.repo.size() < 800 * 1024
    assert not mirror.repo.has(old)
    repo.commit({"large": os.urandom(1200 * 1024)})
    with pytest.raises(GitRefused) as refusal:
        mirror.resolve("main")
    assert refusal.value.kind == "too_large"


def test_what_a_killed_git_left_is_cleared(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    mirror = make_mirror(repo)
    mirror.fetch("main")
    pack = mirror.repo.path / "objects" / "pack" / "tmp_pack_x"
    pack.write_bytes(b"half")
    (mirror.repo.path / "shallow.lock").touch()
    commit = repo.commit({"a": "1"})
    assert make_mirror(repo).resolve("main") == commit
    assert not pack.exists()


@pytest.mark.parametrize("damage", ["pack cut", "pack gone", "head gone", "config", "shallow", "refs"])
def test_a_damaged_mirror_is_fetched_anew(damage: str, make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"a": os.urandom(5000), "Dockerfile": "FROM x"})
    first = repo.head() or ""
    for number in range(3):
        commit = repo.commit({"b": str(number)})
    mirror = make_mirror(repo, depth=2)
    mirror.fetch("main")
    _damage(mirror.repo.path, damage)
    again = make_mirror(repo, depth=2)
    archive = b"".join(again.context(commit, ContextOptions()))
    assert len(archive) > 5000
    assert again.resolve("main") == commit
    assert [each.commit for each in again.commits(commit, limit=1)] == [commit]
    repo.commit({"b": "new"})
    assert again.resolve("main") == repo.head()
    assert again.read(first, "Dockerfile", 100) == b"FROM x"


def _damage(path: Path, damage: str) -> None:
    packs = sorted((path / "objects" / "pack").glob("*.pack"))
    match damage:
        case "pack cut":
            for pack in packs:
                pack.chmod(0o600)
                os.truncate(pack, pack.stat().st_size // 2)
        case "pack gone":
            for pack in packs:
                pack.unlink()
        case "head gone":
            (path / "HEAD").unlink()
        case "config":
            (path / "config").write_text("[core\n")
        case "shallow":
            (path / "shallow").write_text("no commit\n")
        case "refs":
            for ref in (path / "refs" / "estiva").iterdir():
                ref.write_text("nonsense\n")


def test_a_context_left_in_the_middle_leaves_no_process_and_no_lock(
    make_repo: MakeRepo, make_mirror: MakeMirror
) -> None:
    repo = make_repo({"Dockerfile": "FROM x", "large": os.urandom(2 * 1024 * 1024)})
    mirror = make_mirror(repo)
    commit = mirror.resolve("main")
    context = mirror.context(commit, ContextOptions())
    next(context)
    assert _gits()
    context.close()
    assert soon(lambda: not _gits())
    mirror.throw_away()
    assert not mirror.repo.exists()


def test_a_context_is_interrupted_too(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"Dockerfile": "FROM x", "large": os.urandom(2 * 1024 * 1024), "z": "1"})
    commit = make_mirror(repo).resolve("main")
    stop = threading.Event()

    def interrupt() -> None:
        if stop.is_set():
            raise Cancelled("enough")

    context = make_mirror(repo, interrupt=interrupt).context(commit, ContextOptions())
    next(context)
    stop.set()
    with pytest.raises(Cancelled):
        list(context)
    assert soon(lambda: not _gits())


def test_what_a_killed_worker_left_running_is_ended(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    """Stand-ins with a fetch's command line: one into this mirror, one into another."""
    mirror = make_mirror(make_repo())
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (
        subprocess.Popen([*sleep, f"--git-dir={mirror.repo.path}", "fetch"], start_new_session=True) as left,
        subprocess.Popen([*sleep, f"--git-dir={mirror.repo.path}2", "fetch"], start_new_session=True) as other,
    ):
        try:
            mirror.fetch("main")
            assert left.wait(timeout=5) == -signal.SIGKILL
            assert other.poll() is None
        finally:
            left.kill()
            other.kill()


def test_the_killing_reaches_grandchildren(tmp_path: Path) -> None:
    family = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "import time; time.sleep(60)\n"
    )
    before = set(descendants(os.getpid()))
    seen: set[int] = set()

    def interrupt() -> None:
        seen.update(set(descendants(os.getpid())) - before)
        if len(seen) >= 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        run([sys.executable, "-c", family], {"PATH": os.environ["PATH"]}, tmp_path, seconds=20, interrupt=interrupt)
    assert soon(lambda: not [pid for pid in seen if _alive(pid)])


def test_time_and_output_are_limited(tmp_path: Path) -> None:
    endless = [sys.executable, "-c", "while True: print('x' * 1000)"]
    with pytest.raises(TooMuch):
        run(endless, {}, tmp_path, seconds=20, interrupt=nobody, most_output=10_000)
    with pytest.raises(TooLong):
        run([sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path, seconds=0.3, interrupt=nobody)


def test_both_pipes_are_read_at_once(tmp_path: Path) -> None:
    noisy = "import sys\nfor _ in range(3000): print('o' * 999); print('e' * 999, file=sys.stderr)\nsys.exit(3)"
    done = run([sys.executable, "-c", noisy], {}, tmp_path, seconds=20, interrupt=nobody)
    assert (done.code, len(done.output)) == (3, 3_000_000)
    assert done.errors.endswith("e\n")


class TestLocks:
    """Between processes; inside one they hold as well."""

    def test_one_alone_or_many_that_share(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        with (
            locks.held(path, shared=True, seconds=1, interrupt=nobody),
            locks.held(path, shared=True, seconds=1, interrupt=nobody),
            pytest.raises(GitRefused) as refusal,
            locks.held(path, shared=False, seconds=0.1, interrupt=nobody),
        ):
            pytest.fail("it was held by others")
        assert refusal.value.kind == "too_slow"
        with locks.held(path, shared=False, seconds=1, interrupt=nobody):
            pass

    def test_waiting_is_interrupted(self, tmp_path: Path) -> None:
        def interrupt() -> None:
            raise Cancelled("enough")

        path = tmp_path / "lock"
        with (
            locks.held(path, shared=False, seconds=1, interrupt=nobody),
            pytest.raises(Cancelled),
            locks.held(path, shared=True, seconds=60, interrupt=interrupt),
        ):
            pytest.fail("it was held by another")

    def test_a_killed_holder_lets_go(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        holder = (
            "import fcntl, sys, time\n"
            f"file = open({str(path)!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX)\n"
            "print('held', flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            process.send_signal(signal.SIGKILL)
            with locks.held(path, shared=False, seconds=5, interrupt=nobody):
                pass


def test_two_mirrors_of_one_repository_fetch_side_by_side(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"a": os.urandom(200_000)})
    names = [f"b{number}" for number in range(4)]
    heads = [repo.commit({"a": os.urandom(100_000)}, branch=name) for name in names]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda name: make_mirror(repo).resolve(name), names)) == heads
        read = pool.map(lambda commit: make_mirror(repo).read(commit, "a", 200_000), heads)
        assert {len(content or b"") for content in read} == {100_000}


def soon(true: Callable[[], bool]) -> bool:
    """It becomes true within moments: a killed process closes its pipes just before it is gone."""
    until = time.monotonic() + 2
    pause = threading.Event()
    while not true():
        if time.monotonic() > until:
            return False
        pause.wait(0.01)
    return True


def _gits() -> list[int]:
    """The gits of ours that run: children of this process, not those of the server's request threads."""
    return [pid for pid in descendants(os.getpid()) if _is_client(pid)]


def _is_client(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" and any(
            word in command for word in (b"ls-remote", b"fetch", b"remote-http", b"cat-file", b"index-pack")
        )
    return False


def _alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    assert soon(lambda: not _gits())
