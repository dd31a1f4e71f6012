"""Who we are for which registry: given along with each request to an engine, and kept nowhere there."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from deployments.image_reference import DOCKER_HUB, ImageReferenceError, parse
from deployments.registry_address import best
from worker.engine.build_events import RegistryAuth
from worker.engine.errors import HostError
from worker.engine.spec import Secret

_REFUSED = re.compile(
    r"pull access denied|unauthorized|authentication required|denied: |no basic auth credentials|access forbidden"
    r"|incorrect username or password",
    re.IGNORECASE,
)
_UNTRUSTED = re.compile(r"x509|certificate|tls: ", re.IGNORECASE)
_HUB_ADDRESS = "https://index.docker.io/v1/"  # what engines call Docker Hub when they sign in


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are for the images of one host and namespace. With `problem` there is nobody to be: `remedy` says why."""

    host: str
    namespace: str
    auth: RegistryAuth | None
    problem: str = ""
    remedy: str = ""
    also_secret: tuple[Secret, ...] = field(default=())  # what was needed to get `auth`, or is a part of it

    @property
    def name(self) -> str:
        """As people see it."""
        return f"{self.host}/{self.namespace}" if self.namespace else self.host

    def credentials(self) -> dict[str, str] | None:
        """As the Engine API takes them; None for nobody. HostError where they couldn't be had."""
        if self.problem:
            raise HostError(self.problem, remedy=self.remedy)
        if self.auth is None:
            return None
        address = _HUB_ADDRESS if self.host == DOCKER_HUB else self.host
        return {"username": self.auth.username, "password": self.auth.password.reveal(), "serveraddress": address}


@dataclass(frozen=True, slots=True)
class Keychain:
    """The logins that one Target or Operation may need."""

    logins: tuple[Login, ...] = ()

    def for_image(self, reference: str) -> Login | None:
        """The longest namespace wins."""
        return best(self.logins, reference)

    def by_host(self, references: Iterable[str]) -> Mapping[str, RegistryAuth]:
        """For a builder, which asks by host alone.

        The login of the first of these images counts for its host, else the one for all of the host.
        """
        found = {each.host: each.auth for each in self.logins if each.auth is not None and not each.namespace}
        for reference in reversed(list(references)):
            login = self.for_image(reference)
            if login is not None and login.auth is not None:
                found[login.host] = login.auth
        return found

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """For the Masker."""
        own = [each.auth.password for each in self.logins if each.auth is not None]
        return (*own, *(secret for each in self.logins for secret in each.also_secret))

    @contextmanager
    def signing_in(self, reference: str) -> Iterator[dict[str, str] | None]:
        """The credentials for a request about this image; a refusal comes out with what we know of them."""
        login = self.for_image(reference)
        try:
            yield login.credentials() if login is not None else None
        except HostError as error:
            raise _explained(error, reference, login) from error


NOBODY = Keychain()


def _explained(error: HostError, reference: str, login: Login | None) -> HostError:
    """The same refusal, naming the registry, who we were for it, and where that is changed."""
    host = _host_of(reference)
    if login is not None and login.problem:
        return error
    if _REFUSED.search(error.message):
        why, remedy = _who_was_refused(error, host, login)
    elif _UNTRUSTED.search(error.message):
        why = error.why
        remedy = (
            f"On the server, put the certificate of the CA that issued it into /etc/docker/certs.d/{host}/ca.crt; Docker "
            "reads it at the next pull (builds by Docker 20.10 after a restart of Docker)."
        )
    else:
        return error
    return type(error)(error.message, status=error.status, why=why, remedy=remedy)


def _who_was_refused(error: HostError, host: str, login: Login | None) -> tuple[str, str]:
    if login is None or login.auth is None:
        return (
            error.why or "The registry gives this image to those who sign in alone, or has none of that name.",
            f"Check the image's name. If it is private, an admin adds {host} under Servers, Registries, with a user and a token.",
        )
    return (
        f"The registry did not accept the user {login.auth.username} that Estiva keeps for {login.name}: the password or "
        "token is wrong or has expired, or it may not read this image.",
        f"An admin sets it again under Servers, Registries, {login.name}, and tests it there.",
    )


def _host_of(reference: str) -> str:
    try:
        return parse(reference).registry
    except ImageReferenceError:
        return reference.partition("/")[0]
