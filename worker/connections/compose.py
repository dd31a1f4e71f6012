"""`ComposeDockerHost`: the engine's door to Compose v2 on a real server.

Compose runs as a fixed argv over SSH. Everything of the user's is on its standard input: no variable, no secret and no
file is on a command line, in the server's environment or on its disk. What the server's own environment and files could
add is shut out (`--env-file`, `--host`, an empty project folder).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import paramiko

from worker.connections.compose_command import Command
from worker.connections.compose_runs import RunsOnServer, lower_fences, run_folder
from worker.connections.docker import DockerHost
from worker.connections.engine_errors import explain, translated
from worker.connections.transport import ChannelRefused
from worker.engine.compose.compose_host import ComposeLine, ComposeRefused, ComposeVersion, Resource, UpOrder
from worker.engine.compose.prepare_builds import PROJECT_FOLDER
from worker.engine.errors import Cancelled, Conflict, HostError, HostLost, NotFound

_CONFIG_SECONDS = 30.0
_LATE = 20.0  # seconds: by how much we outwait the server's own deadline
_BUSY = 75
_ONE_OFFS = "one-off-runs"  # the lock of those that start them
_TIMED_OUT = (124, 137)
_STRANGERS = ("COMPOSE_PROFILES", "COMPOSE_REMOVE_ORPHANS", "COMPOSE_IGNORE_ORPHANS", "DOCKER_TLS_VERIFY")


class ComposeDockerHost(DockerHost):
    """Implements `worker.engine.compose.compose_host.ComposeHost`."""

    def compose_version(self) -> ComposeVersion:
        """Asked once an attempt; a server without any docker client answers with its shell's words."""
        lines, code = self._compose(["version", "--short"], "", _CONFIG_SECONDS, project=None)
        out = [each.text for each in lines if each.stream == "stdout" and each.text]
        said = [each.text for each in lines if each.text]
        if code == 0 and out:
            return ComposeVersion(out[0].strip())
        return ComposeVersion(None, (said or [f"exit code {code}"])[0].strip())

    def compose_config(self, project: str, documents: str, profiles: Sequence[str]) -> str:
        """Reads standard input alone."""
        chosen = [word for each in profiles for word in ("--profile", each)]
        lines, code = self._compose(
            [*chosen, "config", "--format", "json"], documents, _CONFIG_SECONDS, project=project
        )
        if code:
            raise self._refused(lines, code)
        return "\n".join(each.text for each in lines if each.stream == "stdout")

    def compose_hashes(self, project: str, model: str) -> Mapping[str, str]:
        """By `config --hash`."""
        lines, code = self._compose(["config", "--hash", "*"], model, _CONFIG_SECONDS, project=project)
        if code:
            raise self._refused(lines, code)
        pairs = (each.text.split() for each in lines if each.stream == "stdout")
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}

    def compose_up(self, order: UpOrder) -> Iterator[ComposeLine]:
        """Below `flock` and `timeout`, in a folder's name that bears project and fence."""
        runs = RunsOnServer(self._session, order.project)
        words = ["--wait", "--wait-timeout", str(order.wait_seconds)]
        yield from self._up(order, runs, runs.locked(wait=10, deadline=order.deadline), words)

    def compose_start(self, order: UpOrder) -> Iterator[ComposeLine]:
        """Below one lock for all of them, which each holds for as long as starting takes."""
        runs = RunsOnServer(self._session, order.project, _ONE_OFFS)
        yield from self._up(order, runs, runs.locked(wait=order.deadline, deadline=order.deadline), [])

    def _up(
        self, order: UpOrder, runs: RunsOnServer, locked: Sequence[str], words: Sequence[str]
    ) -> Iterator[ComposeLine]:
        argv = [
            *locked,
            *self._argv(order.project, run_folder(order.project, order.fence)),
            *("up", "--detach", "--no-build", "--pull", "never", "--no-color", "--no-log-prefix"),
            *words,
        ]
        said: list[ComposeLine] = []
        try:
            with self._command(argv, order.model, order.deadline * (1 if words else 2) + _LATE) as command:
                for line in command:
                    said.append(line)
                    yield line
        except Cancelled:
            runs.end(str(order.fence))
            raise
        if command.exit_code:
            raise self._refused(said, command.exit_code)

    def compose_end(self, project: str, below: int) -> bool:
        """Nothing is sent while the lock is free."""
        runs = RunsOnServer(self._session, project)
        with self._words():
            return runs.free() or runs.end(lower_fences(below))

    def compose_end_start(self, project: str, below: int) -> bool:
        """As `compose_end`."""
        runs = RunsOnServer(self._session, project, _ONE_OFFS)
        with self._words():
            return runs.free() or runs.end(lower_fences(below))

    def resources(self) -> Sequence[Resource]:
        """Networks and volumes, by the engine's API."""
        with translated(self._session):
            networks = self._api.networks()
            volumes = self._api.volumes().get("Volumes") or []
        return [
            *(Resource("network", str(each["Name"]), each.get("Labels") or {}) for each in networks),
            *(Resource("volume", str(each["Name"]), each.get("Labels") or {}) for each in volumes),
        ]

    def remove_volume(self, name: str) -> bool:
        """Never by force."""
        try:
            with translated(self._session):
                self._api.remove_volume(name)
        except (NotFound, Conflict):
            return False
        return True

    def _argv(self, project: str | None, folder: str) -> list[str]:
        unset = [word for name in _STRANGERS for word in ("-u", name)]
        argv = ["env", *unset, "docker", "--host", f"unix://{self._socket_path}", "compose"]
        if project is not None:
            argv += ["--project-name", project, "--project-directory", folder, "--env-file", "/dev/null"]
            argv += ["--file", "-", "--progress", "plain", "--ansi", "never"]
        return argv

    def _compose(
        self, words: Sequence[str], stdin: str, deadline: float, *, project: str | None
    ) -> tuple[list[ComposeLine], int]:
        with self._command([*self._argv(project, PROJECT_FOLDER), *words], stdin, deadline) as command:
            lines = list(command)
        return lines, command.exit_code

    @contextmanager
    def _command(self, argv: Sequence[str], stdin: str, deadline: float) -> Iterator[Command]:
        with self._words():
            greeting = self._session.greeting()
            channel = self._session.command_channel()
            try:
                yield Command(channel, argv, stdin.encode(), self._session.check, deadline, greeting)
            finally:
                channel.close()

    @contextmanager
    def _words(self) -> Iterator[None]:
        """What goes wrong with the channel, as the engine's own errors."""
        name = self._session.address.host_name
        try:
            yield
        except ChannelRefused as error:
            raise _no_commands(name, error.words) from error
        except (paramiko.SSHException, EOFError, ConnectionError) as error:
            if not self._session.transport.is_active():
                raise self._session.lost(error) from error
            raise _no_commands(name, str(error)) from error
        except TimeoutError as error:
            raise HostLost(
                f"Compose on server {name} fell silent: {error}.",
                why="The server is overloaded, or Compose hangs; its own deadline ends it.",
                remedy="Look at the server's load, then deploy again.",
            ) from error

    def _refused(self, said: Sequence[ComposeLine], code: int) -> ComposeRefused:
        name = self._session.address.host_name
        errors = [each.text.strip() for each in said if each.stream == "stderr" and each.text.strip()]
        if code == _BUSY:
            return ComposeRefused(
                f"Another run of Compose is at work on this application on {name}.",
                kind="busy",
                why="A deploy that was cut off may still be ending there.",
                remedy="Wait a minute and deploy again.",
            )
        if code in _TIMED_OUT:
            return ComposeRefused(
                f"Compose on {name} did not end in time and was stopped.",
                kind="timeout",
                said="\n".join(errors),
                why="A service takes long to stop or to become healthy.",
                remedy="Raise the deadline in the settings, or shorten stop_grace_period in the Compose file.",
            )
        last = next(
            (each for each in reversed(errors) if not each.startswith(("Container ", "Network ", "Volume "))), ""
        )
        why, remedy = explain(last)
        return ComposeRefused(
            last or f"Compose on {name} ended with exit code {code}.", said="\n".join(errors), why=why, remedy=remedy
        )


def _no_commands(name: str, said: str) -> HostError:
    return HostError(
        f"Server {name} runs no command for Estiva's user ({said or 'refused'}).",
        why="Compose is a program on the server, and sshd or the key's entry in authorized_keys forbids running one.",
        remedy="Remove ForceCommand and command= restrictions for this user.",
    )
