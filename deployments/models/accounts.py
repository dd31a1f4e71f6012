"""People and what they may do."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """The global role."""

    ADMIN = "admin", _("Admin")
    DEPLOYER = "deployer", _("Deployer")
    AUDITOR = "auditor", _("Auditor")


class UserManager(BaseUserManager["User"]):
    """Makes people; used by `deployments.accounts` only."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A person with a normalised address and a hashed password (unusable when None)."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """Addresses are compared without regard to case."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """A person. Deactivated, never deleted: history names them."""

    email = models.EmailField(_("email address"), unique=True)
    name = models.CharField(_("name"), max_length=120)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.DEPLOYER)
    deploys_everything = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    session_epoch = models.PositiveIntegerField(default=0)  # raised to end every session and stream at once
    theme = models.CharField(max_length=8, default="system")
    date_joined = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects = UserManager()

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_admin(self) -> bool:
        """An active admin."""
        return self.is_active and self.role == Role.ADMIN

    @property
    def is_auditor(self) -> bool:
        """An active auditor."""
        return self.is_active and self.role == Role.AUDITOR

    @property
    def initials(self) -> str:
        """One or two letters for the round face."""
        parts = (self.name or self.email).split()
        return "".join(part[0] for part in (parts[0], parts[-1] if len(parts) > 1 else "") if part).upper()

    def get_session_auth_hash(self) -> str:
        """Also bound to `session_epoch`: raising it ends every session."""
        return salted_hmac("estiva.session", f"{self.password}:{self.session_epoch}", algorithm="sha256").hexdigest()

    def get_full_name(self) -> str:
        """As Django's own user has it."""
        return self.name


class Grant(models.Model):
    """A deployer may act on this Application in this Environment."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="grants")
    application = models.ForeignKey("deployments.Application", on_delete=models.CASCADE, related_name="grants")
    environment = models.ForeignKey("deployments.Environment", on_delete=models.CASCADE, related_name="grants")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "application", "environment"), name="one_grant_each"),)


class AccessLink(models.Model):
    """A one-time link: first setup, an invitation, a sign-in of the demo. Only the token's hash is kept."""

    class Purpose(models.TextChoices):
        """What opening it does."""

        SETUP = "setup", _("Setup")
        INVITATION = "invitation", _("Invitation")
        SIGN_IN = "sign_in", _("Sign in")

    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    token_hash = models.CharField(max_length=64, unique=True)
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.DEPLOYER)
    deploys_everything = models.BooleanField(default=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="access_links")
    created_by_name = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)
