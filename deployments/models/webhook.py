"""Deploys on push: hooks, what was delivered to them, and what is told to the Git service of a deploy."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from deployments.models.application import Placement
from deployments.models.deployment import Deployment, Plan
from deployments.models.repository import Repository
from deployments.sealing import SealedField


class Webhook(models.Model):
    """An address that a Git service or a registry calls when something was pushed, and what that deploys."""

    class Kind(models.TextChoices):
        """Who calls, hence how its requests are signed and read."""

        GITHUB = "github", _("GitHub")
        GITLAB = "gitlab", _("GitLab")
        GITEA = "gitea", _("Gitea or Forgejo")
        REGISTRY = "registry", _("A registry")
        PLAIN = "plain", _("Anything else")

    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, related_name="webhooks")
    kind = models.CharField(_("who calls"), max_length=10, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=60)
    public_id = models.CharField(max_length=40, unique=True)  # in its address; can't be guessed, and is no secret
    secret = SealedField()  # with the field key: `deployments.field_key`
    secret_version = models.PositiveIntegerField(default=1)
    secret_at = models.DateTimeField()
    rules = models.JSONField(default=dict)  # deployments.webhooks.rules.Rules
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_by_name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)

    # Calls without its secret: counted, never listed, since anybody can make any number of them
    strangers = models.PositiveIntegerField(default=0)
    stranger_at = models.DateTimeField(null=True)
    stranger_address = models.CharField(max_length=64, blank=True)
    stranger_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("placement", "name"), name="one_webhook_name_each"),)

    def __str__(self) -> str:
        return f"{self.name} of {self.placement}"


class WebhookDelivery(models.Model):
    """One thing that was delivered; the newest 100 of a hook are kept.

    `push` is `deployments.webhooks.push.Push` as JSON, {} where there was none: enough to decide again. The body isn't kept.
    """

    class Verdict(models.TextChoices):
        """What became of it."""

        ACCEPTED = "accepted", _("Deploys")
        IGNORED = "ignored", _("Ignored")
        REFUSED = "refused", _("Refused")
        SUPERSEDED = "superseded", _("Superseded")  # a newer push came before this one's turn

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    delivery_id = models.CharField(max_length=128)
    proof = models.CharField(
        max_length=64, blank=True
    )  # the signature: the same content under another number has it too
    received_at = models.DateTimeField()
    address = models.CharField(max_length=64, blank=True)
    event = models.CharField(max_length=60, blank=True)
    verdict = models.CharField(max_length=12, choices=Verdict.choices)
    reason = models.CharField(max_length=600)
    summary = models.JSONField(default=dict)  # Push.summary
    push = models.JSONField(default=dict)
    repeats = models.PositiveIntegerField(default=0)  # times that it came again and nothing was done
    again_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")
    sent_again_by_name = models.CharField(max_length=120, blank=True)
    plan = models.ForeignKey(Plan, on_delete=models.SET_NULL, null=True, related_name="+")
    deployment = models.ForeignKey(Deployment, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "webhook deliveries"
        constraints = (
            models.UniqueConstraint(fields=("webhook", "delivery_id"), name="one_delivery_each"),
            models.UniqueConstraint(
                fields=("webhook", "proof"), condition=~Q(proof=""), name="one_delivery_each_content"
            ),
        )


class CommitStatus(models.Model):
    """What the Git service is to be told of a Deployment: an outbox, emptied by the worker. One row a state."""

    class State(models.TextChoices):
        """What is told."""

        PENDING = "pending", _("Deploying")
        SUCCESS = "success", _("Succeeded")
        FAILURE = "failure", _("Failed")

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="commit_statuses")
    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="+")  # whose token is used
    repository_url = models.CharField(max_length=500)  # as it was: a token never goes to a new address by an old row
    kind = models.CharField(max_length=10)
    api = models.CharField(max_length=500)
    path = models.CharField(max_length=400)  # owner/name
    commit = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State.choices)
    context = models.CharField(max_length=120)
    description = models.CharField(max_length=200)
    link = models.CharField(max_length=500)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try = models.DateTimeField(null=True)  # None: nothing is to be done any more
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "commit statuses"
        constraints = (models.UniqueConstraint(fields=("deployment", "state"), name="one_status_each"),)
        indexes = (models.Index(fields=("next_try",), condition=Q(next_try__isnull=False), name="status_open"),)
