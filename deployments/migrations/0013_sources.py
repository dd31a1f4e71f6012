"""Where a Placement, a Plan and a Release have their content from."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0012_repositories")]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="commits",
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="placement",
            name="build",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="placement",
            name="compose",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="placement",
            name="source",
            field=models.CharField(
                choices=[
                    ("image", "An image from a registry"),
                    ("git", "A Git repository with a Dockerfile"),
                    ("compose", "A Compose file"),
                ],
                default="image",
                max_length=8,
                verbose_name="source",
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="build_anew",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="plan",
            name="commits",
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="plan",
            name="source",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="release",
            name="built",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="release",
            name="source",
            field=models.JSONField(default=dict),
        ),
    ]
