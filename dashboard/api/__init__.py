"""What programs meet: JSON over the domain's own functions, at /api/v1/. It owns no rule."""
