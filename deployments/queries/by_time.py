"""Bounds by key for what is wanted by time: keys rise with time, so pages by key needn't pass all that is older or newer.

They are wide by a day, should the database's clock have been put back so far. What must miss nothing whatever the clock did,
an export say, goes without them.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet

_DISORDER: Final = timedelta(days=1)
_ABOVE_ALL: Final = 2**63 - 1


def since(every: QuerySet[Any], at: str, key: str, moment: datetime) -> Q:
    """Those from the moment on, above a key below all of them; `every` row counts for where keys stood then."""
    older = every.filter(**{f"{at}__lt": moment - _DISORDER}).order_by(f"-{at}", f"-{key}")
    return Q(**{f"{at}__gte": moment, f"{key}__gt": older.values_list(key, flat=True).first() or 0})


def until(every: QuerySet[Any], at: str, key: str, moment: datetime) -> Q:
    """Those up to the moment, under a key above all of them."""
    return Q(**{f"{at}__lte": moment, f"{key}__lt": key_after(every, at, key, moment)})


def key_after(every: QuerySet[Any], at: str, key: str, moment: datetime) -> int:
    """A key above all up to the moment."""
    newer = every.filter(**{f"{at}__gt": moment + _DISORDER}).order_by(at, key)
    return newer.values_list(key, flat=True).first() or _ABOVE_ALL
