"""Which page of a long list is asked for."""

from django.http import HttpRequest


def page_number(request: HttpRequest) -> int:
    """`?page=`, from 1; anything else is the first."""
    text = request.GET.get("page", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 1
