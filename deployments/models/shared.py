"""Variables that several Applications of an Environment share."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from deployments.models.application import Environment, Placement, SecretVersion


class VariableSet(models.Model):
    """Named variables of an Environment, for the Placements there that use it."""

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="variable_sets")
    name = models.SlugField(_("name"), max_length=40)
    version = models.PositiveIntegerField(default=1)  # raised by every change of its variables
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("environment__position", "name")
        constraints = (models.UniqueConstraint(fields=("environment", "name"), name="one_variable_set_each"),)

    def __str__(self) -> str:
        return f"{self.name} · {self.environment}"


class SharedVariable(models.Model):
    """One variable of a set: as a Placement's, plain or a secret whose versions are sealed."""

    variable_set = models.ForeignKey(VariableSet, on_delete=models.CASCADE, related_name="variables")
    name = models.CharField(max_length=200)
    is_secret = models.BooleanField(default=False)
    value = models.TextField(blank=True)  # empty for a secret
    secret_version = models.ForeignKey(SecretVersion, on_delete=models.PROTECT, null=True, related_name="+")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("position", "id")
        constraints = (models.UniqueConstraint(fields=("variable_set", "name"), name="one_shared_variable_each"),)


class PlacementSet(models.Model):
    """A Placement uses a set. Of two sets the one with the higher position is stronger."""

    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, related_name="set_uses")
    variable_set = models.ForeignKey(VariableSet, on_delete=models.PROTECT, related_name="uses")
    position = models.PositiveIntegerField()

    class Meta:
        ordering = ("position", "id")
        constraints = (models.UniqueConstraint(fields=("placement", "variable_set"), name="one_use_of_a_set_each"),)
