"""How much of what a container wrote is in a log: an attempt that goes on with it tells no line twice."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0037_history_of_an_application")]

    operations = [
        migrations.AddField(
            model_name="target",
            name="heard",
            field=models.JSONField(null=True),
        ),
    ]
