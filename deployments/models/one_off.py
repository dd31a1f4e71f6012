"""One-off runs: what an Operation of that kind is about, and everything that its command wrote."""

from django.db import models

from deployments.models.application import Release
from deployments.models.operation import Operation


class OneOffRun(models.Model):
    """A command in a new container of a Release; numbered as its Operation, whose status is its own.

    `outcome` is written when its end was seen, before its container goes: `{"status", "what", "why", "remedy"}`.
    """

    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, primary_key=True, related_name="one_off")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="runs")
    host_name = models.CharField(max_length=63)
    service = models.CharField(max_length=100, blank=True)  # of a Compose application
    command: "models.JSONField[list[str], list[str]]" = models.JSONField(default=list)  # word by word
    seconds = models.PositiveIntegerField()  # at most, from its start
    begun_at = models.DateTimeField(null=True)  # about to be started
    cancel_requested_at = models.DateTimeField(null=True)
    cancelled_by_name = models.CharField(max_length=120, blank=True)
    exit_code = models.IntegerField(null=True)
    outcome = models.JSONField(default=dict)
    last_line = models.PositiveBigIntegerField(default=0)
    heard = models.PositiveBigIntegerField(default=0)  # lines of its output that were seen to
    log_bytes = models.PositiveBigIntegerField(default=0)
    log_cut_at = models.PositiveBigIntegerField(null=True)  # the line after which keeping stopped

    class Meta:
        ordering = ("-operation",)

    def __str__(self) -> str:
        return f"run {self.pk}"


class RunChunk(models.Model):
    """Consecutive lines of one run; append-only. `lines` is what `deployments.live` encodes."""

    run = models.ForeignKey(OneOffRun, on_delete=models.PROTECT, related_name="chunks")
    first_line = models.PositiveBigIntegerField()
    last_line = models.PositiveBigIntegerField()
    fence = models.PositiveBigIntegerField()
    lines = models.TextField()

    class Meta:
        ordering = ("run", "first_line")
        constraints = (models.UniqueConstraint(fields=("run", "first_line"), name="one_run_chunk_each"),)
