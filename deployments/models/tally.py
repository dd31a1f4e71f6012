"""Counts that outlive every process. Written by `deployments.tallies` only."""

from django.db import models


class Tally(models.Model):
    """How often something has happened in this installation, how many seconds it took in all, and when it last did."""

    name = models.CharField(max_length=32)
    label = models.CharField(max_length=32, blank=True)
    times = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0.0)
    last_at = models.DateTimeField(null=True)  # null: before these counts were kept

    class Meta:
        ordering = ("name", "label")
        constraints = (models.UniqueConstraint(fields=("name", "label"), name="one_tally_each"),)
