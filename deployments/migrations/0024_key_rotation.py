"""Another key for a server while it takes the old one's place, and the Operation that does it."""

from django.db import migrations, models

import deployments.sealing


class Migration(migrations.Migration):
    dependencies = [("deployments", "0023_host_samples")]

    operations = [
        migrations.AddField(
            model_name="host",
            name="key_stage",
            field=models.CharField(
                blank=True,
                choices=[("next", "the next one, not tried yet"), ("old", "the old one, still let in")],
                default="",
                max_length=8,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="host",
            name="spare_public_key",
            field=models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="host", name="spare_private_key", field=deployments.sealing.SealedField(null=True)
        ),
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
                    ("rotate", "Replacement of a server's key"),
                ],
                max_length=16,
            ),
        ),
    ]
