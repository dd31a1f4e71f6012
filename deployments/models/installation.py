"""This installation itself."""

from django.db import models


class Installation(models.Model):
    """One row: the name that labels every container of ours."""

    name = models.CharField(max_length=16, unique=True)  # random, lower case, made by the first migration
    created_at = models.DateTimeField(auto_now_add=True)
