"""Who did what, chained so that a missing or changed entry shows."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """One act, denied attempt or effect. Append-only; written by `deployments.audit` alone; names are copies."""

    class Outcome(models.TextChoices):
        """How it went."""

        DONE = "done", _("Done")
        DENIED = "denied", _("Denied")
        FAILED = "failed", _("Failed")

    number = models.PositiveBigIntegerField(unique=True)
    at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=120)  # "Estiva" for the reconciler
    address = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64)  # noun.verb: host.trust, deployment.request, …
    object_kind = models.CharField(max_length=32, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.DONE)
    message = models.TextField(blank=True)
    previous_mac = models.CharField(max_length=64)
    mac = models.CharField(max_length=64)

    class Meta:
        ordering = ("-number",)
        indexes = (
            models.Index(fields=("action", "-number"), name="audit_action"),
            models.Index(fields=("actor_id", "-number"), name="audit_actor"),
            models.Index(fields=("object_kind", "object_id", "-number"), name="audit_object"),
            models.Index(fields=("object_id", "-number"), name="audit_key"),
            models.Index(fields=("object_kind", "-number"), name="audit_kind"),
            models.Index(fields=("outcome", "-number"), name="audit_outcome"),
            models.Index(fields=("at",), name="audit_time"),
        )


class AuditHead(models.Model):
    """The newest entry's number and MAC: one row, locked last in every transaction that writes an entry."""

    number = models.PositiveBigIntegerField(default=0)
    mac = models.CharField(max_length=64, default="")
    head_mac = models.CharField(max_length=64, default="")  # HMAC over number and mac: removing the newest shows
