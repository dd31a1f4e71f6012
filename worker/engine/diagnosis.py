"""From an exit code, an engine's error or a last answer to words that help. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence

from worker.engine.container_host import Container, LocalImage
from worker.engine.errors import HostError
from worker.engine.failure import StepFailed, listed

_ARCHITECTURE = ("exec format error",)
_MISSING = ("executable file not found", "no such file or directory")
_PORT_TAKEN = ("port is already allocated", "address already in use", "ports are not available")
_LISTENS = re.compile(r"(?i)listen|serving|running on|started|bound|http://|tcp://|port")
_PORT = re.compile(r"(?i)(?:port[ =:]+|:)(\d{2,5})\b")
_SIGNALS = {134: "SIGABRT (it aborted itself)", 136: "SIGFPE", 137: "SIGKILL", 139: "SIGSEGV (a crash)", 143: "SIGTERM"}


def port_is_taken(message: str) -> bool:
    """Does the engine say that a host port has another holder?"""
    return _says(message, _PORT_TAKEN)


def start_failed(error: HostError, server: str, image: LocalImage | None, holders: Sequence[str] = ()) -> StepFailed:
    """The engine refused to start the new container. `holders` name who has the ports, where that is known."""
    message = error.message
    what = f"The new container could not be started on {server}: {message}"
    if port_is_taken(message):
        held = (
            f"It is held by {listed(holders)}."
            if holders
            else "Which process holds it is not known; it isn't a container."
        )
        return StepFailed(
            what,
            why=f"A host port that it publishes is taken. {held}",
            remedy="Free the port, or choose another host port in the settings.",
        )
    if _says(message, _ARCHITECTURE):
        return _failed(what, _architecture(image))
    if _says(message, _MISSING):
        return _failed(what, _MISSING_WORDS)
    if _says(message, ("permission denied",)):
        return StepFailed(
            what,
            why="The program that the image starts isn't executable, or the user may not run it.",
            remedy="Check the file's mode in the image, and the user in the settings.",
        )
    return StepFailed(
        what,
        why=error.why or "The Docker Engine refused to start it.",
        remedy=error.remedy
        or "Read the engine's message above; `docker logs` and the settings of this Release may tell more.",
    )


def exited(
    container: Container, seconds: float, recent: Iterable[str], server: str, image: LocalImage | None
) -> StepFailed:
    """The container ended instead of becoming healthy, `seconds` after it was watched."""
    code, lines = container.exit_code, "\n".join(recent)
    at_once = "at once" if seconds < 1 else f"after {seconds:.0f} s"
    what = f"The new container on {server} exited {at_once} with code {code}."
    if container.oom_killed:
        words = {
            "why": "It used more memory than it may, and the kernel ended it.",
            "remedy": "Raise the memory limit in the settings, or make the application use less.",
        }
    elif _says(lines + container.error, _ARCHITECTURE):
        words = _architecture(image)
    elif code in (126, 127) or _says(container.error, _MISSING):
        words = _MISSING_WORDS
    elif code in _SIGNALS:
        words = {
            "why": f"It was ended by {_SIGNALS[code]}.",
            "remedy": "See its last lines in the log; if nobody stopped it by hand, look for a crash or a lack of "
            "memory.",
        }
    elif code == 0:
        words = {
            "why": "Its program finished without an error: it isn't one that keeps running, or the command in the "
            "settings is a short one.",
            "remedy": "Check command and entrypoint in the settings.",
        }
    else:
        words = {
            "why": "The application ended itself; its last lines in the log usually say why.",
            "remedy": "Check the variables and settings of this Release against what the application asks for.",
        }
    return _failed(what, words, code)


def keeps_exiting(container: Container, deadline: float, server: str) -> StepFailed:
    """The deadline passed over starts and ends: its restart policy brings it back each time."""
    times = "once" if container.restart_count == 1 else f"{container.restart_count} times"
    return StepFailed(
        f"The new container on {server} doesn't stay up: it was restarted {times} within {deadline:g} s, and exited with code "
        f"{container.exit_code}.",
        why="The application ended itself after it had started; its last lines in the log usually say why.",
        remedy="Look at its last lines in the log, and check the variables and settings of this Release.",
        exit_code=container.exit_code,
    )


def sick_under_its_names(name: str, failure: StepFailed) -> StepFailed:
    """It was proven once, and then failed as it was judged again, with others asking it, too."""
    what = f"{name} was healthy, but not any more when it was found by its names. {failure.what}"
    return StepFailed(what, why=failure.why, remedy=failure.remedy, exit_code=failure.exit_code)


def never_healthy(
    asked: str, last_answer: str, deadline: float, server: str, port: int | None, hints: Sequence[str]
) -> StepFailed:
    """The deadline passed. `asked` says what was asked, `last_answer` what came; `hints` replace the general advice."""
    what = (
        f"The new container on {server} did not become healthy within {deadline:g} s. Asked: {asked}; last answer: "
        f"{last_answer or 'none'}."
    )
    if hints:
        return StepFailed(
            what,
            why=" ".join(hints),
            remedy="Set the port of the health check (or the port the application listens on), then deploy again.",
        )
    why = "The application runs, but doesn't answer as the health check expects."
    if port is not None and "refused" in last_answer:
        why = (
            f"Nothing listens on port {port} in the container: the application starts slowly, listens elsewhere or "
            "on 127.0.0.1 only."
        )
    return StepFailed(
        what,
        why=why,
        remedy="Look at its lines in the log; if it only needs longer, raise the deadline of the health check.",
    )


def listening_elsewhere(
    port: int | None, answering: Sequence[int], recent: Iterable[str], image: LocalImage | None
) -> list[str]:
    """Signs that the application listens on another port than the one asked. `answering` were found open by trying."""
    if port is None:
        return []
    if answering:
        return [
            f"It answers on port {listed([str(each) for each in answering])}, while the health check asks port {port}."
        ]
    said = {int(each) for line in recent if _LISTENS.search(line) for each in _PORT.findall(line)} - {port}
    if said:
        return [
            f"Its log mentions port {listed([str(each) for each in sorted(said)])}, while the health check asks port "
            f"{port}."
        ]
    exposed = {int(each.partition("/")[0]) for each in image.exposed_ports} if image else set()
    if exposed and port not in exposed:
        return [
            f"The image declares port {listed([str(each) for each in sorted(exposed)])}, while the health check asks "
            f"port {port}."
        ]
    return []


_MISSING_WORDS = {
    "why": "The program to start isn't in the image: a wrong command or entrypoint, or a script whose interpreter is "
    "missing.",
    "remedy": "Check command and entrypoint in the settings, and that the image holds that file.",
}


def _failed(what: str, words: Mapping[str, str], exit_code: int | None = None) -> StepFailed:
    return StepFailed(what, why=words["why"], remedy=words["remedy"], exit_code=exit_code)


def _architecture(image: LocalImage | None) -> dict[str, str]:
    built = f" ({image.os}/{image.architecture})" if image else ""
    return {
        "why": f"The program in the image{built} is built for another processor than the server's, or is a script "
        "without a first line that names its interpreter.",
        "remedy": "Build the image for the server's platform (`docker buildx build --platform linux/amd64,linux/arm64 "
        "…`).",
    }


def _says(text: str, phrases: Sequence[str]) -> bool:
    return any(each in text.lower() for each in phrases)
