"""The engine's account of a pull, made into progress over all layers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.engine.container_host import PullProgress

_DONE = ("Pull complete", "Already exists")
_WAITING = ("Pulling fs layer", "Waiting")


@dataclass(slots=True)
class _Layer:
    size: int = 0  # as it travels, compressed; 0 while unknown
    downloaded: int = 0
    unpacked: int = 0
    done: bool = False


class PullTracker:
    """Adds up what is said of single layers.

    A byte counts half when it is downloaded and wholly when it is unpacked, so that the bar ends with the work and not
    with the download. `done` never falls, also when a layer's download is begun anew.
    """

    def __init__(self) -> None:
        self._layers: dict[str, _Layer] = {}
        self._done = 0

    def feed(self, event: Mapping[str, Any]) -> PullProgress | None:
        """One event of the stream; None when it changes nothing. The caller looks after `error` events."""
        status, name = str(event.get("status") or ""), str(event.get("id") or "")
        layer = self._layer(status, name)
        if layer is None:
            return None
        detail = event.get("progressDetail") or {}
        current, size = int(detail.get("current") or 0), int(detail.get("total") or 0)
        if size > 0:
            layer.size = size
        if status == "Downloading":
            layer.downloaded = max(layer.downloaded, current)
        elif status == "Extracting":
            layer.downloaded, layer.unpacked = layer.size, max(layer.unpacked, current)
        elif status in ("Download complete", "Verifying Checksum"):
            layer.downloaded = layer.size
            layer.done = layer.done or not layer.size  # podman tells no sizes, and nothing after this
        elif status in _DONE:
            layer.done, layer.downloaded, layer.unpacked = True, layer.size, layer.size
        return self.progress(status)

    def _layer(self, status: str, name: str) -> _Layer | None:
        known = status in _DONE or status in _WAITING or name in self._layers
        if not name or not known:  # "Pulling from library/nginx" has the tag for its id
            return None
        return self._layers.setdefault(name, _Layer())

    def progress(self, status: str) -> PullProgress:
        """Where it stands; the answer's `status` is worded for people."""
        layers = self._layers.values()
        size, downloaded = sum(each.size for each in layers), sum(each.downloaded for each in layers)
        self._done = max(self._done, (downloaded + sum(each.unpacked for each in layers)) // 2)
        finished = sum(each.done for each in layers)
        if not layers:
            return PullProgress(0, 0, 0, 0, "nothing to download")
        if status.startswith("Retrying"):
            phase = status.split(" in ")[0].lower()
        elif finished == len(layers):
            phase = "complete:"
        else:
            phase = "unpacking" if size and downloaded >= size else "downloading"
        amount = f"{downloaded / 1e6:.1f} of {size / 1e6:.1f} MB, " if size else ""
        return PullProgress(
            done=min(self._done, size),
            total=size,
            layers_done=finished,
            layers=len(layers),
            status=f"{phase} {amount}{finished} of {len(layers)} layers",
        )
