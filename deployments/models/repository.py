"""Where an Application's source is."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from deployments.models.application import Application
from deployments.sealing import SealedField
from deployments.states import RepositoryState


class Repository(models.Model):
    """An Application's Git repository: its address, how to log in, the Git server's pinned host key, what was seen of it.

    `refs` is as `worker.sources` lists them: `{"branches": [{"name", "commit"}], "tags": [...], "default": name}`.
    """

    class Credential(models.TextChoices):
        """How Estiva logs in."""

        NONE = "none", _("None: it is public")
        TOKEN = "token", _("A user name and token")
        KEY = "key", _("A deploy key")

    application = models.OneToOneField(Application, on_delete=models.PROTECT, related_name="repository")
    url = models.CharField(_("address"), max_length=500)  # canonical, as deployments.git_url writes it; no credential
    credential = models.CharField(max_length=8, choices=Credential.choices, default=Credential.NONE)
    username = models.CharField(_("user name"), max_length=100, blank=True)
    token = SealedField(null=True)
    public_key = models.TextField(blank=True)
    private_key = SealedField(null=True)

    # trust, for ssh: as a Host's
    host_key_type = models.CharField(max_length=64, blank=True)
    host_key = models.TextField(blank=True)
    trusted_at = models.DateTimeField(null=True)
    trusted_by_name = models.CharField(max_length=120, blank=True)
    offered_key_type = models.CharField(max_length=64, blank=True)
    offered_key = models.TextField(blank=True)

    # what was seen
    state = models.CharField(max_length=16, choices=RepositoryState.choices, default=RepositoryState.NEW)
    state_text = models.TextField(blank=True)
    checked_at = models.DateTimeField(null=True)
    refs = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "repositories"

    def __str__(self) -> str:
        return self.url

    @property
    def is_trusted(self) -> bool:
        """A host key is pinned; over https there is none to pin."""
        return bool(self.host_key) or not self.url.startswith("ssh://")
