"""An application's history in the order of its pages, whichever environment it went to."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0036_long_history"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="deployment",
            name="deployment_application",
        ),
        migrations.AddIndex(
            model_name="deployment",
            index=models.Index(fields=["application_name", "-id"], name="deployment_application"),
        ),
    ]
