"""A server that a Deployment left in doubt, and what was done about it. Written by `deployments.attention` only."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from deployments.models.application import Placement, Release
from deployments.models.deployment import Deployment, Target
from deployments.models.host import Host


class Attention(models.Model):
    """One for each Target that ended as needing attention: its row stays as it ended, and this says how it was dealt with.

    `sight` is what was last seen there as `deployments.sights` documents it, {} before the first look.
    """

    class Way(models.TextChoices):
        """How it was dealt with; "" while nobody has."""

        RESUME = "resume", _("Resumed")
        RESTORE = "restore", _("Restored")
        AS_IS = "as_is", _("Taken as it is")
        LATER = "later", _("Settled by a later deployment")

    target = models.OneToOneField(Target, on_delete=models.PROTECT, related_name="attention")
    placement = models.ForeignKey(Placement, on_delete=models.PROTECT, related_name="+")
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    sight = models.JSONField(default=dict)
    seen_at = models.DateTimeField(null=True)
    way = models.CharField(max_length=8, choices=Way.choices, blank=True)
    dealt_at = models.DateTimeField(null=True)
    dealt_by_name = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    dealt_with = models.ForeignKey(Deployment, on_delete=models.PROTECT, null=True, related_name="deals_with")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, null=True, related_name="+")  # recorded as running

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("placement", "host"), condition=Q(way=""), name="one_open_attention"),
        )
        indexes = (models.Index(fields=("host", "-id"), name="attention_host"),)

    def __str__(self) -> str:
        return f"attention on {self.target}"

    @property
    def is_open(self) -> bool:
        """Nobody has dealt with it."""
        return not self.way
