"""How images are called, for people and for Docker. Pure."""

BUILT = "sha256:"  # what an image begins with that was built without a registry


def shown(reference: str) -> str:
    """An image as a person calls it, with enough of the digest to tell it from others."""
    name, at, digest = reference.partition("@")
    if at:
        return f"{name}@{digest[:19]}…"
    return f"{reference[:19]}…" if reference.startswith(BUILT) else name
