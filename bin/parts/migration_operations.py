"""The operations of a migration as their text tells them, and how workers that don't know them live with what they make."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

# What changes nothing that an earlier version reads or writes
_HARMLESS: Final = frozenset(
    {"CreateModel", "AddIndex", "RemoveIndex", "RenameIndex", "AlterModelOptions", "AlterModelManagers"}
)
_GONE: Final = "the earlier version reads and writes it as it was"
_HINDERS: Final = {
    **dict.fromkeys(("RemoveField", "RenameField", "DeleteModel", "RenameModel", "AlterModelTable"), _GONE),
    **dict.fromkeys(
        ("AddConstraint", "AlterUniqueTogether"),
        "the earlier version doesn't keep that rule, so what it writes is refused",
    ),
    "RemoveConstraint": "the earlier version may count on that rule",
    **dict.fromkeys(("RunPython", "RunSQL"), "what the earlier version meets then is for its author to say"),
}
_UNJUDGED: Final = "it isn't known how the earlier version lives with it"
_GIVEN: Final = "it has to be given, and the earlier version doesn't"
_CHANGED: Final = "the earlier version may write what it takes no more, or read what it doesn't expect"
# Of a field: no database knows them
_SAID_ONLY: Final = frozenset(
    {"choices", "verbose_name", "help_text", "default", "blank", "editable", "validators", "error_messages"}
    | {"on_delete", "related_name", "related_query_name", "limit_choices_to", "auto_now", "auto_now_add"}
)
_FIELD: Final = ("model_name", "name", "field")
_ORDER: Final = {  # of arguments without a name
    **dict.fromkeys(("AddField", "AlterField", "RemoveField"), _FIELD),
    "RenameField": ("model_name", "old_name", "new_name"),
    "CreateModel": ("name", "fields"),
    "RenameModel": ("old_name", "new_name"),
    **dict.fromkeys(("DeleteModel", "AlterModelTable", "AlterUniqueTogether"), ("name",)),
    "AddConstraint": ("model_name", "constraint"),
    "RemoveConstraint": ("model_name", "name"),
    "RunPython": ("code",),
    "RunSQL": ("sql",),
    "SeparateDatabaseAndState": ("database_operations", "state_operations"),
}
_MOST_WORDS: Final = 60


class Tables:
    """What is known of them so far: each field as it was last written, and the models that only the new version has."""

    def __init__(self) -> None:
        self.fields = dict[tuple[str, str], ast.expr]()
        self.new = set[str]()


class Operation:
    """One of them. `for_state`: only Django's idea of the tables changes."""

    def __init__(self, written: ast.expr, *, for_state: bool = False) -> None:
        call = written if isinstance(written, ast.Call) else None
        self.kind, self._for_state = _name(call.func) if call else "", for_state
        self._given = _arguments(call, _ORDER.get(self.kind, ())) if call else {}
        self.model = (self._text("model_name") or self._text("name") or self._text("old_name")).lower()
        self.what = f"{self.kind} of {self._subject()}" if self.kind else ast.unparse(written)[:_MOST_WORDS]

    @classmethod
    def listed(cls, written: ast.expr, *, for_state: bool = False) -> Iterator[Operation]:
        """Those of a list, in their order; what is no list stands for itself, and nothing is known of it."""
        if not isinstance(written, ast.List | ast.Tuple):
            yield cls(written)
            return
        for each in written.elts:
            one = cls(each, for_state=for_state)
            if one.kind != "SeparateDatabaseAndState":
                yield one
                continue
            for name in ("database_operations", "state_operations"):
                if inner := one._given.get(name):
                    yield from cls.listed(inner, for_state=for_state or name == "state_operations")

    def hinders(self, tables: Tables) -> str:
        """Why workers that don't know it can't go on; nothing where they can."""
        if not self.kind:
            return _UNJUDGED
        if (
            self._for_state
            or self.kind in _HARMLESS
            or (self.model in tables.new and self.kind not in ("RunPython", "RunSQL"))
        ):
            return ""
        name, field = self._text("name"), self._given.get("field")
        if self.kind == "AddField":
            return "" if _may_be_left_out(field) else _GIVEN
        if self.kind == "AlterField":
            return _change(tables.fields.get((self.model, name)), field)
        return _HINDERS.get(self.kind, _UNJUDGED)

    def learn(self, tables: Tables, *, is_new: bool) -> None:
        """Remember what it makes of the tables."""
        if self.kind == "CreateModel":
            listed = self._given.get("fields")
            for each in listed.elts if isinstance(listed, ast.List) else ():
                if isinstance(each, ast.Tuple) and isinstance(each.elts[0], ast.Constant):
                    tables.fields[(self.model, str(each.elts[0].value))] = each.elts[1]
            if is_new and not self._for_state:
                tables.new.add(self.model)
        elif self.kind in ("AddField", "AlterField") and (field := self._given.get("field")) is not None:
            tables.fields[(self.model, self._text("name"))] = field
        elif self.kind == "RenameModel" and self.model in tables.new:
            tables.new.add(self._text("new_name").lower())

    def _text(self, name: str) -> str:
        value = self._given.get(name)
        return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""

    def _subject(self) -> str:
        if "model_name" in self._given:
            constraint = self._given.get("constraint")
            named = _arguments(constraint).get("name") if isinstance(constraint, ast.Call) else None
            told = self._text("name") or self._text("old_name")
            return f"{self.model}.{ast.literal_eval(named) if isinstance(named, ast.Constant) else told}"
        does = self._given.get("code") or self._given.get("sql")
        return ast.unparse(does)[:_MOST_WORDS] if does else self.model


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _arguments(call: ast.Call, order: tuple[str, ...] = ()) -> dict[str, ast.expr]:
    return dict(zip(order, call.args, strict=False)) | {each.arg: each.value for each in call.keywords if each.arg}


def _may_be_left_out(field: ast.expr | None) -> bool:
    """Whether any number of rows may be written without it: Django's own `default` is for Django alone."""
    if not isinstance(field, ast.Call):
        return False
    kind, given = _name(field.func), _arguments(field)
    only_once = kind == "OneToOneField" or {"unique", "primary_key"} & given.keys()
    return (
        kind in ("ManyToManyField", "GeneratedField")
        or ("db_default" in given and not only_once)
        or _is_true(given.get("null"))
    )


def _change(before: ast.expr | None, after: ast.expr | None) -> str:
    """Why a field's new form hinders who knows the old one. A default of the database, or more room, hinders nobody."""
    if not (isinstance(before, ast.Call) and isinstance(after, ast.Call)):
        return _CHANGED
    old, new = _in_database(before), _in_database(after)
    if _is_true(old.get("null")) and not _is_true(new.get("null")):
        return "it has to be given from now on, and the earlier version may leave it out"
    differ = {name for name in old.keys() | new.keys() if _dump(old.get(name)) != _dump(new.get(name))}
    if "db_default" in new:
        differ.discard("db_default")
    if _number(new.get("max_length")) >= _number(old.get("max_length")) > 0:
        differ.discard("max_length")
    same_kind = _dump(before.func) == _dump(after.func) and [*map(_dump, before.args)] == [*map(_dump, after.args)]
    return "" if same_kind and not differ else _CHANGED


def _in_database(field: ast.Call) -> dict[str, ast.expr]:
    """A field without what only people and Django are told."""
    return {name: value for name, value in _arguments(field).items() if name not in _SAID_ONLY}


def _dump(value: ast.expr | None) -> str:
    return "" if value is None else ast.dump(value)


def _is_true(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def _number(value: ast.expr | None) -> int:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, int) else 0
