"""Rows → what a build takes: the repository, the commit, the settings, the builder, its secrets opened."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deployments import releases
from deployments.models import Repository, Target
from worker.brief import (
    CannotBrief,
    HostConnection,
    host_connection,
    installation_name,
    open_secrets,
    secrets_of,
    with_registries,
)
from worker.engine.build_spec import BuildIdentity, BuildSpec
from worker.engine.dockerfile import base_images
from worker.engine.spec import Secret
from worker.git_servers import git_server
from worker.git_servers import secrets_of as git_secrets_of
from worker.sources.shapes import ContextOptions, GitServer

COMMIT_ARGUMENTS: Final = ("COMMIT", "SOURCE_COMMIT")


@dataclass(frozen=True, slots=True)
class BuildBrief:
    """One build Target's work. `build_secrets` are by the id that the Dockerfile mounts them under."""

    repository: int
    server: GitServer
    source: Mapping[str, Any]
    identity: BuildIdentity
    connection: HostConnection
    build_secrets: Mapping[str, Secret]
    secrets: tuple[Secret, ...] = field(default=())

    @property
    def settings(self) -> Mapping[str, Any]:
        """As `build_settings` normalises them."""
        settings: Mapping[str, Any] = self.source["build"]
        return settings

    @property
    def commit(self) -> str:
        """40 hex digits."""
        return str(self.source["commit"])

    @property
    def options(self) -> ContextOptions:
        """What of the commit is sent."""
        return context_options(self.settings)

    def spec(self, dockerfile_text: str) -> BuildSpec:
        """The engine's input. `dockerfile_text` is what the Dockerfile says, wherever it is kept."""
        settings = self.settings
        parts = {name: settings[name] for name in ("subdirectory", "submodules", "lfs")}
        return BuildSpec(
            identity=self.identity,
            commit=self.commit,
            source_url=str(self.source["url"]),
            dockerfile_text=dockerfile_text,
            dockerfile=settings["dockerfile"],
            context_id=json.dumps(parts, sort_keys=True),
            target=settings["target"],
            args=self._arguments(),
            secrets=self.build_secrets,
            platform=settings["platform"],
            no_cache="anew" in self.source,
            memory=settings["memory"],
            cpus=settings["cpus"],
            deadline=float(settings["deadline"]),
            registry_auth=self.connection.keychain.by_host(
                base_images(dockerfile_text, dict(self._arguments()), settings["target"])
            ),
            host_name=self.connection.address.host_name,
        )

    def _arguments(self) -> tuple[tuple[str, str], ...]:
        """What was set, and the commit under the names that people use for it; a Dockerfile without such an ARG takes no
        note of it."""
        given = {each["name"]: each["value"] for each in self.settings["args"]}
        return tuple({**dict.fromkeys(COMMIT_ARGUMENTS, self.commit), **given}.items())


def build_brief(target_id: int, fence: int) -> BuildBrief:
    """Everything about one build Target. `CannotBrief` when something is missing."""
    target = Target.objects.select_related(
        "deployment__release", "placement__application", "placement__environment", "host"
    ).get(pk=target_id)
    release = target.deployment.release
    repository = Repository.objects.filter(application=target.placement.application_id).first()
    if repository is None or repository.url != release.source.get("url"):
        raise CannotBrief(
            f"The repository {release.source.get('url')} is not this application's any more.",
            "Plan and deploy again, from the repository it has now.",
        )
    server, connection = git_server(repository), with_registries(host_connection(target.host), None)
    values = _values(release.variables, open_secrets([release]))
    named = {row["id"]: row["variable"] for row in release.source["build"]["secrets"]}
    lacking = sorted({name for name in named.values() if name not in values})
    if lacking:
        raise CannotBrief(
            f"The build reads {', '.join(lacking)}, which is not among the variables of this Release.",
            "Set it among the variables, or take it out of the build secrets; then deploy again.",
        )
    build_secrets = {secret_id: values[name] for secret_id, name in named.items()}
    identity = BuildIdentity(
        installation=installation_name(),
        placement=target.placement_id,
        placement_name=releases.placement_name(target.placement),
        deployment=target.deployment_id,
        target=target.pk,
        fence=fence,
    )
    known = (*build_secrets.values(), *git_secrets_of(server), *secrets_of(connection))
    return BuildBrief(repository.pk, server, release.source, identity, connection, build_secrets, known)


def context_options(settings: Mapping[str, Any]) -> ContextOptions:
    """From build settings."""
    return ContextOptions(
        subdirectory=settings["subdirectory"],
        dockerfile=settings["dockerfile"],
        dockerfile_text=settings["dockerfile_text"],
        submodules=settings["submodules"],
        lfs=settings["lfs"],
    )


def _values(variables: list[Mapping[str, Any]], opened: Mapping[int, Secret]) -> dict[str, Secret]:
    values = {}
    for each in variables:
        if "secret" not in each:
            values[each["name"]] = Secret(str(each["value"]))
        elif each["secret"] in opened:
            values[each["name"]] = opened[each["secret"]]
    return values
