"""Indexes by which a page of a long history finds its rows without passing all the others."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0035_fill_attention"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="deployment",
            name="deployment_time",
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["object_id", "-number"], name="audit_key"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["object_kind", "-number"], name="audit_kind"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["outcome", "-number"], name="audit_outcome"),
        ),
        migrations.AddIndex(
            model_name="deployment",
            index=models.Index(fields=["requested_at", "status", "placement"], name="deployment_time"),
        ),
        migrations.AddIndex(
            model_name="deployment",
            index=models.Index(fields=["application_name", "environment_name", "-id"], name="deployment_application"),
        ),
        migrations.AddIndex(
            model_name="deployment",
            index=models.Index(fields=["environment_name", "-id"], name="deployment_environment"),
        ),
        migrations.AddIndex(
            model_name="deployment",
            index=models.Index(fields=["requested_by_name", "-id"], name="deployment_asker"),
        ),
        migrations.AddIndex(
            model_name="target",
            index=models.Index(fields=["host_name", "-deployment"], name="target_server"),
        ),
    ]
