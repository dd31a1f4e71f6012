"""A Target of its own that builds, and where."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0013_sources")]

    operations = [
        migrations.RemoveConstraint(
            model_name="target",
            name="one_target_each",
        ),
        migrations.RemoveConstraint(
            model_name="target",
            name="one_running_target",
        ),
        migrations.AddField(
            model_name="environment",
            name="builder",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="deployments.host",
            ),
        ),
        migrations.AddField(
            model_name="host",
            name="builds_at_once",
            field=models.PositiveSmallIntegerField(default=1, verbose_name="builds at once"),
        ),
        migrations.AddField(
            model_name="target",
            name="role",
            field=models.CharField(choices=[("build", "Build"), ("deploy", "Deploy")], default="deploy", max_length=8),
        ),
        migrations.AddConstraint(
            model_name="target",
            constraint=models.UniqueConstraint(fields=("deployment", "host", "role"), name="one_target_each"),
        ),
        migrations.AddConstraint(
            model_name="target",
            constraint=models.UniqueConstraint(
                condition=models.Q(("role", "deploy"), ("status__in", ["running", "stalled"])),
                fields=("placement", "host"),
                name="one_running_target",
            ),
        ),
        migrations.AddConstraint(
            model_name="target",
            constraint=models.UniqueConstraint(
                condition=models.Q(("role", "build")), fields=("deployment",), name="one_build_each"
            ),
        ),
    ]
