"""Servers that are reached through others."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0020_room_operations")]

    operations = [
        migrations.AddField(
            model_name="host",
            name="via",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="behind",
                to="deployments.host",
                verbose_name="through",
            ),
        ),
    ]
