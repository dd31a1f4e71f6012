"""What every long-running process does once Django is set up: refuse to run with wrong settings."""

from django.core import checks
from django.core.exceptions import ImproperlyConfigured


def refuse_wrong_settings() -> None:
    """Run the system checks of settings; raises ImproperlyConfigured with every Error and its hint.

    `manage.py` does so by itself, gunicorn and Celery don't: they would serve, and fail at the first sealed value or signed link.
    The checks of code and of the database are left to `manage.py`: a database that is away must not keep a process from starting.
    """
    found = checks.run_checks(tags=[checks.Tags.security, checks.Tags.compatibility])
    errors = [str(message) for message in found if message.is_serious() and not message.is_silenced()]
    if errors:
        raise ImproperlyConfigured("Estiva does not start with these settings:\n" + "\n".join(errors))
