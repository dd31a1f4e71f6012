"""From BuildKit's words and a failed command's last lines to words that help. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from worker.engine.build_causes import CAUSES

_LONGEST_LINE, _MOST_LINES = 600, 60


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a build failed, probably, and what to do."""

    why: str
    remedy: str
    exit_code: int | None = None
    generic: bool = False  # nothing known was found in it


def diagnose(error: str, output: Sequence[str], *, platform: str = "", memory: int | None = None) -> Diagnosis:
    """`error` is BuildKit's, `output` the failing command's last lines, `platform` what was built for, `memory` its limit in bytes."""
    error, written = bounded(error), bounded("\n".join(output))
    places = {"error": error, "output": written, "both": f"{written}\n{error}"}
    code = exit_code(error)
    for cause in CAUSES:
        found = re.search(cause.pattern, places[cause.where], re.IGNORECASE)
        if found:
            words = _words(found, platform, memory)
            return Diagnosis(cause.why.format(**words), cause.remedy.format(**words), code)
    if code is not None:
        return Diagnosis(
            f"The command ended with exit code {code}; its last lines, above, usually say why.",
            "Mend what they complain about, commit and push; the same build can be tried by hand with docker build.",
            code,
            generic=True,
        )
    return Diagnosis(
        "BuildKit on the builder ended the build with this error.",
        "Read the message above, mend its cause, then deploy again.",
        generic=True,
    )


def bounded(text: str) -> str:
    """The end of a text, each line cut: patterns are tried on it, and whoever writes a Dockerfile chooses its length."""
    return "\n".join(line[:_LONGEST_LINE] for line in text.splitlines()[-_MOST_LINES:])


def exit_code(error: str) -> int | None:
    """The failing command's, where BuildKit names one."""
    found = re.search(r"exit code: (\d+)", error)
    return int(found[1]) if found else None


def _words(found: re.Match[str], platform: str, memory: int | None) -> dict[str, str]:
    said = {name: (value or "").strip().rstrip(".,;") for name, value in found.groupdict().items()}
    needs = said.get("needs") or said.get("needs2") or ""
    words = {
        **said,
        "allowed": f", {memory / 1024**2:.0f} MB" if memory else "",
        "wanted": said.get("platform") or platform or "the builder's",
        "image_words": f" ({said['image']})" if said.get("image") else "",
        "program_words": f" ({said['program']})" if said.get("program") else "",
        "needs_words": f": {needs}" if needs else "",
    }
    return words | {"has": said.get("has") or "another one"}
