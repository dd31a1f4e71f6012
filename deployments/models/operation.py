"""Any other short work on a Host that somebody (or the reconciler) asked for."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from deployments.models.application import Placement
from deployments.models.host import Host
from deployments.states import OPERATION_OPEN, OperationStatus


class Operation(models.Model):
    """A lease, a deadline, steps and an outcome, like a Target.

    `steps` is a list of `{"key", "status": waiting|running|good|bad|warn, "title", "message", "remedy", "seconds"}`, rewritten
    whole under the fence; `result` depends on the kind and is documented where it is made (`worker.operations`).
    """

    class Kind(models.TextChoices):
        """What is done."""

        MEET = "meet", _("Getting to know a server")  # resolve, port, host key; stops for the admin's confirmation
        CHECK = "check", _("Check of a server")  # login, socket, engine, disk, clock
        PLAN = "plan", _("Plan")
        REPOSITORY = "repository", _("Look at a repository")  # host key, branches, commits of one, what project it is
        REGISTRY = "registry", _("Test of a registry")  # through a server's engine: sign in, look an image up
        TAGS = "tags", _("Look at an image's tags")
        ROOM = "room", _("Look at what a server holds")  # containers, images, volumes, networks, disk
        CONTAINER = "container", _("Act on a container")  # start, stop, restart, remove
        FOLLOW = "follow", _("Follow a container")  # its log, or what all of a server's take; while somebody looks
        IMAGES = "images", _("Removal of unused images")
        RUN = "run", _("Run of a command")  # in a new container of a Release: `OneOffRun` has the rest
        TERMINAL = "terminal", _("Terminal into a container")  # `Terminal` has the rest
        ADOPT = "adopt", _("Adoption of what runs")  # a new Release of what was changed by hand: `deployments.adopting`
        SETTLE = "settle", _("Taking a server as it is")  # what a Deployment left in doubt: `deployments.attention`
        ROTATE = "rotate", _("Replacement of a server's key")  # new one let in, tried, taken over; old one taken out

    kind = models.CharField(max_length=16, choices=Kind.choices)
    host = models.ForeignKey(Host, on_delete=models.PROTECT, null=True, related_name="operations")
    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, null=True, related_name="operations")
    repository = models.ForeignKey(
        "deployments.Repository", on_delete=models.CASCADE, null=True, related_name="operations"
    )
    registry = models.ForeignKey("deployments.Registry", on_delete=models.CASCADE, null=True, related_name="operations")
    status = models.CharField(max_length=16, choices=OperationStatus.choices, default=OperationStatus.QUEUED)
    fence = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    holder = models.CharField(max_length=120, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    hinted_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField()
    request = models.JSONField(default=dict)
    steps = models.JSONField(default=list)
    result = models.JSONField(default=dict)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    requested_by_name = models.CharField(max_length=120, blank=True)  # "" when the reconciler asked
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=("status", "lease_until"), condition=Q(status__in=sorted(OPERATION_OPEN)), name="operation_open"
            ),
            models.Index(fields=("host", "kind", "-id"), name="operation_host"),
        )

    @property
    def is_open(self) -> bool:
        """Waiting, or under way."""
        return self.status in OPERATION_OPEN


class WorkerProcess(models.Model):
    """A worker or reconciler that beats; forgotten after a day of silence."""

    name = models.CharField(max_length=120, unique=True)
    role = models.CharField(max_length=16)  # deploy, look, reconciler
    version = models.CharField(max_length=32, blank=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    busy = models.PositiveIntegerField(default=0)
    capacity = models.PositiveIntegerField(default=0)
    engine_id = models.CharField(
        max_length=400, blank=True
    )  # of the engine beside it, where its operator lets it use one
    engine = models.JSONField(default=dict)  # {name, version, socket, whole}, see `deployments.engines`
    measured = models.JSONField(
        null=True
    )  # what it has counted since it began: `deployments.measures`; null of an earlier version

    class Meta:
        ordering = ("name",)
