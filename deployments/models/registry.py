"""Where images come from, and how servers sign in there."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from deployments.models.host import Host
from deployments.sealing import SealedField
from deployments.states import RegistryState


class Registry(models.Model):
    """Credentials for the images of one registry, or of one namespace in it.

    `host` and `namespace` are as `deployments.registry_address` writes them. `username` is an access key's ID for ECR.
    `revision` counts the changes, so that a test of what stood there before is not taken for one of what stands now.
    """

    class Kind(models.TextChoices):
        """Whose software answers there: how one signs in depends on it."""

        HUB = "hub", _("Docker Hub")
        GHCR = "ghcr", _("GitHub Packages (ghcr.io)")
        GITLAB = "gitlab", _("GitLab")
        ECR = "ecr", _("Amazon ECR")
        GOOGLE = "google", _("Google Artifact Registry")
        HARBOR = "harbor", _("Harbor")
        PLAIN = "plain", _("Any other")

    kind = models.CharField(max_length=8, choices=Kind.choices)
    host = models.CharField(_("host"), max_length=255)
    namespace = models.CharField(_("namespace"), max_length=255, blank=True)
    username = models.CharField(_("user name"), max_length=255, blank=True)
    password = SealedField(null=True)
    ca = models.TextField(_("own CA"), blank=True)  # PEM; what the worker trusts besides the public ones
    test_image = models.CharField(max_length=512, blank=True)
    test_host = models.ForeignKey(Host, on_delete=models.SET_NULL, null=True, related_name="+")
    revision = models.PositiveIntegerField(default=0)

    # what was seen
    state = models.CharField(max_length=16, choices=RegistryState.choices, default=RegistryState.NEW)
    state_text = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    checked_at = models.DateTimeField(null=True)
    checked_through = models.CharField(max_length=120, blank=True)  # the server's name
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "registries"
        ordering = ("host", "namespace")
        constraints = (models.UniqueConstraint(fields=("host", "namespace"), name="registry_once"),)

    def __str__(self) -> str:
        return f"{self.host}/{self.namespace}" if self.namespace else self.host

    @property
    def has_login(self) -> bool:
        """Somebody is named; without, it is asked as anybody, and only its own CA counts."""
        return self.password is not None
