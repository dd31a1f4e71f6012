"""After a build: of this Placement's images on the builder the ones used last stay."""

from collections.abc import Generator

from worker.engine.build_making import Making, moment
from worker.engine.errors import HostError
from worker.engine.events import Event, Line


def clean_up(making: Making) -> Generator[Event, None, str]:
    """Of this Placement's builds, those used last stay; of the others the tag goes, and what no tag holds goes with it."""
    spec, host = making.spec, making.host
    prefix = f"{spec.identity.repository}:build-"
    mine = making.built.tag if making.built is not None else ""
    try:
        images = host.local_images(f"{prefix}*")
    except HostError as error:
        yield Line(f"Earlier builds could not be listed: {error.message}", level="warn")
        return "earlier builds could not be listed"
    found = [(moment(image.tagged_at), tag) for image in images for tag in image.repo_tags if tag.startswith(prefix)]
    others = [tag for _, tag in sorted(found, reverse=True) if tag != mine]
    removed = 0
    for tag in others[max(0, spec.keep_builds - 1) :]:
        try:
            gone = host.remove_image(tag)
        except HostError as error:
            yield Line(f"{tag} could not be removed: {error.message}", level="warn")
            continue
        if gone:
            removed += 1
            yield Line(f"Dropped {tag}.")
    return f"{removed} earlier build{'' if removed == 1 else 's'} dropped"
