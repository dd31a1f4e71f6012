"""This installation's name, and the head of its audit trail."""

import secrets
import string

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def make_first_rows(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The rows that everything else counts on."""
    alias = schema_editor.connection.alias
    # A letter first: the name becomes part of image names.
    name = secrets.choice(string.ascii_lowercase) + "".join(
        secrets.choice(string.ascii_lowercase + string.digits) for _ in range(7)
    )
    apps.get_model("deployments", "Installation").objects.using(alias).create(name=name)
    apps.get_model("deployments", "AuditHead").objects.using(alias).create(id=1)


class Migration(migrations.Migration):
    """Forwards only in effect: going back drops the tables anyway."""

    dependencies = [("deployments", "0009_installation")]

    operations = [migrations.RunPython(make_first_rows, migrations.RunPython.noop)]
