"""docs/configuration.md has every setting, field by field, with its variable and its default, and
invents none.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from licet.config import Configuration
from licet.errors import UsageError

PAGE = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `(?P<field>\w+)` \| `(?P<variable>[A-Z_]+)` \| (?P<default>[^|]+) \| (?P<meaning>[^|]+) \|$",
    re.M,
)
WORDS_MIN = 2


def settings(
    of: type[msgspec.Struct] = Configuration, prefix: str = "LICET_"
) -> dict[str, tuple[str, Any]]:
    """Every variable, with its field and its default; a section's fields follow its name and two
    underscores.
    """
    found: dict[str, tuple[str, Any]] = {}
    types = get_type_hints(of)
    for field in msgspec.structs.fields(of):
        kind = types[field.name]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found |= settings(kind, f"LICET_{kind.__name__.upper()}__")
        else:
            default = (
                field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            )
            found[prefix + field.name.upper()] = (field.name, default)
    return found


def shown(default: Any) -> str:
    if default is None or default == ():
        return "none"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return (
        f"{default:,}"
        if isinstance(default, int) and not isinstance(default, bool)
        else f"`{default}`"
    )


def rows() -> dict[str, re.Match[str]]:
    found = list(ROW.finditer(PAGE))
    assert len({row["variable"] for row in found}) == len(found), "a variable stands there twice"
    return {row["variable"]: row for row in found}


def test_every_setting_is_described_and_none_is_invented() -> None:
    assert sorted(rows()) == sorted(settings())


def test_every_row_of_the_tables_is_read() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(lines) == len(rows())


@pytest.mark.parametrize("variable", sorted(settings()))
def test_a_setting_is_described_as_it_is(variable: str) -> None:
    field, default = settings()[variable]
    row = rows()[variable]
    assert (row["field"], row["default"]) == (field, shown(default))
    assert len(row["meaning"].split()) >= WORDS_MIN


def test_what_the_page_names_is_taken_and_nothing_else() -> None:
    for variable in rows():
        Configuration.from_environment({variable: ""})
    with pytest.raises(UsageError, match="unknown setting `LICET_WEB__TOKEN_KEY`"):
        Configuration.from_environment({"LICET_WEB__TOKEN_KEY": "x"})


def test_a_secret_is_given_as_a_file_alone() -> None:
    for variable, (field, _) in settings().items():
        secret = re.search(r"secret|password|pin|private|token_key", field)
        assert not secret or variable.endswith("_FILE"), variable


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("LICET_DTA", "did you mean `LICET_DATA`?"),
        ("LICET_SWEEP__UNASKD", "did you mean `LICET_SWEEP__UNASKED`?"),
        (
            "LICET_SWEEP__HOURS",
            "did you mean `LICET_SWEEP__EVERY_SECONDS` or `LICET_SWEEP__JOIN_AFTER_DAYS` or "
            "`LICET_SWEEP__SHARE` or `LICET_SWEEP__UNASKED`?",
        ),
        ("LICET_WEB__PRT", "it is no setting but an option of `licet serve`: `--port`"),
        ("LICET_WEB__URLS", "did you mean `LICET_WEB__URL`?"),
        ("LICET_WEB__COLOUR", "docs/configuration.md has every setting"),
    ],
)
def test_a_setting_that_does_not_exist_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Configuration.from_environment({name: "1"})
    assert (caught.value.message, caught.value.hint) == (f"unknown setting `{name}`", hint)
