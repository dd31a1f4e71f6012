"""Rows → what a build Target of a Compose application takes: files and variables, repository and commit, the builder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployments import compose_settings, releases
from deployments.models import Repository, Target
from worker.brief import (
    NO_TARGET,
    CannotBrief,
    HostConnection,
    host_connection,
    installation_name,
    secrets_of,
    with_registries,
)
from worker.build_brief import COMMIT_ARGUMENTS
from worker.compose_brief import composition, open_variables
from worker.engine.build_spec import BuildIdentity, BuildSpec
from worker.engine.compose.builds import ServiceBuild
from worker.engine.compose.spec import ComposeSpec
from worker.engine.dockerfile import base_images
from worker.engine.spec import Identity, Secret
from worker.git_servers import git_server
from worker.git_servers import secrets_of as git_secrets_of
from worker.sources.shapes import ContextOptions, GitServer


@dataclass(frozen=True, slots=True)
class ComposeBuildBrief:
    """One build Target's work. `compose` is there to resolve the model, nothing is brought up."""

    repository: int
    server: GitServer
    source: Mapping[str, Any]
    identity: BuildIdentity
    compose: ComposeSpec
    connection: HostConnection
    secrets: tuple[Secret, ...] = field(default=())

    @property
    def settings(self) -> Mapping[str, Any]:
        """As `compose_settings` normalises them."""
        return {**compose_settings.defaults(), **self.source["compose"]}

    @property
    def ref(self) -> str:
        """The branch, tag or commit that was asked for."""
        return str(self.settings["ref"])

    @property
    def commit(self) -> str:
        """40 hex digits."""
        return str(self.source["commit"])

    def options(self, build: ServiceBuild) -> ContextOptions:
        """What of the commit is sent for one image."""
        settings = self.settings
        return ContextOptions(build.folder, build.dockerfile, build.text, settings["submodules"], settings["lfs"])

    def spec(self, build: ServiceBuild, dockerfile_text: str) -> BuildSpec:
        """The engine's input for one image."""
        settings = self.settings
        parts = {"subdirectory": build.folder, "submodules": settings["submodules"], "lfs": settings["lfs"]}
        given = dict(build.args)
        return BuildSpec(
            identity=self.identity,
            commit=self.commit,
            source_url=str(self.source["url"]),
            dockerfile_text=dockerfile_text,
            dockerfile=build.dockerfile,
            context_id=json.dumps(parts, sort_keys=True),
            target=build.target,
            more_labels=build.labels,
            args=tuple({**dict.fromkeys(COMMIT_ARGUMENTS, self.commit), **given}.items()),
            secrets={name: Secret(text) for name, text in build.secrets},
            platform=build.platform,
            no_cache=build.no_cache or "anew" in self.source,
            memory=settings["memory"],
            cpus=settings["cpus"],
            deadline=float(settings["deadline"]),
            registry_auth=self.connection.keychain.by_host(base_images(dockerfile_text, given, build.target)),
            host_name=self.connection.address.host_name,
        )


def compose_build_brief(target_id: int, fence: int) -> ComposeBuildBrief:
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
    opened = open_variables([release.variables])
    wanted = composition(release.number, release.source, release.variables, opened, release.source.get("images", {}))
    if wanted.lost:
        raise CannotBrief(
            f"The value of {', '.join(wanted.lost)} was deleted after this Release was recorded.",
            "Set it again and deploy, or roll back with today's secret values.",
        )
    server, connection = git_server(repository), with_registries(host_connection(target.host), None)
    name = releases.placement_name(target.placement)
    whose = (installation_name(), target.placement_id, name)
    identity = BuildIdentity(*whose, target.deployment_id, target.pk, fence)
    project = releases.project_name(target.placement)
    spec = ComposeSpec(
        Identity(*whose, release.number, target.deployment_id, NO_TARGET, fence),
        project,
        wanted,
        host_name=target.host_name,
    )
    known = (*opened.values(), *git_secrets_of(server), *secrets_of(connection))
    return ComposeBuildBrief(repository.pk, server, release.source, identity, spec, connection, known)
