"""The domain's Django app."""

from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    """Owns every table of Estiva's."""

    name = "deployments"
    default_auto_field = "django.db.models.BigAutoField"
