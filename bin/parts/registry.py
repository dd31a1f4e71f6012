"""An image registry on a loopback port (Debian's docker-registry), and the few calls that put images into it."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
from pathlib import Path

from parts.part import ProcessPart
from parts.processes import PartError, Process, free_port, port_answers

PROGRAMS = ("docker-registry", "registry")


class Registry(ProcessPart):
    """A registry without a password on 127.0.0.1; engines take such an address as insecure without being told."""

    name = "registry"

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(folder)
        self.port = port or free_port()
        self.log = self.folder / "registry.log"
        self.process = Process([PROGRAMS[0]], log=self.log)

    @property
    def address(self) -> str:
        """What an image reference begins with: host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What an engine's mirror is named by."""
        return f"http://{self.address}"

    def start(self) -> None:
        """Start serving."""
        program = next((name for name in PROGRAMS if shutil.which(name)), None)
        if program is None:
            raise PartError("docker-registry is not installed on this machine (Debian package docker-registry).")
        config = self.folder / "config.json"  # JSON is YAML
        config.write_text(json.dumps(self._config()))
        self.process = Process([program, "serve", str(config)], log=self.log)
        self.launch(self._answers)

    def stop(self) -> None:
        """End the server; the images stay in its folder."""
        self.process.stop()

    def put_blob(self, name: str, content: bytes) -> str:
        """Store a layer or an image's configuration; its digest."""
        digest = digest_of(content)
        if self._call("HEAD", f"/v2/{name}/blobs/{digest}", expect=(200, 404))[0] == 200:
            return digest
        _, headers, _ = self._call("POST", f"/v2/{name}/blobs/uploads/", expect=(202,))
        place = headers["Location"].partition(self.address)[2] or headers["Location"]
        mark = "&" if "?" in place else "?"
        self._call(
            "PUT", f"{place}{mark}digest={digest}", content, {"Content-Type": "application/octet-stream"}, expect=(201,)
        )
        return digest

    def put_manifest(self, name: str, reference: str, manifest: dict[str, object]) -> str:
        """Store a manifest (or a list of them) under a tag or its own digest; its digest."""
        content = json.dumps(manifest).encode()
        digest = digest_of(content)
        kind = {"Content-Type": str(manifest["mediaType"])}
        self._call("PUT", f"/v2/{name}/manifests/{reference or digest}", content, kind, expect=(201,))
        return digest

    def delete_manifest(self, name: str, digest: str) -> None:
        """Remove an image by digest: from now on a pull of it is refused."""
        self._call("DELETE", f"/v2/{name}/manifests/{digest}", expect=(202,))

    def tags(self, name: str) -> list[str]:
        """The tags of a repository, sorted; empty if it has none."""
        status, _, body = self._call("GET", f"/v2/{name}/tags/list", expect=(200, 404))
        return sorted(json.loads(body)["tags"] or []) if status == 200 else []

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        expect: tuple[int, ...],
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = self._connection()
        try:
            connection.request(method, path, body, {**self._login(), **(headers or {})})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status not in expect:
            raise PartError(
                f"The registry at {self.address} answered {response.status} to {method} {path}: {answer.decode(errors='replace')}"
            )
        return response.status, response.headers, answer

    def _answers(self) -> bool:
        return port_answers(self.port)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def _login(self) -> dict[str, str]:
        """Headers that say who puts images there."""
        return {}

    def _config(self) -> dict[str, object]:
        return {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "images")}, "delete": {"enabled": True}},
            "http": {"addr": self.address},
        }


def digest_of(content: bytes) -> str:
    """A content's digest as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
