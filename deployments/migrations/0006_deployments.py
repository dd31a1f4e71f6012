"""Runs, their share on each server, and their log."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0005_operations"),
    ]

    operations = [
        migrations.CreateModel(
            name="Deployment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("deploy", "Deploy"), ("redeploy", "Redeploy"), ("rollback", "Rollback")],
                        default="deploy",
                        max_length=16,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("needs_attention", "Needs attention"),
                        ],
                        default="queued",
                        max_length=24,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=500)),
                ("changes", models.JSONField(default=list)),
                ("application_name", models.CharField(max_length=40)),
                ("environment_name", models.CharField(max_length=32)),
                ("requested_by_name", models.CharField(max_length=120)),
                ("requested_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("cancel_requested_at", models.DateTimeField(null=True)),
                ("cancelled_by_name", models.CharField(blank=True, max_length=120)),
                (
                    "requested_by",
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
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deployments",
                        to="deployments.placement",
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="deployments.plan"
                    ),
                ),
                (
                    "previous_release",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="deployments.release",
                    ),
                ),
                (
                    "release",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deployments",
                        to="deployments.release",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["placement", "-id"], name="deployment_placement"),
                    models.Index(fields=["status", "-id"], name="deployment_status"),
                    models.Index(fields=["requested_by", "-id"], name="deployment_person"),
                    models.Index(fields=["requested_at"], name="deployment_time"),
                    models.Index(
                        condition=models.Q(("status__in", ["queued", "running"])), fields=["id"], name="deployment_open"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status", "running")), fields=("placement",), name="one_running_deployment"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Target",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("host_name", models.CharField(max_length=63)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("stalled", "Stalled"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("failed_untouched", "Failed, nothing changed"),
                            ("failed_restored", "Failed, restored"),
                            ("cancelled", "Cancelled"),
                            ("cancelled_restored", "Cancelled, restored"),
                            ("skipped", "Skipped"),
                            ("needs_attention", "Needs attention"),
                        ],
                        default="queued",
                        max_length=24,
                    ),
                ),
                ("fence", models.PositiveBigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(null=True)),
                ("holder", models.CharField(blank=True, max_length=120)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("leases_lost", models.PositiveSmallIntegerField(default=0)),
                ("connections_lost", models.PositiveSmallIntegerField(default=0)),
                ("not_before", models.DateTimeField(null=True)),
                ("hinted_at", models.DateTimeField(null=True)),
                ("touched", models.BooleanField(default=False)),
                ("stalled_reason", models.CharField(blank=True, max_length=300)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("outcome", models.JSONField(default=dict)),
                ("gap_seconds", models.FloatField(null=True)),
                ("serving_release", models.PositiveIntegerField(null=True)),
                ("published", models.JSONField(default=list)),
                ("last_line", models.PositiveBigIntegerField(default=0)),
                ("log_bytes", models.PositiveBigIntegerField(default=0)),
                ("log_cut_at", models.PositiveBigIntegerField(null=True)),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="targets", to="deployments.deployment"
                    ),
                ),
                (
                    "host",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="targets", to="deployments.host"
                    ),
                ),
                (
                    "placement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="targets", to="deployments.placement"
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("status__in", ["queued", "running", "stalled"])),
                        fields=["status", "lease_until"],
                        name="target_open",
                    ),
                    models.Index(fields=["host", "-id"], name="target_host"),
                    models.Index(fields=["placement", "host", "ended_at"], name="target_when"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("deployment", "host"), name="one_target_each"),
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ["running", "stalled"])),
                        fields=("placement", "host"),
                        name="one_running_target",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Step",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fence", models.PositiveBigIntegerField()),
                ("key", models.CharField(max_length=24)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("good", "Done"),
                            ("bad", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("skipped", "Nothing to do"),
                            ("broken_off", "Broken off"),
                        ],
                        default="running",
                        max_length=16,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("message", models.TextField(blank=True)),
                ("first_line", models.PositiveBigIntegerField(default=0)),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("label", models.CharField(blank=True, max_length=200)),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="steps", to="deployments.target"
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="LogChunk",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("first_line", models.PositiveBigIntegerField()),
                ("last_line", models.PositiveBigIntegerField()),
                ("fence", models.PositiveBigIntegerField()),
                ("lines", models.TextField()),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="chunks", to="deployments.target"
                    ),
                ),
            ],
            options={
                "ordering": ("target", "first_line"),
                "constraints": [models.UniqueConstraint(fields=("target", "first_line"), name="one_chunk_each")],
            },
        ),
    ]
