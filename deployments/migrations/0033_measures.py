from typing import Any

from django.db import migrations, models
from django.db.models import Count, F, Sum


def count(apps: Any, _schema_editor: Any) -> None:
    """What has ended so far, counted once; from here on each end is counted as it comes."""
    tally = apps.get_model("deployments", "Tally")
    deployment, target = apps.get_model("deployments", "Deployment"), apps.get_model("deployments", "Target")
    rows = [
        tally(name=name, label=status, times=times, seconds=took.total_seconds() if took else 0.0)
        for name, model, began in (
            ("deployments_ended", deployment, "requested_at"),
            ("targets_ended", target, "started_at"),
        )
        for status, times, took in model.objects.exclude(ended_at=None)
        .order_by()
        .values_list("status")
        .annotate(times=Count("pk"), took=Sum(F("ended_at") - F(began)))
    ]
    lost = target.objects.aggregate(lost=Sum("leases_lost"))["lost"]
    if lost:
        rows.append(tally(name="leases_lost", label="target", times=lost))
    tally.objects.bulk_create(rows)


# Why workers of the version before can go on (bin/parts/hindrances.py)
EARLIER_WORKERS = {
    "RunPython of count": "Fills tallies, which they neither read nor write; what they end meanwhile is not counted."
}


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0032_processors_of_a_server"),
    ]

    operations = [
        migrations.AddField(
            model_name="workerprocess",
            name="measured",
            field=models.JSONField(null=True),
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=32)),
                ("label", models.CharField(blank=True, max_length=32)),
                ("times", models.PositiveBigIntegerField(default=0)),
                ("seconds", models.FloatField(default=0.0)),
                ("last_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("name", "label"),
                "constraints": [models.UniqueConstraint(fields=("name", "label"), name="one_tally_each")],
            },
        ),
        migrations.RunPython(count, migrations.RunPython.noop),
    ]
