"""Servers."""

from django.db import migrations, models

import deployments.sealing


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0001_people"),
    ]

    operations = [
        migrations.CreateModel(
            name="Host",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=63, unique=True, verbose_name="name")),
                ("address", models.CharField(max_length=253, verbose_name="address")),
                ("port", models.PositiveIntegerField(default=22, verbose_name="port")),
                ("user", models.CharField(default="root", max_length=64, verbose_name="user")),
                (
                    "docker_socket",
                    models.CharField(default="/var/run/docker.sock", max_length=255, verbose_name="Docker socket"),
                ),
                ("public_key", models.TextField(blank=True)),
                ("private_key", deployments.sealing.SealedField(null=True)),
                ("passphrase", deployments.sealing.SealedField(null=True)),
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
                            ("key_changed", "Host key changed"),
                            ("unsupported", "Not supported"),
                            ("retired", "Retired"),
                        ],
                        default="new",
                        max_length=16,
                    ),
                ),
                ("state_text", models.TextField(blank=True)),
                ("state_since", models.DateTimeField(null=True)),
                ("checked_at", models.DateTimeField(null=True)),
                ("engine_version", models.CharField(blank=True, max_length=64)),
                ("api_version", models.CharField(blank=True, max_length=16)),
                ("os_type", models.CharField(blank=True, max_length=16)),
                ("architecture", models.CharField(blank=True, max_length=32)),
                ("disk_free", models.BigIntegerField(null=True)),
                ("disk_total", models.BigIntegerField(null=True)),
                ("clock_skew", models.FloatField(null=True)),
                ("containers", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("retired_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
    ]
