"""What one build is to make, frozen: the whole input of `build.build`. Durations are seconds, sizes are bytes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.engine.build_events import RegistryAuth
from worker.engine.spec import Secret

_KEY_LENGTH = 16  # of the reuse key's 64 characters: enough for a tag, and readable

Bases = tuple[tuple[str, str], ...]  # (reference as the Dockerfile has it, digest or image ID; empty where unknown)


@dataclass(frozen=True, slots=True)
class BuildIdentity:
    """Whose build it is."""

    installation: str
    placement: int
    placement_name: str  # "app-environment", already fit for an image's name
    deployment: int
    target: int
    fence: int

    @property
    def repository(self) -> str:
        """The local name of all images of this Placement."""
        return f"estiva/{self.installation}/{self.placement_name}"

    def build_id(self, fence: int | None = None) -> str:
        """What this attempt's build (or an earlier attempt's) is cancelled by."""
        return f"estiva-{self.installation}-t{self.target}.f{self.fence if fence is None else fence}"


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """One build Target: make the image of this commit with these settings.

    `dockerfile` is its path in the context and `dockerfile_text` what it says. `source_url` bears no credential. `context_id`
    tells contexts of one commit apart: subdirectory, submodules, LFS. `keep_builds` images of this Placement stay on the
    builder for reuse.
    """

    identity: BuildIdentity
    commit: str
    source_url: str
    dockerfile_text: str
    dockerfile: str = "Dockerfile"
    context_id: str = ""
    target: str = ""
    more_labels: tuple[tuple[str, str], ...] = ()
    args: tuple[tuple[str, str], ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    platform: str = ""
    no_cache: bool = False
    memory: int | None = None
    cpus: float | None = None
    deadline: float = 1800.0
    keep_builds: int = 5
    registry_auth: Mapping[str, RegistryAuth] = field(default_factory=dict)
    host_name: str = ""

    @property
    def server(self) -> str:
        """The builder's name for messages."""
        return self.host_name or "the builder"

    def reuse_key(self, bases: Bases) -> str:
        """The same key means the same image, as far as a Dockerfile can promise: 64 hex digits."""
        parts = {
            "commit": self.commit,
            "context": self.context_id,
            "dockerfile": self.dockerfile_text,
            "path": self.dockerfile,
            "target": self.target,
            "args": sorted(self.args),
            "secrets": sorted(self.secrets),  # their names: a value changes what is fetched, not what is made
            "platform": self.platform,
            "bases": sorted(bases),
            **({"labels": self.more_labels} if self.more_labels else {}),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def build_tag(self, key: str) -> str:
        """The local tag by which a later build with the same key finds this image."""
        return f"{self.identity.repository}:build-{key[:_KEY_LENGTH]}"

    def labels(self, created: str) -> dict[str, str]:
        """The image's labels.

        Ours are `estiva.build.*`: containers inherit their image's labels, and whoever starts one by hand from this image
        must not find it taken for a container of ours.
        """
        return {
            **dict(self.more_labels),
            "org.opencontainers.image.revision": self.commit,
            "org.opencontainers.image.source": self.source_url,
            "org.opencontainers.image.created": created,
            "estiva.build.installation": self.identity.installation,
            "estiva.build.placement": str(self.identity.placement),
            "estiva.build.deployment": str(self.identity.deployment),
        }
