"""Servers that were in doubt before there was a place to say so: the newest of each that no later run has settled."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce, Now

SETTLED = ("succeeded", "failed", "failed_restored", "cancelled_restored", "needs_attention")


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """One row for each that is still open."""
    target, attention = apps.get_model("deployments", "Target"), apps.get_model("deployments", "Attention")
    later = target.objects.filter(
        placement=OuterRef("placement"), host=OuterRef("host"), role="deploy", pk__gt=OuterRef("pk"), status__in=SETTLED
    )
    doubtful = target.objects.filter(~Exists(later), role="deploy", status="needs_attention")
    for row in doubtful.annotate(at=Coalesce("ended_at", Now())).order_by("pk"):
        if "settled" not in row.outcome:
            attention.objects.create(target=row, placement_id=row.placement_id, host_id=row.host_id, opened_at=row.at)


# Why workers of the version before can go on (bin/parts/hindrances.py)
EARLIER_WORKERS = {"RunPython of fill": "Fills a table that they neither read nor write."}


class Migration(migrations.Migration):
    dependencies = [("deployments", "0034_attention")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
