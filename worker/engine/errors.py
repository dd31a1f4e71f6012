"""The engine's own errors. Adapters raise these and nothing else towards the engine."""


class HostError(Exception):
    """The server answered, and refused or failed. `status` is the Engine API's HTTP status (0 where there is none)."""

    def __init__(self, message: str, *, status: int = 0, why: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.status, self.why, self.remedy = message, status, why, remedy


class NotFound(HostError):
    """No such container, image, network or volume (404)."""


class Conflict(HostError):
    """The name is taken, or the object is in a state that forbids the call (409)."""


class HostLost(Exception):
    """The connection is gone or silent past its deadline: nothing is known of what the last call did."""

    def __init__(self, message: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.why, self.remedy = message, why, remedy
        self._itself = message

    def on_the_way(self, name: str) -> None:
        """It happened at a server through which the way to `name` leads: say so."""
        self.message = f"On the way to server {name}: {self._itself}"
        self.args = (self.message,)


class HostKeyChanged(HostLost):
    """The server shows another host key than the pinned one. No credential was sent.

    `host_name` is the server that did, where it is not the one that was asked for; `where` is its address.
    """

    def __init__(
        self,
        message: str,
        *,
        offered_type: str = "",
        offered_key: str = "",
        host_name: str = "",
        where: tuple[str, int] | tuple[str, int, str] | None = None,
        why: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message, why=why, remedy=remedy)
        self.offered_type, self.offered_key = offered_type, offered_key
        self.host_name, self.where = host_name, where


class ConnectionLost(HostLost):
    """A connection that was there broke, or had broken unnoticed before it was used. Whoever only reads may connect anew and
    ask again.
    """


class BuilderLost(HostLost):
    """Another server than the one that is worked on was lost: the builder, while an image came from there."""


class AuthenticationRefused(HostLost):
    """The server refused the user or the key."""


class SocketRefused(HostLost):
    """sshd refused a channel to the Docker socket. `reason`: absent, permission, not listening, forbidden or unknown."""

    def __init__(self, message: str, *, reason: str = "", why: str = "", remedy: str = "") -> None:
        super().__init__(message, why=why, remedy=remedy)
        self.reason = reason


class Cancelled(Exception):
    """Somebody asked to stop; raised by the host's calls and waits inside the engine's own thread, once."""


class LeaseLost(Exception):
    """Another worker may hold this Target now: touch nothing more, write nothing more."""


class NewerFence(LeaseLost):
    """The server bears a fence above ours: whoever brought it there holds this, or did before our record was put back."""

    def __init__(self, message: str, fence: int) -> None:
        super().__init__(message)
        self.fence = fence
