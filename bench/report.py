"""docs/benchmarks.md and its pictures, written from what `bin/bench all` found: misses are shown as plainly as hits."""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.chart import draw
from bench.frame import shown
from bench.verdicts import Aimed, aimed, was_busy
from parts.environment import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
FOLDER = ROOT / "docs" / "benchmarks"
_HEAD = """# Benchmarks

What Estiva promises about speed, measured by `bin/bench all`, which wrote this page. Each benchmark runs its reference in the same run:
look at the ratios, the times are this machine's. Unless a benchmark says below that it is judged otherwise, its ways take turns: each round
times every way once, in an order that is shuffled anew, after a round that isn't counted; a time is the median of seven rounds, and a ratio
the median of the rounds' ratios. Where the machine was too noisy or too busy for a time to be told from its aim, that stands in the
verdict's place. Wherever PostgreSQL is in it, it writes as in production, with fsync on. What stands here can be measured anew by anyone with
`bin/bench NAME`; the numbers stand as JSON in `docs/benchmarks/`, beside the pictures.
"""


def keep(name: str, found: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Store what one benchmark found, or how it failed, and draw it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    if "failed" not in found:
        (folder / f"{name}.svg").write_text(draw(name, found))


def write(benchmarks: Mapping[str, str], page: Path = PAGE, folder: Path = FOLDER) -> None:
    """The page, from what is stored of these benchmarks."""
    found = {name: _read(folder / f"{name}.json") for name in benchmarks}
    parts = [_HEAD, "\n".join(_summary(found))]
    parts += ["\n".join(_section(name, about, found[name], folder.name)) for name, about in benchmarks.items()]
    page.write_text("\n".join(parts))


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _summary(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "## Aims"
    yield ""
    yield "| benchmark | figure | found | aim | |"
    yield "| --- | --- | ---: | ---: | --- |"
    for name, told in found.items():
        if not told or "failed" in told:
            yield f"| [{name}](#{name}) | | | | {'**failed**' if told else 'not run'} |"
            continue
        for each in aimed(told):
            yield f"| [{name}](#{name}) | `{each.figure}` | {each.value:.4g} | {each.wanted} | {_verdict(each)} |"
    yield ""


def _section(name: str, about: str, told: Mapping[str, Any], pictures: str) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield _docstring(name) or f"{about[0].upper()}{about[1:]}."
    yield ""
    if not told:
        yield f"Not run yet. Run it: `bin/bench {name}`."
        yield ""
        return
    yield f"`{told['command']}`, {told['when']}, {_machine(told)}."
    yield ""
    if "failed" in told:
        yield "**It failed**, and so there are no figures. Its last words:"
        yield ""
        yield from ("```text", told["failed"].strip(), "```", "")
        return
    if told["noise"]:
        yield f"{told['noise'][0].upper()}{told['noise'][1:]}."
        yield ""
    yield f"![{_escaped(told['title'])}]({pictures}/{name}.svg)"
    yield ""
    yield from _figures(told)
    yield from _rows(told)


def _docstring(name: str) -> str:
    """What the benchmark says of itself, as paragraphs."""
    file = Path(__file__).with_name(f"{name}.py")
    said = ast.get_docstring(ast.parse(file.read_text())) if file.exists() else None
    return "\n\n".join(" ".join(each.split()) for each in (said or "").split("\n\n"))


def _machine(told: Mapping[str, Any]) -> str:
    before, after = told["load_before"], told["load_after"]
    said = f"{told['machine']}, {before:.1f} cores at work before it, load {after:.1f} at its end"
    return f"{said}. **The machine was busy with other work: the times say little**" if was_busy(told) else said


def _figures(told: Mapping[str, Any]) -> Iterator[str]:
    verdicts = {each.figure: each for each in aimed(told)}
    yield "| figure | found | aim | |"
    yield "| --- | ---: | ---: | --- |"
    for figure, value in told["figures"].items():
        shown_as = f"`{value}`" if isinstance(value, str) else f"{value:.4g}"
        each = verdicts.get(figure)
        yield f"| `{figure}` | {shown_as} | {each.wanted if each else ''} | {_verdict(each) if each else ''} |"
    yield ""
    yield from (f"`{figure}`: {why}.\n" for figure, why in told.get("doubts", {}).items())


def _verdict(each: Aimed) -> str:
    return each.verdict if each.verdict == "met" else f"**{each.verdict}**"


def _rows(told: Mapping[str, Any]) -> Iterator[str]:
    yield from _table(told["rows"])
    if more := told.get("more"):
        yield f"<details><summary>All {len(more)}</summary>"
        yield ""
        yield from _table(more)
        yield "</details>"
        yield ""


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| | time | |"
    yield "| --- | ---: | --- |"
    for row in rows:
        what = row["what"].strip()
        part = "· " if row["what"].startswith(" ") else ""
        yield f"| {part}{_escaped(what)} | {shown(row['seconds'])} | {_escaped(row['note'])} |"
    yield ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
