"""Registries, their test, and looks at an image's tags."""

import django.db.models.deletion
from django.db import migrations, models

import deployments.sealing


class Migration(migrations.Migration):
    dependencies = [("deployments", "0016_automatic_plans")]

    operations = [
        migrations.CreateModel(
            name="Registry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("hub", "Docker Hub"),
                            ("ghcr", "GitHub Packages (ghcr.io)"),
                            ("gitlab", "GitLab"),
                            ("ecr", "Amazon ECR"),
                            ("google", "Google Artifact Registry"),
                            ("harbor", "Harbor"),
                            ("plain", "Any other"),
                        ],
                        max_length=8,
                    ),
                ),
                ("host", models.CharField(max_length=255, verbose_name="host")),
                ("namespace", models.CharField(blank=True, max_length=255, verbose_name="namespace")),
                ("username", models.CharField(blank=True, max_length=255, verbose_name="user name")),
                ("password", deployments.sealing.SealedField(null=True)),
                ("ca", models.TextField(blank=True, verbose_name="own CA")),
                ("test_image", models.CharField(blank=True, max_length=512)),
                (
                    "test_host",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="deployments.host",
                    ),
                ),
                ("revision", models.PositiveIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "New"),
                            ("ready", "Ready"),
                            ("refused", "Access refused"),
                            ("unreachable", "Unreachable"),
                        ],
                        default="new",
                        max_length=16,
                    ),
                ),
                ("state_text", models.TextField(blank=True)),
                ("remedy", models.TextField(blank=True)),
                ("checked_at", models.DateTimeField(null=True)),
                ("checked_through", models.CharField(blank=True, max_length=120)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name_plural": "registries",
                "ordering": ("host", "namespace"),
                "constraints": [models.UniqueConstraint(fields=("host", "namespace"), name="registry_once")],
            },
        ),
        migrations.AddField(
            model_name="operation",
            name="registry",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="operations",
                to="deployments.registry",
            ),
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
                ],
                max_length=16,
            ),
        ),
    ]
