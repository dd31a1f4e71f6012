import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0033_measures"),
    ]

    operations = [
        migrations.AlterField(
            model_name="operation",
            name="kind",
            field=models.CharField(
                choices=[
                    ("meet", "Getting to know a server"),
                    ("check", "Check of a server"),
                    ("plan", "Plan"),
                    ("repository", "Look at a repository"),
                    ("registry", "Test of a registry"),
                    ("tags", "Look at an image's tags"),
                    ("room", "Look at what a server holds"),
                    ("container", "Act on a container"),
                    ("follow", "Follow a container"),
                    ("images", "Removal of unused images"),
                    ("run", "Run of a command"),
                    ("terminal", "Terminal into a container"),
                    ("adopt", "Adoption of what runs"),
                    ("settle", "Taking a server as it is"),
                    ("rotate", "Replacement of a server's key"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="Attention",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("opened_at", models.DateTimeField()),
                ("sight", models.JSONField(default=dict)),
                ("seen_at", models.DateTimeField(null=True)),
                (
                    "way",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("resume", "Resumed"),
                            ("restore", "Restored"),
                            ("as_is", "Taken as it is"),
                            ("later", "Settled by a later deployment"),
                        ],
                        max_length=8,
                    ),
                ),
                ("dealt_at", models.DateTimeField(null=True)),
                ("dealt_by_name", models.CharField(blank=True, max_length=120)),
                ("reason", models.CharField(blank=True, max_length=300)),
                (
                    "dealt_with",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deals_with",
                        to="deployments.deployment",
                    ),
                ),
                (
                    "host",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="deployments.host"
                    ),
                ),
                (
                    "placement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="deployments.placement"
                    ),
                ),
                (
                    "release",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="deployments.release",
                    ),
                ),
                (
                    "target",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="attention", to="deployments.target"
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "indexes": [models.Index(fields=["host", "-id"], name="attention_host")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("way", "")), fields=("placement", "host"), name="one_open_attention"
                    )
                ],
            },
        ),
    ]
