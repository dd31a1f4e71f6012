"""Hooks, what was delivered to them, and what the Git service is told of a deploy."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import deployments.sealing


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0014_builds"),
    ]

    operations = [
        migrations.CreateModel(
            name="Webhook",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("github", "GitHub"),
                            ("gitlab", "GitLab"),
                            ("gitea", "Gitea or Forgejo"),
                            ("registry", "A registry"),
                            ("plain", "Anything else"),
                        ],
                        max_length=10,
                        verbose_name="who calls",
                    ),
                ),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                ("public_id", models.CharField(max_length=40, unique=True)),
                ("secret", deployments.sealing.SealedField()),
                ("secret_version", models.PositiveIntegerField(default=1)),
                ("secret_at", models.DateTimeField()),
                ("rules", models.JSONField(default=dict)),
                ("is_active", models.BooleanField(default=True)),
                ("created_by_name", models.CharField(max_length=120)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("strangers", models.PositiveIntegerField(default=0)),
                ("stranger_at", models.DateTimeField(null=True)),
                ("stranger_address", models.CharField(blank=True, max_length=64)),
                ("stranger_reason", models.CharField(blank=True, max_length=200)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "placement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="webhooks", to="deployments.placement"
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("delivery_id", models.CharField(max_length=128)),
                ("proof", models.CharField(blank=True, max_length=64)),
                ("received_at", models.DateTimeField()),
                ("address", models.CharField(blank=True, max_length=64)),
                ("event", models.CharField(blank=True, max_length=60)),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("accepted", "Deploys"),
                            ("ignored", "Ignored"),
                            ("refused", "Refused"),
                            ("superseded", "Superseded"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reason", models.CharField(max_length=600)),
                ("summary", models.JSONField(default=dict)),
                ("push", models.JSONField(default=dict)),
                ("repeats", models.PositiveIntegerField(default=0)),
                ("sent_again_by_name", models.CharField(blank=True, max_length=120)),
                (
                    "again_of",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="deployments.webhookdelivery",
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="deployments.deployment",
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="deployments.plan"
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="deliveries", to="deployments.webhook"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "webhook deliveries",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="CommitStatus",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("repository_url", models.CharField(max_length=500)),
                ("kind", models.CharField(max_length=10)),
                ("api", models.CharField(max_length=500)),
                ("path", models.CharField(max_length=400)),
                ("commit", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "Deploying"), ("success", "Succeeded"), ("failure", "Failed")],
                        max_length=10,
                    ),
                ),
                ("context", models.CharField(max_length=120)),
                ("description", models.CharField(max_length=200)),
                ("link", models.CharField(max_length=500)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_try", models.DateTimeField(null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=300)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="commit_statuses",
                        to="deployments.deployment",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="deployments.repository"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "commit statuses",
                "ordering": ("id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_try__isnull", False)), fields=["next_try"], name="status_open"
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("deployment", "state"), name="one_status_each")],
            },
        ),
        migrations.AddConstraint(
            model_name="webhook",
            constraint=models.UniqueConstraint(fields=("placement", "name"), name="one_webhook_name_each"),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.UniqueConstraint(fields=("webhook", "delivery_id"), name="one_delivery_each"),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.UniqueConstraint(
                condition=models.Q(("proof", ""), _negated=True),
                fields=("webhook", "proof"),
                name="one_delivery_each_content",
            ),
        ),
    ]
