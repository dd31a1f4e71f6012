"""Plans that a push asked for: what they want in place of what is set, and where they stand."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0015_webhooks"),
    ]

    operations = [
        migrations.AddField("plan", "wanted", models.JSONField(default=dict)),
        migrations.AddField(
            "plan",
            "automatic",
            models.CharField(
                blank=True,
                choices=[
                    ("waiting", "Deploys once it is worked out"),
                    ("deployed", "Deployed"),
                    ("superseded", "Superseded"),
                    ("dropped", "Not deployed"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddField("plan", "automatic_by", models.CharField(blank=True, max_length=120)),
        migrations.AddField(
            "plan",
            "webhook",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="deployments.webhook"
            ),
        ),
        migrations.AddIndex(
            "plan",
            models.Index(condition=models.Q(("automatic", "waiting")), fields=["id"], name="plan_waiting"),
        ),
    ]
