"""What programs come with: access tokens of people, and the keys under which a program asked for something once."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from deployments.models.accounts import User
from deployments.models.application import Placement
from deployments.models.deployment import Deployment, Plan


class AccessToken(models.Model):
    """A person's, for the API: it may never do more than they may. Only its hash is kept. Revoked, never deleted."""

    class Scope(models.TextChoices):
        """How much of what the person may do; each holds the one before."""

        READ = "read", _("Read")
        DEPLOY = "deploy", _("Deploy")
        ADMIN = "admin", _("Administer")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=40)
    scope = models.CharField(max_length=8, choices=Scope.choices)
    is_narrowed = models.BooleanField(default=False)  # to `placements`, also once none of them is left
    placements = models.ManyToManyField(Placement, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)  # None: never
    revoked_at = models.DateTimeField(null=True)
    revoked_by_name = models.CharField(max_length=120, blank=True)
    last_used_at = models.DateTimeField(null=True)  # to the minute
    last_used_from = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name


class IdempotencyKey(models.Model):
    """What a program asked for under a key of its own: asked again, it gets the same, for a day."""

    token = models.ForeignKey(AccessToken, on_delete=models.CASCADE, related_name="keys")
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64)  # what was asked: another request under the same key is a mistake
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, null=True, related_name="+")
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, null=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("token", "key"), name="one_idempotency_key_each"),)
