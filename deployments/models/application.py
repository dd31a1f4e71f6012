"""What is deployed, and where it belongs."""

from typing import Any

from django.conf import settings as django_settings  # a field below is called settings too
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from deployments.models.host import Host
from deployments.sealing import SealedField


class Environment(models.Model):
    """staging, production, …: ordered."""

    name = models.SlugField(_("name"), max_length=32, unique=True)
    position = models.PositiveIntegerField(default=0)
    is_production = models.BooleanField(_("production"), default=False)  # asks twice before a change
    builder = models.ForeignKey(
        Host, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )  # None: a Placement's first server builds
    allows_terminal = models.BooleanField(_("terminals"), default=False)  # admins may open one into a container
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("position", "id")

    def __str__(self) -> str:
        return self.name


class Application(models.Model):
    """What is deployed. Its name enters container names: lower case, digits, single dashes."""

    name = models.SlugField(_("name"), max_length=40, unique=True)
    description = models.CharField(_("description"), max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Placement(models.Model):
    """An Application in an Environment: its source, hosts, settings, variables, strategy."""

    class Source(models.TextChoices):
        """What a Release is made from."""

        IMAGE = "image", _("An image from a registry")
        GIT = "git", _("A Git repository with a Dockerfile")
        COMPOSE = "compose", _("A Compose file")

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="placements")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="placements")
    hosts = models.ManyToManyField(Host, through="PlacementHost", related_name="placements")
    source = models.CharField(_("source"), max_length=8, choices=Source.choices, default=Source.IMAGE)
    image = models.CharField(_("image"), max_length=400, blank=True)  # as typed, validated by image_reference
    build = models.JSONField(default=dict)  # normalised by build_settings; {} unless the source is git
    compose = models.JSONField(default=dict)  # normalised by compose_settings; {} unless the source is compose
    settings = models.JSONField(default=dict)  # normalised by container_settings
    rollout = models.JSONField(default=dict)  # normalised by rollout_settings; {}: all at once
    keep_releases = models.PositiveSmallIntegerField(_("releases kept"), default=5)
    url = models.URLField(_("address"), max_length=300, blank=True)  # where the running application answers
    version = models.PositiveIntegerField(default=1)  # raised by every change of settings, hosts or variables
    next_release = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("application__name", "environment__position")
        constraints = (models.UniqueConstraint(fields=("application", "environment"), name="one_placement_each"),)

    def __str__(self) -> str:
        return f"{self.application} · {self.environment}"


class PlacementHost(models.Model):
    """A Placement on one Host. Never deleted: the fence must only grow."""

    placement = models.ForeignKey(Placement, on_delete=models.PROTECT, related_name="seats")
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="seats")
    is_active = models.BooleanField(default=True)  # False once the server was taken out of the Placement
    fence = models.PositiveBigIntegerField(default=0)
    running_release = models.ForeignKey("deployments.Release", on_delete=models.PROTECT, null=True, related_name="+")
    running_target = models.ForeignKey("deployments.Target", on_delete=models.PROTECT, null=True, related_name="+")
    owed = models.ForeignKey(
        "deployments.Release", on_delete=models.PROTECT, null=True, related_name="+"
    )  # missed while away
    running_since = models.DateTimeField(null=True)
    observed = models.JSONField(default=dict)  # engine.events.Observed as last seen
    drift = models.CharField(max_length=300, blank=True)  # what differs from the record, in words; "" when nothing does
    drift_at = models.DateTimeField(null=True)
    difference = models.JSONField(default=dict)  # the same piece by piece, ignored or not: `deployments.drifting`
    ignored = models.JSONField(default=dict)  # the one that somebody ignores: {fingerprint, words, reason, by, at}
    # Made by hand on a server: {operation, server, host, container, note, changes}
    adopted = models.JSONField(default=dict)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("placement", "host"), name="one_seat_each"),)


class Variable(models.Model):
    """One environment variable of a Placement: plain, or a secret whose versions are sealed."""

    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, related_name="variables")
    name = models.CharField(max_length=200)
    is_secret = models.BooleanField(default=False)
    value = models.TextField(blank=True)  # empty for a secret
    secret_version = models.ForeignKey("SecretVersion", on_delete=models.PROTECT, null=True, related_name="+")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("position", "id")
        constraints = (models.UniqueConstraint(fields=("placement", "name"), name="one_variable_each"),)


class SecretVersion(models.Model):
    """One value that a secret of a Placement, or of a shared set, had. Destroyed (sealed set to null) when that is deleted."""

    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, null=True, related_name="secret_versions")
    variable_set = models.ForeignKey(
        "deployments.VariableSet", on_delete=models.CASCADE, null=True, related_name="secret_versions"
    )
    name = models.CharField(max_length=200)
    number = models.PositiveIntegerField()
    sealed = SealedField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("placement", "name", "number"), name="one_secret_version_each"),
            models.UniqueConstraint(fields=("variable_set", "name", "number"), name="one_shared_secret_version_each"),
            models.CheckConstraint(
                condition=models.Q(placement__isnull=False, variable_set__isnull=True)
                | models.Q(placement__isnull=True, variable_set__isnull=False),
                name="a_secret_version_has_one_owner",
            ),
        )


class Release(models.Model):
    """Immutable: image identity and all settings as they were.

    `source` is {} for an image from a registry, else as `deployments.sources` documents it; then `image_id`, or `digest`
    where it was pushed, and `built` are written once, by the build that made it.
    `variables` is a list of `{"name", "value"}` or `{"name", "secret": SecretVersion id, "number"}`, in order; a secret
    of a shared set also bears the set's name as "set".
    """

    placement = models.ForeignKey(Placement, on_delete=models.PROTECT, related_name="releases")
    number = models.PositiveIntegerField()
    image = models.CharField(max_length=400)  # the reference as it was typed
    tag = models.CharField(max_length=128, blank=True)
    digest = models.CharField(max_length=80, blank=True)
    image_id = models.CharField(max_length=80, blank=True)
    settings: "models.JSONField[Any, Any]" = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    variables = models.JSONField(default=list)
    source = models.JSONField(default=dict)
    built = models.JSONField(default=dict)
    repeats = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="+"
    )  # this one, with newer secrets
    created_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_by_name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    lost_secrets = models.JSONField(default=list)  # names whose versions were destroyed since
    adopted = models.JSONField(
        default=dict
    )  # made by hand on a server: {operation, server, host, container, note, changes}

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=("placement", "number"), name="one_release_number_each"),)

    def __str__(self) -> str:
        return f"release {self.number}"
