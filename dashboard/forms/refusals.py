"""The domain's refusals, put at the fields they belong to."""

from django import forms

from deployments.errors import FieldErrors, Refused


def add_refusal(form: forms.BaseForm, refusal: Refused) -> None:
    """Add what the domain refused to the form: at its field where the form has it, else at the top."""
    if isinstance(refusal, FieldErrors):
        for path, texts in refusal.errors.items():
            for text in texts:
                _add(form, path, str(text))
        return
    _add(form, refusal.field, str(refusal))


def _add(form: forms.BaseForm, path: str | None, text: str) -> None:
    if path is None:
        form.add_error(None, text)
        return
    names = (path, path.replace(".", "_"), path.partition(".")[0])
    field = next((name for name in names if name in form.fields), None)
    form.add_error(field, text if field else f"{path}: {text}")
