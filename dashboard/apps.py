"""The dashboard's Django app: pages, forms, stream, checks."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Registers the checks of wrong settings."""

    name = "dashboard"

    def ready(self) -> None:
        """Load the system checks."""
        from dashboard import checks  # noqa: F401 - registration needs the app registry to be ready
