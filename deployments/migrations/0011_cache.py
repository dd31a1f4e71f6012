"""The cache's table, so that `migrate` is all that an upgrade needs."""

from django.apps.registry import Apps
from django.core.management import call_command
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLE = "estiva_cache"


def make_table(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Django's own command knows the table's shape."""
    call_command("createcachetable", TABLE, database=schema_editor.connection.alias, verbosity=0)


def drop_table(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Nothing in a cache is missed."""
    schema_editor.execute(f"DROP TABLE {schema_editor.quote_name(TABLE)}")


class Migration(migrations.Migration):
    """The table of CACHES["default"]."""

    dependencies = [("deployments", "0010_first_rows")]

    operations = [migrations.RunPython(make_table, drop_table)]
