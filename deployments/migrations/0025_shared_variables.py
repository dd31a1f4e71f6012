"""Sets of variables that the Applications of an Environment share; a secret's version belongs to a Placement or to a set."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0024_key_rotation"),
    ]

    operations = [
        migrations.AlterField(
            model_name="secretversion",
            name="placement",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="secret_versions",
                to="deployments.placement",
            ),
        ),
        migrations.CreateModel(
            name="VariableSet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.SlugField(max_length=40, verbose_name="name")),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="variable_sets",
                        to="deployments.environment",
                    ),
                ),
            ],
            options={
                "ordering": ("environment__position", "name"),
            },
        ),
        migrations.CreateModel(
            name="SharedVariable",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("is_secret", models.BooleanField(default=False)),
                ("value", models.TextField(blank=True)),
                ("position", models.PositiveIntegerField(default=0)),
                (
                    "secret_version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="deployments.secretversion",
                    ),
                ),
                (
                    "variable_set",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="variables",
                        to="deployments.variableset",
                    ),
                ),
            ],
            options={
                "ordering": ("position", "id"),
            },
        ),
        migrations.CreateModel(
            name="PlacementSet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                (
                    "placement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="set_uses", to="deployments.placement"
                    ),
                ),
                (
                    "variable_set",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="uses", to="deployments.variableset"
                    ),
                ),
            ],
            options={
                "ordering": ("position", "id"),
            },
        ),
        migrations.AddField(
            model_name="secretversion",
            name="variable_set",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="secret_versions",
                to="deployments.variableset",
            ),
        ),
        migrations.AddConstraint(
            model_name="secretversion",
            constraint=models.UniqueConstraint(
                fields=("variable_set", "name", "number"), name="one_shared_secret_version_each"
            ),
        ),
        migrations.AddConstraint(
            model_name="secretversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("placement__isnull", False), ("variable_set__isnull", True)),
                    models.Q(("placement__isnull", True), ("variable_set__isnull", False)),
                    _connector="OR",
                ),
                name="a_secret_version_has_one_owner",
            ),
        ),
        migrations.AddConstraint(
            model_name="variableset",
            constraint=models.UniqueConstraint(fields=("environment", "name"), name="one_variable_set_each"),
        ),
        migrations.AddConstraint(
            model_name="sharedvariable",
            constraint=models.UniqueConstraint(fields=("variable_set", "name"), name="one_shared_variable_each"),
        ),
        migrations.AddConstraint(
            model_name="placementset",
            constraint=models.UniqueConstraint(fields=("placement", "variable_set"), name="one_use_of_a_set_each"),
        ),
    ]
