"""Terminals: what an Operation of that kind is about, and everything that stood on its screen."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from deployments.models.application import Release
from deployments.models.operation import Operation


class Terminal(models.Model):
    """A program with a terminal in a running container; numbered as its Operation, whose status is its own.

    `outcome` is written when its end was seen: `{"status", "what", "why", "remedy"}`. What is typed is never kept.
    """

    class End(models.TextChoices):
        """Who or what ended it."""

        ITSELF = "itself", _("the program ended")
        PERSON = "person", _("ended by a click")
        SIGNED_OUT = "signed_out", _("signed out")
        RIGHTS = "rights", _("access taken")
        IDLE = "idle", _("nothing was typed")
        LIMIT = "limit", _("its time was over")
        FULL = "full", _("its record was full")
        CONTAINER = "container", _("the container stopped")
        LOST = "lost", _("the connection was lost")
        WORKER = "worker", _("the worker went away")
        FAILED = "failed", _("it could not be opened")

    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, primary_key=True, related_name="terminal")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="terminals")
    host_name = models.CharField(max_length=63)
    container_id = models.CharField(max_length=64)
    container_name = models.CharField(max_length=300)
    command = models.JSONField(default=list)  # word by word
    session_epoch = models.PositiveIntegerField()  # of who asked: raised since, they are signed out everywhere
    exec_id = models.CharField(max_length=64, blank=True)  # the engine's, written before the program is started
    begun_at = models.DateTimeField(null=True)  # about to be started
    end_requested_at = models.DateTimeField(null=True)
    end_requested_why = models.CharField(max_length=12, choices=End.choices, blank=True)
    ended_by_name = models.CharField(max_length=120, blank=True)
    ended_how = models.CharField(max_length=12, choices=End.choices, blank=True)
    exit_code = models.IntegerField(null=True)
    outcome = models.JSONField(default=dict)
    last_piece = models.PositiveBigIntegerField(default=0)
    record_bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ("-operation",)

    def __str__(self) -> str:
        return f"terminal {self.pk}"


class TerminalChunk(models.Model):
    """Consecutive pieces of what one wrote; append-only. `lines` is what `deployments.live` encodes, a piece a line."""

    terminal = models.ForeignKey(Terminal, on_delete=models.PROTECT, related_name="chunks")
    first_line = models.PositiveBigIntegerField()
    last_line = models.PositiveBigIntegerField()
    fence = models.PositiveBigIntegerField()
    lines = models.TextField()

    class Meta:
        ordering = ("terminal", "first_line")
        constraints = (models.UniqueConstraint(fields=("terminal", "first_line"), name="one_terminal_chunk_each"),)
