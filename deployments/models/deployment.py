"""Runs, their share on each server, and their log. Written by `requests`, `claims`, `endings` and `worker.recorder` only."""

from django.conf import settings as django_settings  # a field below is called settings too
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from deployments.models.application import Placement, Release
from deployments.models.host import Host
from deployments.states import DEPLOYMENT_OPEN, TARGET_HELD, TARGET_OPEN, DeploymentStatus, TargetStatus


class Plan(models.Model):
    """What a click would change, computed before it. `hosts` and `changes` are as `deployments.plan` documents them."""

    class Automatic(models.TextChoices):
        """Where a Plan that a push or a program asked for stands; "" for a person's, which waits for the click."""

        WAITING = "waiting", _("Deploys once it is worked out")
        DEPLOYED = "deployed", _("Deployed")
        SUPERSEDED = "superseded", _("Superseded")
        DROPPED = "dropped", _("Not deployed")  # refused, or nothing would change: its deliveries say why

    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, related_name="plans")
    placement_version = models.PositiveIntegerField()
    of_release = models.ForeignKey(
        Release, on_delete=models.CASCADE, null=True, related_name="+"
    )  # a rollback or redeploy
    secrets_of_release = models.BooleanField(default=False)  # the rollback's other choice: the secrets as they were
    operation = models.OneToOneField("deployments.Operation", on_delete=models.CASCADE, related_name="plan")
    is_ready = models.BooleanField(default=False)
    fingerprint = models.CharField(max_length=64, blank=True)
    image = models.CharField(max_length=400, blank=True)
    tag = models.CharField(max_length=128, blank=True)
    digest = models.CharField(max_length=80, blank=True)
    settings = models.JSONField(default=dict)
    variables = models.JSONField(default=list)
    source = models.JSONField(default=dict)  # what was resolved: `deployments.sources`
    commits = models.JSONField(default=list)  # those since what runs, newest first
    build_anew = models.BooleanField(default=False)  # without the builder's cache
    wanted = models.JSONField(default=dict)  # in place of what is set: `deployments.sources.overlaid`
    automatic = models.CharField(max_length=10, choices=Automatic.choices, blank=True)
    automatic_by = models.CharField(max_length=120, blank=True)  # whom its Deployment is recorded for
    automatic_note = models.CharField(max_length=500, blank=True)  # of its Deployment
    automatic_said = models.CharField(max_length=600, blank=True)  # why it was not deployed
    webhook = models.ForeignKey("deployments.Webhook", on_delete=models.SET_NULL, null=True, related_name="+")
    token = models.ForeignKey("deployments.AccessToken", on_delete=models.SET_NULL, null=True, related_name="+")
    changes = models.JSONField(default=list)
    hosts = models.JSONField(default=list)
    created_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = (models.Index(fields=("id",), condition=Q(automatic="waiting"), name="plan_waiting"),)


class Deployment(models.Model):
    """One run that brings a Release to a Placement. Its id is its number on screen."""

    class Kind(models.TextChoices):
        """What was asked for."""

        DEPLOY = "deploy", _("Deploy")
        REDEPLOY = "redeploy", _("Redeploy")
        ROLLBACK = "rollback", _("Rollback")

    class Restore(models.TextChoices):
        """Whether servers that a stopped Deployment had switched get back what they had."""

        DUE = "due", _("To come")
        DONE = "done", _("Asked for")
        LEFT = "left", _("Left, since another deploy follows")

    placement = models.ForeignKey(Placement, on_delete=models.PROTECT, related_name="deployments")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="deployments")
    previous_release = models.ForeignKey(Release, on_delete=models.PROTECT, null=True, related_name="+")
    plan = models.ForeignKey(Plan, on_delete=models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.DEPLOY)
    status = models.CharField(max_length=24, choices=DeploymentStatus.choices, default=DeploymentStatus.QUEUED)
    note = models.CharField(max_length=500, blank=True)
    changes = models.JSONField(default=list)  # the Plan's, as they were
    commits = models.JSONField(default=list)  # the Plan's
    application_name = models.CharField(max_length=40)
    environment_name = models.CharField(max_length=32)
    requested_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    requested_by_name = models.CharField(max_length=120)
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    cancelled_by_name = models.CharField(max_length=120, blank=True)
    rollout = models.JSONField(default=dict)  # the Placement's, as it was; {}: all at once
    wave = models.PositiveSmallIntegerField(default=0)  # the highest whose Targets may begin
    gate = models.CharField(max_length=8, blank=True)  # what the next wave waits for: "", "person" or "minutes"
    gate_text = models.CharField(max_length=300, blank=True)  # why a person is asked after all
    gate_opens_at = models.DateTimeField(null=True)
    halted = models.CharField(max_length=300, blank=True)  # why no further wave begins
    restore = models.CharField(max_length=8, choices=Restore.choices, blank=True)
    restores = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="restored_by")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("placement",), condition=Q(status=DeploymentStatus.RUNNING), name="one_running_deployment"
            ),
        )
        indexes = (
            models.Index(fields=("placement", "-id"), name="deployment_placement"),
            models.Index(fields=("status", "-id"), name="deployment_status"),
            models.Index(fields=("requested_by", "-id"), name="deployment_person"),
            models.Index(fields=("requested_at", "status", "placement"), name="deployment_time"),
            models.Index(fields=("application_name", "-id"), name="deployment_application"),
            models.Index(fields=("environment_name", "-id"), name="deployment_environment"),
            models.Index(fields=("requested_by_name", "-id"), name="deployment_asker"),
            models.Index(fields=("id",), condition=Q(status__in=sorted(DEPLOYMENT_OPEN)), name="deployment_open"),
        )

    def __str__(self) -> str:
        return f"#{self.pk}"


class Target(models.Model):
    """One host's share of a Deployment: what is claimed, leased and fenced.

    Where an image has to be built first, one more Target of the role BUILD does that on the builder; the others wait for it.
    `outcome` is the last `engine.events.Ended` as JSON: what, why, remedy, failed_step, exit_code, remains.
    """

    class Role(models.TextChoices):
        """What is done on the host."""

        BUILD = "build", _("Build")
        DEPLOY = "deploy", _("Deploy")

    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="targets")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.DEPLOY)
    placement = models.ForeignKey(Placement, on_delete=models.PROTECT, related_name="targets")
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="targets")
    host_name = models.CharField(max_length=63)
    wave = models.PositiveSmallIntegerField(default=0)
    replaced = models.ForeignKey(
        Release, on_delete=models.PROTECT, null=True, related_name="+"
    )  # what ran there before
    status = models.CharField(max_length=24, choices=TargetStatus.choices, default=TargetStatus.QUEUED)
    fence = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    holder = models.CharField(max_length=120, blank=True)  # the worker's name
    attempts = models.PositiveSmallIntegerField(default=0)  # claims so far
    leases_lost = models.PositiveSmallIntegerField(default=0)  # attempts whose worker went silent
    connections_lost = models.PositiveSmallIntegerField(default=0)  # attempts that the worker handed back for this
    not_before = models.DateTimeField(null=True)  # back-off after a lost connection
    hinted_at = models.DateTimeField(null=True)
    touched = models.BooleanField(default=False)  # the engine said Mutated
    stalled_reason = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    outcome = models.JSONField(default=dict)
    gap_seconds = models.FloatField(null=True)
    serving_release = models.PositiveIntegerField(null=True)
    published = models.JSONField(default=list)
    last_line = models.PositiveBigIntegerField(default=0)
    log_bytes = models.PositiveBigIntegerField(default=0)
    log_cut_at = models.PositiveBigIntegerField(null=True)  # the line after which keeping stopped
    heard = models.JSONField(
        null=True
    )  # {"fence", "lines": how many of its lines each container, by ID, has in the log}

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("deployment", "host", "role"), name="one_target_each"),
            models.UniqueConstraint(
                fields=("placement", "host"),
                condition=Q(status__in=sorted(TARGET_HELD), role="deploy"),
                name="one_running_target",
            ),
            models.UniqueConstraint(fields=("deployment",), condition=Q(role="build"), name="one_build_each"),
        )
        indexes = (
            models.Index(
                fields=("status", "lease_until"), condition=Q(status__in=sorted(TARGET_OPEN)), name="target_open"
            ),
            models.Index(fields=("host", "-id"), name="target_host"),
            models.Index(fields=("host_name", "-deployment"), name="target_server"),
            models.Index(fields=("placement", "host", "ended_at"), name="target_when"),
        )

    def __str__(self) -> str:
        return f"target {self.pk} on {self.host_name}"

    @property
    def label(self) -> str:
        """What its lines are addressed by: the server's name, `build` for the build, whose server may also be deployed to."""
        return str(self.Role.BUILD) if self.role == self.Role.BUILD else self.host_name


class Step(models.Model):
    """A step of a Target's attempt."""

    class Status(models.TextChoices):
        """How the step stands."""

        RUNNING = "running", _("Running")
        GOOD = "good", _("Done")
        BAD = "bad", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        SKIPPED = "skipped", _("Nothing to do")
        BROKEN_OFF = "broken_off", _("Broken off")  # the worker went away

    target = models.ForeignKey(Target, on_delete=models.PROTECT, related_name="steps")
    fence = models.PositiveBigIntegerField()
    key = models.CharField(max_length=24)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.RUNNING)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    message = models.TextField(blank=True)
    first_line = models.PositiveBigIntegerField(default=0)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    label = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("id",)


class LogChunk(models.Model):
    """A run of consecutive lines of one Target; append-only. `lines` is what `deployments.live` encodes."""

    target = models.ForeignKey(Target, on_delete=models.PROTECT, related_name="chunks")
    first_line = models.PositiveBigIntegerField()
    last_line = models.PositiveBigIntegerField()
    fence = models.PositiveBigIntegerField()
    lines = models.TextField()

    class Meta:
        ordering = ("target", "first_line")
        constraints = (models.UniqueConstraint(fields=("target", "first_line"), name="one_chunk_each"),)
