"""A registry as companies have them: TLS by a CA of their own, a name and a password, and an address that no engine takes as its own machine's.

Engines let 127.0.0.0/8 pass without a known certificate, so it listens on another address of the loopback interface.
"""

from __future__ import annotations

import base64
import http.client
import shutil
import ssl
from pathlib import Path

import bcrypt

from parts import registry_address
from parts.processes import PartError, run
from parts.registry import Registry

CANARY = Path("/tmp/estiva-canary-registry")  # whoever runs what is typed makes it
USER = f"ci$(touch {CANARY})"
PASSWORD = f'correct horse "8" é`touch {CANARY}`;\\'


class PrivateRegistry(Registry):
    """`USER` and `PASSWORD` let in; `ca` is its CA's certificate, which an engine knows after `trust` alone."""

    name = "private-registry"

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(folder, port)
        self.ip = ""

    @property
    def address(self) -> str:
        """What an image reference begins with: host:port."""
        return f"{self.ip}:{self.port}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://{self.address}"

    @property
    def ca(self) -> str:
        """The CA's certificate as text."""
        return (self.folder / "ca.pem").read_text()

    def start(self) -> None:
        """Take an address, make the CA and the certificate, write the password's hash, and serve."""
        self.ip = registry_address.take(self.folder, self.port)
        try:
            self._make_certificates()
            hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
            (self.folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
            super().start()
        except BaseException:
            registry_address.give_back(self.folder)
            raise

    def stop(self) -> None:
        """End the server, give the address back, and let no engine trust it any more."""
        super().stop()
        registry_address.give_back(self.folder)

    def trust(self) -> None:
        """What an admin does on a server: put the CA where its engine looks."""
        self._trusted.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.folder / "ca.pem", self._trusted / "ca.crt")

    def distrust(self) -> None:
        """Take it away again."""
        shutil.rmtree(self._trusted, ignore_errors=True)

    @property
    def _trusted(self) -> Path:
        return registry_address.TRUSTED / self.address

    def _make_certificates(self) -> None:
        ca, key = self.folder / "ca.pem", self.folder / "ca.key"
        signed, own = self.folder / "server.pem", self.folder / "server.key"
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        run([*new, "-x509", "-days", "2", "-subj", "/CN=Estiva test CA", "-keyout", str(key), "-out", str(ca)])
        request, names = self.folder / "server.csr", self.folder / "server.ext"
        names.write_text(f"subjectAltName=IP:{self.ip}\n")
        run([*new, "-subj", "/CN=registry", "-keyout", str(own), "-out", str(request)])
        sign = ["openssl", "x509", "-req", "-in", str(request), "-CA", str(ca), "-CAkey", str(key), "-days", "2"]
        run([*sign, "-CAcreateserial", "-extfile", str(names), "-out", str(signed)])

    def _connection(self) -> http.client.HTTPConnection:
        trusted = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        return http.client.HTTPSConnection(self.ip, self.port, timeout=30, context=trusted)

    def _login(self) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}

    def _answers(self) -> bool:
        try:
            self._call("GET", "/v2/", expect=(200,))
        except (OSError, PartError):
            return False
        return True

    def _config(self) -> dict[str, object]:
        common = super()._config()
        asked = {"htpasswd": {"realm": "test", "path": str(self.folder / "htpasswd")}}
        tls = {"certificate": str(self.folder / "server.pem"), "key": str(self.folder / "server.key")}
        return {**common, "auth": asked, "http": {"addr": self.address, "tls": tls}}
