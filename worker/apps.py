"""The worker's Django app: no table, only its management commands."""

from django.apps import AppConfig


class WorkerConfig(AppConfig):
    """Gives `manage.py` the commands of the worker's side."""

    name = "worker"
