"""Git repositories, and looking at them."""

import django.db.models.deletion
from django.db import migrations, models

import deployments.sealing


class Migration(migrations.Migration):
    dependencies = [("deployments", "0011_cache")]

    operations = [
        migrations.CreateModel(
            name="Repository",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("url", models.CharField(max_length=500, verbose_name="address")),
                (
                    "credential",
                    models.CharField(
                        choices=[
                            ("none", "None: it is public"),
                            ("token", "A user name and token"),
                            ("key", "A deploy key"),
                        ],
                        default="none",
                        max_length=8,
                    ),
                ),
                ("username", models.CharField(blank=True, max_length=100, verbose_name="user name")),
                ("token", deployments.sealing.SealedField(null=True)),
                ("public_key", models.TextField(blank=True)),
                ("private_key", deployments.sealing.SealedField(null=True)),
                ("host_key_type", models.CharField(blank=True, max_length=64)),
                ("host_key", models.TextField(blank=True)),
                ("trusted_at", models.DateTimeField(null=True)),
                ("trusted_by_name", models.CharField(blank=True, max_length=120)),
                ("offered_key_type", models.CharField(blank=True, max_length=64)),
                ("offered_key", models.TextField(blank=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "New"),
                            ("untrusted", "Waiting for you"),
                            ("ready", "Ready"),
                            ("unreachable", "Unreachable"),
                            ("refused", "Access refused"),
                            ("key_changed", "Host key changed"),
                        ],
                        default="new",
                        max_length=16,
                    ),
                ),
                ("state_text", models.TextField(blank=True)),
                ("checked_at", models.DateTimeField(null=True)),
                ("refs", models.JSONField(default=dict)),
                (
                    "application",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="repository",
                        to="deployments.application",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name_plural": "repositories",
            },
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
                ],
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="operation",
            name="repository",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="operations",
                to="deployments.repository",
            ),
        ),
    ]
