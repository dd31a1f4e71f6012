"""Servers."""

from typing import Final

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from deployments.sealing import SealedField
from deployments.states import HostState

TRUSTED: Final = ~Q(host_key="") | Q(way="beside", retired_at=None)
"""The servers that `Host.is_trusted` says yes of."""


class Host(models.Model):
    """A registered server ("server" on screen). Retired, never deleted."""

    class KeyStage(models.TextChoices):
        """Which one the spare key is."""

        NEXT = "next", _("the next one, not tried yet")
        OLD = "old", _("the old one, still let in")

    class Way(models.TextChoices):
        """How it is reached."""

        SSH = "ssh", _("over SSH")
        BESIDE = "beside", _("beside a worker")  # over the engine's socket, by the workers on that very machine

    name = models.CharField(_("name"), max_length=63, unique=True)
    way = models.CharField(max_length=8, choices=Way.choices, default=Way.SSH)
    engine_id = models.CharField(max_length=400, blank=True)  # of one beside a worker: what the worker knows it by
    builds_only = models.BooleanField(
        default=False
    )  # its worker is in a container, and reaches no other container there
    address = models.CharField(_("address"), max_length=253)
    port = models.PositiveIntegerField(_("port"), default=22)
    user = models.CharField(_("user"), max_length=64, default="root")
    via = models.ForeignKey(
        "self", verbose_name=_("through"), on_delete=models.PROTECT, null=True, related_name="behind"
    )  # the server from which the address is reached; null where the workers reach it
    docker_socket = models.CharField(_("Docker socket"), max_length=255, default="/var/run/docker.sock")

    # credential: the public half is shown, the private half only the worker opens
    public_key = models.TextField(blank=True)
    private_key = SealedField(null=True)
    passphrase = SealedField(null=True)

    # another credential, while one takes the other's place: the next one, or the old one that is still to be taken out there
    key_stage = models.CharField(max_length=8, blank=True, choices=KeyStage.choices)
    spare_public_key = models.TextField(blank=True)
    spare_private_key = SealedField(null=True)

    # trust
    host_key_type = models.CharField(max_length=64, blank=True)
    host_key = models.TextField(blank=True)  # base64 of the pinned key
    trusted_at = models.DateTimeField(null=True)
    trusted_by_name = models.CharField(max_length=120, blank=True)
    offered_key_type = models.CharField(max_length=64, blank=True)  # what it showed last, while not trusted
    offered_key = models.TextField(blank=True)

    # what was seen, by whom is in the audit trail
    state = models.CharField(max_length=16, choices=HostState.choices, default=HostState.NEW)
    state_text = models.TextField(blank=True)
    state_since = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    engine_version = models.CharField(max_length=64, blank=True)
    api_version = models.CharField(max_length=16, blank=True)
    os_type = models.CharField(max_length=16, blank=True)
    architecture = models.CharField(max_length=32, blank=True)
    disk_free = models.BigIntegerField(null=True)  # bytes
    disk_total = models.BigIntegerField(null=True)
    clock_skew = models.FloatField(null=True)  # seconds, positive when the server is ahead
    containers = models.JSONField(
        default=list
    )  # what Estiva runs there, as last seen: [{id, name, release, placement, state, image, since}], `service` of Compose, `beside`

    ignored_containers = models.JSONField(default=list)  # unknown ones of ours: [{id, name, reason, by, at}]

    builds_at_once = models.PositiveSmallIntegerField(_("builds at once"), default=1)

    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True)
    drained_at = models.DateTimeField(null=True)  # nothing new is placed there, and plans leave it out
    drained_by_name = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=("engine_id",), condition=Q(way="beside", retired_at=None), name="one_server_per_engine"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def engine_name(self) -> str:
        """Product and version, for people; "" while nothing is known. Another product than Docker is kept with its name."""
        known = self.engine_version
        return f"Docker {known}" if known[:1].isdigit() else known

    @property
    def is_beside(self) -> bool:
        """It is a worker's own machine, reached without SSH."""
        return self.way == self.Way.BESIDE

    @property
    def is_trusted(self) -> bool:
        """A host key is pinned; or there is none, since an admin added the engine beside a worker."""
        return bool(self.host_key) or (self.is_beside and self.retired_at is None)
