"""A benchmark as a picture: a bar for each thing that was timed, and for each aim how near the figure came to it. Light and dark."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from bench.frame import shown
from bench.verdicts import PAST, UNTOLD, Aimed, aimed

WIDTH, LABELS, VALUES, LINE, EDGE = 820, 330, 90, 22, 16
MOST_LABEL = 50  # characters that fit beside a bar
MOST_BARS = 32
MARKS = {"met": "✓", "missed": "✗", UNTOLD: "?"}

_STYLE = """
text { font: 12.5px system-ui, sans-serif; fill: #1d2733 }
.head { font-weight: 600 }
.quiet { fill: #5b6876 }
.bar { fill: #7d93ab }
.ours { fill: #2f6fdb }
.met { fill: #2e8b57 }
.missed { fill: #c2412d }
.aim { stroke: #1d2733; stroke-width: 1.5 }
.ground { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6ebf1 }
  .quiet { fill: #9aa7b5 }
  .bar { fill: #5d7289 }
  .ours { fill: #6ea2ff }
  .met { fill: #52b788 }
  .missed { fill: #f0806c }
  .aim { stroke: #e6ebf1 }
  .ground { fill: #151b22 }
}
"""


def draw(name: str, found: Mapping[str, Any]) -> str:
    """The picture of what a benchmark found, as SVG; it says in words what it shows, to whoever can't see it."""
    bars, aims = list(timed(found["rows"])), list(aimed(found))
    lines: list[str] = []
    top = EDGE + LINE
    for title, drawn in (("Times", _bars(bars)), ("Figures and their aims (the line)", _aims(aims))):
        if not drawn:
            continue
        lines.append(f'<text class="head" x="{EDGE}" y="{top}">{title}</text>')
        top += LINE
        for each in drawn:
            lines += [part.replace("@", f"{top}").replace("^", f"{top - 12}") for part in each]
            top += LINE
        top += LINE // 2
    said = "; ".join([*(f"{label} {shown(value)}" for label, value in bars), *(each.words for each in aims)])
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" role="img"'
            f' aria-labelledby="{name}-title {name}-desc">',
            f'<title id="{name}-title">{escape(found["title"])}</title>',
            f'<desc id="{name}-desc">{escape(said)}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{top}" rx="6"/>',
            *lines,
            "</svg>\n",
        ]
    )


def timed(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """What has a bar: times, no parts of others, and not too many."""
    whole = [row for row in rows if not row["what"].startswith(" ")]
    for row in whole[:MOST_BARS]:
        yield row["what"], float(row["seconds"])


def _bars(bars: Sequence[tuple[str, float]]) -> list[list[str]]:
    longest = max((value for _, value in bars), default=0.0) or 1.0
    room = WIDTH - LABELS - VALUES - 2 * EDGE
    return [
        _row(label, value / longest * room, "ours" if "stiva" in label else "bar", shown(value))
        for label, value in bars
    ]


def _aims(aims: Sequence[Aimed]) -> list[list[str]]:
    room = (WIDTH - LABELS - VALUES - 2 * EDGE) / PAST
    line = EDGE + LABELS + room
    mark = f'<line class="aim" x1="{line:.1f}" x2="{line:.1f}" y1="^" y2="@"/>'
    drawn = []
    for each in aims:
        value = f"{each.value:.4g} {MARKS[each.verdict]}"
        row = _row(each.figure, each.share * room, "bar" if each.doubt else each.verdict, value)
        drawn.append([*row, mark] if each.aim else row)
    return drawn


def _row(label: str, length: float, kind: str, value: str) -> list[str]:
    """A bar; `@` stands for its base line and `^` for its upper edge."""
    short = label if len(label) <= MOST_LABEL else f"{label[: MOST_LABEL - 1]}…"
    left = EDGE + LABELS
    return [
        f'<text class="quiet" x="{EDGE}" y="@">{escape(short).replace("@", "&#64;").replace("^", "&#94;")}</text>',
        f'<rect class="{kind}" x="{left}" y="^" width="{max(length, 1):.1f}" height="14" rx="2"/>',
        f'<text x="{left + max(length, 1) + 6:.1f}" y="@">{value}</text>',
    ]
