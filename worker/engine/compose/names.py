"""How images are called, for people and for Docker. Pure."""

AWAITED = "estiva/awaited"  # stands for an image that is still to be built; its tag says which
BUILT = "sha256:"  # what an image begins with that was built without a registry


def shown(reference: str) -> str:
    """An image as a person calls it, with enough of the digest to tell it from others."""
    if reference.startswith(f"{AWAITED}:"):
        return "what is built"
    name, at, digest = reference.partition("@")
    if at:
        return f"{name}@{digest[:19]}…"
    return f"{reference[:19]}…" if reference.startswith(BUILT) else name
