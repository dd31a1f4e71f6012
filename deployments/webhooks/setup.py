"""What people copy to the other end: a script that calls a plain hook, a registry's notification settings. Pure."""

import re
from typing import Final

from deployments.webhooks import plain, registry

PLACEHOLDER: Final = "THE-SECRET"
_SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


def snippet(kind: str, url: str, secret: str = "", *, branch: str = "", tag: str = "") -> str:
    """What to copy for this kind, "" where a form is filled in by hand. Without the secret a placeholder stands for it.

    The branch, or else the tag, is what the script says was pushed; one that could mean more to a shell isn't taken.
    """
    if kind == plain.KIND:
        named = "tag" if _SAFE.fullmatch(tag) and not _SAFE.fullmatch(branch) else "ref"
        value = next((each for each in (branch, tag) if _SAFE.fullmatch(each)), "main")
        return _script(url, secret or PLACEHOLDER, f'{{"{named}":"{value}"}}')
    return _notifications(url, secret or PLACEHOLDER) if kind == registry.KIND else ""


def _script(url: str, secret: str, body: str) -> str:
    """Posix shell: the secret is a text in single quotes, and it holds none itself."""
    return f"""\
secret='{secret}'
body='{body}'
t=$(date +%s)
v1=$(printf '%s.%s' "$t" "$body" | openssl dgst -sha256 -hmac "$secret" | sed 's/^.* //')
curl -sS -X POST '{url}' \\
  -H 'Content-Type: application/json' -H "X-Estiva-Signature: t=$t,v1=$v1" --data-raw "$body"
"""


def _notifications(url: str, secret: str) -> str:
    """A piece of the distribution registry's config.yml."""
    return f"""\
notifications:
  endpoints:
    - name: estiva
      url: {url}
      headers:
        Authorization: [Bearer {secret}]
      timeout: 5s
      threshold: 5
      backoff: 10s
      ignore:
        mediatypes: [application/octet-stream]
        actions: [pull]
"""
