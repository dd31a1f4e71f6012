"""Where a Git server sends to: GitLab from `/team/app` to `/team/app.git`, others after a repository was renamed.

Git is not allowed to follow, since it would take the credential along. A place at the very same server is accepted.
"""

from urllib.parse import urljoin

import requests
from requests.utils import get_environ_proxies

from deployments import git_url
from deployments.git_url import GitUrl, GitUrlError
from worker.sources.environment import authorization
from worker.sources.reach import new_session
from worker.sources.shapes import GitServer

_ASKED = "/info/refs?service=git-upload-pack"
_SECONDS = 15.0


def leads_to(server: GitServer, url: GitUrl) -> GitUrl | None:
    """The address at the same scheme, host and port to which this one redirects; None if to nowhere or elsewhere."""
    session = new_session(server.reaching)
    headers = {"Authorization": authorization(url, server.credential), "User-Agent": "git/estiva"}
    try:
        with session.get(
            url.text + _ASKED,
            headers={name: value for name, value in headers.items() if value},
            allow_redirects=False,
            stream=True,
            timeout=_SECONDS,
            proxies=get_environ_proxies(url.text),
        ) as answer:
            target = urljoin(url.text + _ASKED, answer.headers.get("Location", ""))
    except requests.RequestException:
        return None  # git's own complaint about the redirect is told instead
    if not target.endswith(_ASKED):
        return None
    try:
        found = git_url.parse(target.removesuffix(_ASKED))
    except GitUrlError:
        return None
    return found if found.origin == url.origin and found != url else None
