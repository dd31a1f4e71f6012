"""How many servers a peer best does at once: tried before it competes, so that two cores don't decide against it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from bench import peers
from bench.pairs import take_turns
from bench.seats import Login, Seat, Way

TRIALS = 3  # of each number of servers at once, after one that isn't counted


def tried(
    folder: Path, login: Login, places: Mapping[str, Sequence[Seat]], images: Sequence[str]
) -> tuple[dict[str, Way], dict[str, dict[int, float]]]:
    """Each peer as it is the quickest, by the median of a few trials of each number of servers at once; and these medians."""
    folder.mkdir()
    count = len(next(iter(places.values())))
    numbers = sorted({min(peers.AT_ONCE, count), count})
    ways = {number: peers.peers(folder, login, at_once=number) for number in numbers}
    if len(numbers) == 1:
        return ways[count], {}
    medians: dict[str, dict[int, float]] = {}
    for name, seats in places.items():
        trials = take_turns({f"{number}": _with(ways[number][name], seats, images[0]) for number in numbers}, TRIALS)
        medians[name] = {number: median(trials[f"{number}"]) for number in numbers}
        said = (f"{number} at once {seconds:.1f} s" for number, seconds in medians[name].items())
        print(f"{name}: {', '.join(said)}", flush=True)
    return {name: ways[min(spent, key=lambda number: spent[number])][name] for name, spent in medians.items()}, medians


def _with(way: Way, seats: Sequence[Seat], image: str) -> Callable[[int], None]:
    return lambda _: way.deploy(seats, image)
