"""The Git LFS batch interface: asking where objects are, and downloading them side by side."""

import hashlib
import json
import os
import queue
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_environ_proxies

from deployments import git_url
from worker.sources import environment, explain
from worker.sources.errors import GitRefused
from worker.sources.lfs_login import Access, over_ssh, told_access
from worker.sources.patient import go_on, interruptibly
from worker.sources.reach import new_session
from worker.sources.shapes import MIB, GitLimits, GitServer, Interrupt, Progress

_TYPE = "application/vnd.git-lfs+json"
_AT_ONCE = 100  # objects a question, as the interface recommends
_THREADS = 4
_SECONDS = (10.0, 30.0)  # to connect; without a byte
_MOST_ANSWER = 8 * MIB
_CHUNK = 256 * 1024
_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object by its SHA-256, and how many bytes it has."""

    object_id: str
    size: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an object is to be had, and the headers that open it there."""

    wanted: Wanted
    url: str
    headers: Mapping[str, str]


class LfsServer:
    """The LFS side of a Git server. `download` raises GitRefused, and what `interrupt` raises."""

    def __init__(
        self, server: GitServer, limits: GitLimits, interrupt: Interrupt, progress: Progress, told: str = ""
    ) -> None:
        self._server, self._limits, self._told = server, limits, told
        self._interrupt, self._progress = interrupt, progress
        self._url = git_url.parse(server.url)

    def download(self, wanted: Sequence[Wanted], folder: Path, paths: Mapping[str, str]) -> None:
        """Each object into the folder under its id, checked. `paths` says for messages where in the tree each one is."""
        access = self._access()
        for begin in range(0, len(wanted), _AT_ONCE):
            some = wanted[begin : begin + _AT_ONCE]
            places = interruptibly(lambda stop, some=some: self._ask(access, some, paths, stop), self._interrupt)  # type: ignore[misc]
            interruptibly(lambda stop, places=places: self._fetch_all(places, folder, paths, stop), self._interrupt)  # type: ignore[misc]
            self._progress("Git LFS files", begin + len(some), len(wanted))

    def _access(self) -> Access:
        """Where the interface is and what opens it: beside the repository, unless `.lfsconfig` or ssh knows better."""
        if self._told:
            return told_access(self._told, self._url, self._server)
        if self._url.scheme == "ssh" and (told := over_ssh(self._server, self._limits, self._interrupt)):
            return told
        path = self._url.path if self._url.path.endswith(".git") else f"{self._url.path}.git"
        origin = self._url.origin if self._url.scheme != "ssh" else f"https://{self._url.host}"
        header = environment.authorization(self._url, self._server.credential)
        return Access(f"{origin}{path}/info/lfs", {"Authorization": header} if header else {})

    def _ask(
        self, access: Access, wanted: Sequence[Wanted], paths: Mapping[str, str], stop: threading.Event
    ) -> list[_Place]:
        question = {
            "operation": "download",
            "transfers": ["basic"],
            "hash_algo": "sha256",
            "objects": [{"oid": each.object_id, "size": each.size} for each in wanted],
        }
        headers = {**access.headers, "Accept": _TYPE, "Content-Type": _TYPE}
        url = f"{access.url}/objects/batch"
        try:
            self._check_reach(url)
            with new_session(self._server.reaching).post(
                url,
                data=json.dumps(question).encode(),
                headers=headers,
                allow_redirects=False,
                timeout=_SECONDS,
                proxies=get_environ_proxies(url),
                stream=True,
            ) as answer:
                self._check_status(answer.status_code)
                body = _bounded(answer, stop)
            listed = {str(each["oid"]): each for each in json.loads(body)["objects"]}
            return [self._place(each, listed.get(each.object_id, {}), access, paths) for each in wanted]
        except requests.RequestException as error:
            raise self._unreachable(str(error)) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._nonsense("Its answer is no list of objects.") from error

    def _place(self, wanted: Wanted, told: Mapping[str, Any], access: Access, paths: Mapping[str, str]) -> _Place:
        path = paths.get(wanted.object_id, wanted.object_id)
        action = told.get("actions", {}).get("download")
        if not action:
            raise GitRefused(
                "not_found",
                f"{self._url.place} does not have the Git LFS file {path}.",
                why=explain.bare(str(told.get("error", {}).get("message", "")))[:300],
                remedy="Push it there with `git lfs push --all`, or switch Git LFS off in the build settings.",
            )
        href = str(action["href"])
        headers = {str(name): str(value) for name, value in action.get("header", {}).items()}
        if urlsplit(href)[:2] == urlsplit(access.url)[:2]:  # the same server: what opened the question opens this
            headers = {**access.headers, **headers}
        return _Place(wanted, href, headers)

    def _fetch_all(
        self, places: Sequence[_Place], folder: Path, paths: Mapping[str, str], stop: threading.Event
    ) -> None:
        """Download on a few threads; the first failure ends the others."""
        waiting: queue.SimpleQueue[_Place] = queue.SimpleQueue()
        for place in places:
            waiting.put(place)
        failures: list[BaseException] = []

        def work() -> None:
            try:
                while not failures:
                    self._fetch(waiting.get_nowait(), folder, paths, stop)
            except queue.Empty:
                return
            except BaseException as error:  # noqa: BLE001 - raised again below, on the thread that asked
                failures.append(error)

        threads = [threading.Thread(target=work, name="estiva-lfs", daemon=True) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _fetch(self, place: _Place, folder: Path, paths: Mapping[str, str], stop: threading.Event) -> None:
        """One object, under its final name only once its checksum is right."""
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=folder, prefix="arriving-") as file:
            try:
                with self._open(place) as answer:
                    for chunk in answer.iter_content(_CHUNK):
                        go_on(stop)
                        size += len(chunk)
                        if size > place.wanted.size:
                            break
                        digest.update(chunk)
                        file.write(chunk)
            except requests.RequestException as error:
                raise self._unreachable(str(error)) from error
            if (digest.hexdigest(), size) != (place.wanted.object_id, place.wanted.size):
                raise self._nonsense(f"What it sent for {paths.get(place.wanted.object_id, '')} has another checksum.")
            file.flush()
            os.link(file.name, target := folder / f"{place.wanted.object_id}.{threading.get_ident()}")
            target.replace(folder / place.wanted.object_id)

    def _open(self, place: _Place) -> requests.Response:
        """The download, along a few redirects; headers go to the address they were given for and no further."""
        url, headers = place.url, dict(place.headers)
        for _ in range(_REDIRECTS + 1):
            allowed = {"https"} if self._url.scheme != "http" else {"https", "http"}
            if urlsplit(url).scheme not in allowed:
                raise self._nonsense(f"It names an address that is not used: {explain.bare(url)[:100]!r}.")
            self._check_reach(url)
            answer = new_session(self._server.reaching).get(
                url,
                headers=headers,
                allow_redirects=False,
                stream=True,
                timeout=_SECONDS,
                proxies=get_environ_proxies(url),
            )
            if not answer.is_redirect:
                self._check_status(answer.status_code)
                return answer
            answer.close()
            url, headers = urljoin(url, answer.headers["Location"]), {}
        raise self._nonsense("It redirects again and again.")

    def _check_reach(self, url: str) -> None:
        """GitRefused where the worker isn't led to that server."""
        try:
            place = urlsplit(url)
            host, port = place.hostname or "", place.port or git_url.DEFAULT_PORTS.get(place.scheme, 443)
        except ValueError as error:
            raise self._nonsense(f"It names what is no address: {explain.bare(url)[:100]!r}.") from error
        self._server.reaching.addresses(host, port)

    def _check_status(self, status: int) -> None:
        if status == 200:
            return
        if status in {401, 403}:
            raise GitRefused(
                "authentication",
                f"{self._url.place} refused to hand out the Git LFS files of {self._url}.",
                why=f"It answered {status}.",
                remedy="Give a token that may read the repository (over ssh, a deploy key that may use Git LFS), "
                "or switch Git LFS off in the build settings.",
            )
        if status in {404, 410, 501}:
            raise GitRefused(
                "not_found",
                f"{self._url.place} offers no Git LFS for {self._url}, though the repository has files there.",
                why=f"It answered {status}.",
                remedy="Switch Git LFS on at the server, or off in the build settings: the build then gets the pointers.",
            )
        raise self._unreachable(f"It answered {status}.")

    def _unreachable(self, why: str) -> GitRefused:
        return GitRefused(
            "unreachable",
            f"The Git LFS files of {self._url} could not be fetched from {self._url.place}.",
            why=explain.bare(why)[:400],
            remedy="Try again; if it comes back, look at the server's status page and at the worker's network.",
        )

    def _nonsense(self, why: str) -> GitRefused:
        return GitRefused(
            "broken",
            f"The Git LFS side of {self._url.place} sent something unusable for {self._url}.",
            why=why,
            remedy="Try again; if it comes back, tell the server's operator.",
        )


def _bounded(answer: requests.Response, stop: threading.Event) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        go_on(stop)
        body += chunk
        if len(body) > _MOST_ANSWER:
            raise ValueError("more than is read")
    return bytes(body)
