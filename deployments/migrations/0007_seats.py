"""A Placement on each of its servers, and what runs there."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0006_deployments"),
    ]

    operations = [
        migrations.CreateModel(
            name="PlacementHost",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("is_active", models.BooleanField(default=True)),
                ("fence", models.PositiveBigIntegerField(default=0)),
                ("running_since", models.DateTimeField(null=True)),
                ("observed", models.JSONField(default=dict)),
                ("drift", models.CharField(blank=True, max_length=300)),
                ("drift_at", models.DateTimeField(null=True)),
                (
                    "host",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="seats", to="deployments.host"
                    ),
                ),
                (
                    "placement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="seats", to="deployments.placement"
                    ),
                ),
                (
                    "running_release",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="deployments.release",
                    ),
                ),
                (
                    "running_target",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="deployments.target",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("placement", "host"), name="one_seat_each")],
            },
        ),
        migrations.AddField(
            model_name="placement",
            name="hosts",
            field=models.ManyToManyField(
                related_name="placements", through="deployments.PlacementHost", to="deployments.host"
            ),
        ),
    ]
