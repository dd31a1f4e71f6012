"""How a server was, over time."""

from django.db import models

from deployments.models.host import Host


class HostSample(models.Model):
    """What the checks of one stretch of time saw of a server: the worst of it. Written by `deployments.host_samples` only.

    Stretches are of five minutes, kept for two days, and of an hour, kept for sixty: so each server has a bounded number of rows.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="samples")
    is_hourly = models.BooleanField()
    at = models.DateTimeField()  # when the stretch began
    looks = models.PositiveIntegerField(default=0)
    reached = models.PositiveIntegerField(default=0)
    disk_free = models.BigIntegerField(null=True)  # bytes
    disk_total = models.BigIntegerField(null=True)
    memory_free = models.BigIntegerField(null=True)  # bytes that programs may still take
    memory_total = models.BigIntegerField(null=True)
    load = models.FloatField(null=True)  # over one minute
    cores = models.PositiveIntegerField(null=True)  # processors that are online

    class Meta:
        ordering = ("at",)
        constraints = (models.UniqueConstraint(fields=("host", "is_hourly", "at"), name="one_sample_each"),)
