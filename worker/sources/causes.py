"""What git and ssh complain of, and what each means: data for `explain`."""

import re
from dataclasses import dataclass

from worker.sources.errors import Kind


@dataclass(frozen=True, slots=True)
class Cause:
    pattern: re.Pattern[str]
    kind: Kind
    message: str
    remedy: str


def _cause(pattern: str, kind: Kind, message: str, remedy: str) -> Cause:
    return Cause(re.compile(pattern, re.IGNORECASE), kind, message, remedy)


_DOWN = "Check the address, the worker's network and name server, and whether a firewall or proxy stands between."
LOGIN_HTTP = "Give a token that may read this repository on the repository's page (at some servers with its user name)."
LOGIN_SSH = "Add the public half of the deploy key, as the repository's page shows it, at the Git server."
# The first that fits counts: the telling ones stand before the vague ones.
CAUSES = (
    _cause(
        r"no space left on device|disk quota exceeded",
        "broken",
        "The worker's disk is full.",
        "Free space where ESTIVA_VAR lies (its folder git holds copies that may all be deleted).",
    ),
    _cause(
        r"read-only file system|unable to create (temporary )?file|cannot mkdir|could not create",
        "broken",
        "The worker can't write its copy of {url}.",
        "Check the owner and the disk of the folder ESTIVA_VAR/git.",
    ),
    _cause(
        r"host key verification failed|remote host identification has changed|no matching host key type"
        r"|host key is known for",
        "host_key",
        "{host} shows another host key than the one that was trusted. Nothing was sent to it.",
        "Find out whether the server was reinstalled. Only if the new key is known to be right, trust it on the repository's page.",
    ),
    _cause(
        r"fsck error|fsck_error|contains duplicate ?entries|hasDotgit|hasDotdot",
        "unsafe",
        "{url} contains objects that git refuses as malformed or malicious.",
        "Look at the commits that came last; `git fsck` in a clone names the object.",
    ),
    _cause(
        r"mismatched algorithms|object format .*sha256|unknown.*sha256",
        "broken",
        "{url} uses SHA-256 object names, which Estiva does not read yet.",
        "Use a repository with SHA-1 object names.",
    ),
    _cause(
        r"permission denied \(|too many authentication failures|could not read (username|password)"
        r"|authentication failed|access denied|returned error: 40[13]|invalid credentials",
        "authentication",
        "{host} refused the credential for {url}.",
        "{login}",
    ),
    _cause(
        r"(repository|project).*(not found|could not be found|does not exist)|does not appear to be a git repository"
        r"|returned error: (404|410)|not valid: is this a git repository|repository .* not exported"
        r"|repository not found",
        "not_found",
        "There is no repository at {url}, or the credential may not see it.",
        "Check the address as the repository's Clone button gives it. Servers say the same where a token may not read: {login}",
    ),
    _cause(
        r"couldn't find remote ref|not our ref|unadvertised object|no such remote ref"
        r"|remote did not send all necessary objects",
        "ref",
        "{url} does not have this branch, tag or commit any more.",
        "Choose another one; the branch may have been deleted or rewritten.",
    ),
    _cause(
        r"returned error: 30[1-8]|redirect",
        "broken",
        "{url} sends elsewhere, and that is not followed.",
        "Write the address it leads to: the repository may have been renamed or moved.",
    ),
    _cause(
        r"returned error: 429|rate limit",
        "unreachable",
        "{host} asks for patience: too many requests were made.",
        "Wait some minutes; a token raises the limit at most servers.",
    ),
    _cause(
        r"returned error: 5\d\d|internal server error",
        "unreachable",
        "{host} fails with an error of its own.",
        "Try again later, and look at the server's own status page.",
    ),
    _cause(
        r"certificate|ssl|tls|gnutls",
        "unreachable",
        "No trusted connection to {host} could be made.",
        "If the server's certificate comes from an authority of your own, point the worker's SSL_CERT_FILE at its certificate.",
    ),
    _cause(
        r"could not resolve|name or service not known|name resolution",
        "unreachable",
        "The name {host} can't be resolved.",
        _DOWN,
    ),
    _cause(
        r"dumb http transport",
        "broken",
        "{host} serves the repository as plain files, without Git's own protocol.",
        "Serve it through `git http-backend`, a forge, or ssh.",
    ),
    _cause(
        r"transfer speed|operation too slow|less than \d+ bytes",
        "too_slow",
        "{host} sends almost nothing any more.",
        _DOWN,
    ),
    _cause(
        r"timed? ?out|connection refused|couldn't connect|failed to connect|no route to host"
        r"|network is unreachable|connection closed|connection reset|empty reply|kex_exchange",
        "unreachable",
        "{host} does not answer.",
        _DOWN,
    ),
    _cause(
        r"early eof|hung up|disconnect|rpc failed|index-pack failed|invalid index-pack"
        r"|protocol error|bad line length|curl \d+",
        "unreachable",
        "The connection to {host} broke while {url} was being fetched.",
        "Try again; if it comes back, look at the server's log and at what stands between.",
    ),
)
