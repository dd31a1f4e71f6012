"""The new versions of row 17 that are no good: how each is made, and the words in which each has to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from parts.faults.causes import Cause
from parts.faults.images import Images, Pushed
from parts.faults.world import START_FIRST, STOP_FIRST

DEADLINE: Final = 8.0  # that of the health check, where a way has no other
GRACE: Final = 2
ENOUGH, MANY = 2, 10  # good answers in a row that make it proven; so many take two seconds
BOTH: Final = (STOP_FIRST, START_FIRST)

# Well until its health was asked SAMPLE_ASKED times; from then on dead, or sick. What it was asked outlasts its restarts.
TURNS: Final = """set -u
mkdir -p /tmp/www/cgi-bin
touch /tmp/asked
echo "$SAMPLE_VERSION $(hostname)" > /tmp/www/index.html
cat > /tmp/www/cgi-bin/healthz <<'END'
#!/bin/busybox sh
echo >> /tmp/asked
[ "$(wc -l < /tmp/asked)" -gt "$SAMPLE_ASKED" ] && echo "Status: 503 Service Unavailable"
echo "Content-Type: text/plain"
echo
echo ok
END
chmod +x /tmp/www/cgi-bin/healthz
httpd -f -p 5000 -h /tmp/www &
trap 'exit 0' TERM INT
echo "page: ready"
until [ "$SAMPLE_THEN" = dies ] && [ "$(wc -l < /tmp/asked)" -ge "$SAMPLE_ASKED" ]; do sleep 0.05; done
echo "page: fatal: lost the database" >&2
exit 4
"""

ITSELF: Final = r"^The application ended itself"
EXITS: Final = Cause(
    "exits at once",
    r"^The new container on \S+ exited (at once|after [1-3] s) with code 3\.",
    ITSELF,
    r"Check the variables and settings",
)
LATE: Final = Cause(
    "exits after 5 s",
    r"^The new container on \S+ exited after ([4-9]|1\d) s with code 4\.",
    ITSELF,
    r"Check the variables and settings",
)
DIES: Final = Cause(
    "healthy, then dies",
    r"^The new container on \S+ exited (at once|after [1-3] s) with code 4\.",
    ITSELF,
    r"Check the variables and settings",
)
DIES_PROVEN: Final = Cause(
    "proven, then dies",
    r"was healthy, but not any more when it was found by its names\. .* exited (at once|after [1-3] s) with code 4\.",
    ITSELF,
    r"Check the variables and settings",
)
NEVER: Final = Cause(
    "never healthy",
    r"did not become healthy within 4 s\..*last answer: [^.]*404",
    r"^The application runs, but doesn't answer as the health check expects",
    r"lines in the log",
)
SICK: Final = Cause(
    "healthy, then sick",
    r"did not become healthy within 5 s\..*last answer: [^.]*503",
    r"^The application runs, but doesn't answer as the health check expects",
    r"lines in the log",
)
ELSEWHERE: Final = Cause(
    "listens on another port",
    r"did not become healthy within 4 s\..*refused",
    r"mentions port 5001, while the health check asks port 5000",
    r"Set the port of the health check",
)
ABSENT: Final = Cause(
    "lacks its program",
    r"could not be started on \S+: .*/app/absent",
    r"^The program to start isn't in the image",
    r"Check command and entrypoint",
)
FOREIGN: Final = Cause(
    "a program for another processor",
    r"exited (at once|after [1-3] s) with code \d+\.|exec format error",
    r"built for another processor",
    r"Build the image for the server's platform",
)
ARM: Final = Cause(
    "an image for another processor",
    r"no matching manifest for linux/\w+: the image is built for linux/arm64 only",
    r"",
    r"",
)
CAUSES: Final = (EXITS, LATE, DIES, DIES_PROVEN, NEVER, SICK, ELSEWHERE, ABSENT, FOREIGN)


@dataclass(frozen=True)
class Bad:
    """One way of being no good: the image, the health check, and why it has to be told to fail.

    `healthy` is how often it is well before it isn't, `judged` how often its health check begins. `deaf`: it ignores SIGTERM as well.
    `planned`: the plan shows it already, and there is no deploy.
    """

    name: str
    manner: str
    cause: Cause
    seconds: float = 2
    health: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    strategies: tuple[str, ...] = BOTH
    healthy: int = 0
    judged: int = 1
    deaf: bool = False
    planned: bool = False

    def image(self, images: Images) -> Pushed:
        """It, in the registry."""
        return images.page(f"bad-{self.name}", self.manner, seconds=self.seconds, **self.more)

    @property
    def patience(self) -> float:
        """Seconds within which the old version has to serve again, but for the moments that a stop and a start take."""
        return self.judged * float(self.health.get("deadline", DEADLINE)) + (GRACE if self.deaf else 0)


def turning(name: str, cause: Cause, then: str, healthy: int, passes: int, **more: Any) -> Bad:
    """One that is well at first: as often as `healthy`, of the `passes` that it is asked to be."""
    variables = {"SAMPLE_ASKED": str(healthy), "SAMPLE_THEN": then}
    made = {"entrypoint": ("/bin/busybox", "sh", "-c", TURNS), "variables": variables}
    health = {"path": "/cgi-bin/healthz", "passes": passes, "deadline": 5.0}
    return Bad(name, then, cause, health=health, more=made, healthy=healthy, **more)


QUICK: Final = (
    Bad("exits", "exits", EXITS),
    Bad("never-healthy", "never_healthy", NEVER, health={"deadline": 4.0}),
    Bad("elsewhere", "plain", ELSEWHERE, health={"deadline": 4.0}, more={"variables": {"SAMPLE_PORT": "5001"}}),
    Bad("no-entrypoint", "plain", ABSENT, more={"entrypoint": ("/app/absent",)}),
)
REST: Final = (
    Bad("exits-late", "exits_late", LATE, seconds=5),
    Bad("deaf", "ignores_term", NEVER, health={"path": "/absent", "deadline": 4.0}, deaf=True),
    Bad("other-machine", "plain", ARM, more={"architecture": "arm64"}, planned=True),
    Bad("foreign", "plain", FOREIGN, more={"entrypoint": ("/app/start",)}),  # a script that names no interpreter
)
TURNING: Final = (
    turning("turns-sick", SICK, "sick", healthy=MANY // 2, passes=MANY),
    turning("dies", DIES, "dies", healthy=MANY // 2, passes=MANY),
    # only a start-first deploy asks once more after the proof, at the new address: there it is dead
    turning("dies-proven", DIES_PROVEN, "dies", healthy=ENOUGH + 1, passes=ENOUGH, judged=2, strategies=(START_FIRST,)),
)
