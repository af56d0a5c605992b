"""What the operator recorded beside conversations: accounts, and the choices people made, with their evidence.

Files are CSV with a header, or JSON lines, by their ending. Every mistake names the file, the line, the column
and the mend, and nothing of the file is taken.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from licet.errors import InputError
from licet.intake.replay import Recorded, RecordedChoice
from licet.policy.file import AGE_MAX, Policies
from licet.policy.period import instant

RECORDS_MAX = 200_000_000


def read_accounts(path: Path) -> list[Recorded]:
    """The accounts of a file of records; InputError with the line."""
    result = []
    for line, fields in _records(path, {"account", "plan", "age", "opened"}, {"account", "plan"}):
        age = fields.get("age")
        result.append(
            Recorded(
                host=fields["account"],
                plan=fields["plan"],
                age=_whole(path, line, "age", age) if age else None,
                opened_at=_instant(path, line, "opened", fields["opened"]) if fields.get("opened") else None,
            )
        )
    return result


def read_choices(path: Path, known: Policies) -> list[RecordedChoice]:
    """The recorded choices of a file; InputError with the line, also where one names another policy version."""
    result = []
    columns = {"account", "time", "allow", "version", "channel", "evidence"}
    for line, fields in _records(path, columns, {"account", "time", "allow"}):
        at = _instant(path, line, "time", fields["time"])
        allow = fields["allow"].lower()
        if allow not in ("true", "false", "yes", "no"):
            raise InputError(f"`{allow}` is neither yes nor no", "write true or false", file=str(path), line=line)
        version = fields.get("version")
        if version and version != known.in_force(at).version:
            raise InputError(
                f"version `{version}` was not in force at that time, `{known.in_force(at).version}` was",
                "a choice counts for the terms that were in force when it was made",
                file=str(path), line=line, key="version",
            )  # fmt: skip
        result.append(
            RecordedChoice(
                host=fields["account"], at=at, allow=allow in ("true", "yes"), via=fields.get("channel") or "import",
                evidence=fields.get("evidence", ""),
            )
        )  # fmt: skip
    return result


def _records(path: Path, columns: set[str], needed: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The line and the fields of each record, all text."""
    try:
        text = path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from error
    with text:
        rows = _json_lines(path, text) if path.suffix in (".jsonl", ".ndjson", ".json") else _csv_lines(path, text)
        for count, (line, fields) in enumerate(rows):
            if count >= RECORDS_MAX:
                raise InputError(f"has more than {RECORDS_MAX} records", "split it", file=str(path), line=line)
            for key in fields.keys() - columns:
                raise InputError(
                    "unknown column", f"columns are {', '.join(sorted(columns))}", file=str(path), line=line, key=key
                )
            for key in sorted(needed):
                if not fields.get(key):
                    raise InputError("is missing", "give it a value", file=str(path), line=line, key=key)
            yield line, fields


def _csv_lines(path: Path, text: Iterator[str]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(text)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise InputError("has another number of fields than the header", file=str(path), line=reader.line_num)
            yield reader.line_num, {key.strip(): value.strip() for key, value in row.items()}
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError("is not CSV in UTF-8", file=str(path), line=reader.line_num) from error


def _json_lines(path: Path, text: Iterator[str]) -> Iterator[tuple[int, dict[str, str]]]:
    number = 0
    try:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            value = json.loads(line)
            if not isinstance(value, dict):
                raise InputError("is not an object", "write one {...} a line", file=str(path), line=number)
            yield number, {str(k): _text(v) for k, v in value.items() if v is not None}
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError("is not JSON in UTF-8", "write one {...} a line", file=str(path), line=number) from error


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _whole(path: Path, line: int, key: str, text: str) -> int:
    if not text.isdecimal() or int(text) > AGE_MAX:
        raise InputError(
            f"`{text}` is not an age", "write whole years, or leave it empty", file=str(path), line=line, key=key
        )
    return int(text)


def _instant(path: Path, line: int, key: str, text: str) -> datetime:
    try:
        return instant(text)
    except ValueError as error:
        raise InputError(str(error), "write RFC 3339 with an offset", file=str(path), line=line, key=key) from None
