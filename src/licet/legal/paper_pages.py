"""Renders papers as Markdown and HTML, from the signed payload alone.

A missing value is "to be provided" if the operator states it, and "not counted" otherwise. Each
answer names its source: the log and manifests, the policy, the database, the operator, or Licet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from licet.legal.paper import get_value, list_placeholders

TO_BE_PROVIDED, NOT_COUNTED = "to be provided", "not counted"
_PERIOD = re.compile(r"P([1-9][0-9]{0,5})([DWMY])", re.ASCII)
_UNITS = {"D": "day", "W": "week", "M": "month", "Y": "year"}
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")
# The source of an answer, by the first part of its names.
ORIGINS = {
    "figures": "log and manifests",
    "policy": "policy",
    "recorded": "database",
    "stated": "operator",
}
FIXED = "Licet"
OPTIONAL = ("policy.document.min_age", "recorded.first_used")  # null: there is none
# The columns of a table of releases.
COLUMNS = (
    ("Release", "name"), ("Sealed", "sealed_at"), ("Purpose", "purpose"), ("Accounts", "contents.accounts"),
    ("Rows", "rows"), ("Turns", "turns"), ("Tokens", "contents.tokens"), ("From", "contents.first_month"),
    ("To", "contents.last_month"),
)  # fmt: skip
Escape = Callable[[str], str]


def format_value(value: Any, name: str) -> str:  # noqa: ANN401 a value of JSON
    """A value in words."""
    match value:
        case None:
            return (
                TO_BE_PROVIDED
                if name.startswith("stated")
                else "none"
                if name in OPTIONAL
                else NOT_COUNTED
            )
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case str():
            return _period(value) if name.startswith("policy") else value
        case Mapping():
            words = sorted(value.items(), key=lambda pair: (-pair[1], pair[0]))
            return ", ".join(f"{_word(key, name)} ({count:,})" for key, count in words) or "none"
        case _:
            return ", ".join(_word(str(item), name) for item in value) or "none"


def _word(text: str, name: str) -> str:
    """The label of a closed word; names of models and recipients are unchanged."""
    is_closed = name.startswith(("policy.", "figures.")) and not name.endswith("models")
    return text.replace("_", " ") if is_closed else text


def _period(text: str) -> str:
    """A policy period in words; midnight as its day."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        return text.removesuffix("T00:00:00Z")
    count, unit = int(match[1]), _UNITS[match[2]]
    return f"{count:,} {unit}" + ("s" if count != 1 else "")


def fill_answer(payload: Mapping[str, Any], says: str, as_is: Escape = str) -> str:
    """Fills an answer's placeholders with values escaped by ``as_is``."""
    parts = re.split(r"\{([a-z0-9_.]+)\}", says)
    return "".join(
        as_is(format_value(get_value(payload, part), part)) if number % 2 else as_is(part)
        for number, part in enumerate(parts)
    )


def name_source(says: str) -> str:
    origins = dict.fromkeys(ORIGINS[name.partition(".")[0]] for name in list_placeholders(says))
    return ", ".join(origins) or FIXED


def _cells(payload: Mapping[str, Any], rows: str) -> Iterator[list[str]]:
    for row in get_value(payload, rows):
        yield [_cell(row, path) for _, path in COLUMNS]


def _cell(release: Mapping[str, Any], path: str) -> str:
    if (
        path == "contents.accounts"
        and release["contents"]
        and release["contents"]["accounts"] is None
    ):
        return "fewer than 10"
    try:
        value = get_value(release, path)
    except KeyError:  # no manifest, or an older one without contents
        value = None
    if path == "name" and value is None:
        return str(release["release"][:12])
    return str(value)[:10] if path == "sealed_at" else format_value(value, "figures.releases")


def _facts(payload: Mapping[str, Any], sha256: str) -> list[tuple[str, str]]:
    at = payload["at"]
    scope = payload["scope"]
    return [
        ("Law", payload["law"]),
        ("Controller or provider", format_value(payload["stated"]["name"], "stated.name")),
        (
            "As of",
            (
                f"{at['time'][:16].replace('T', ' ')} UTC, entry {at['entries']:,} of the log "
                f"{at['log']}"
            ),
        ),
        (
            "About",
            "all releases up to there" if scope is None else f"{len(scope)} named release(s)",
        ),
        (
            "Policy",
            (
                f"{payload['policy']['document']['policy']}, version "
                f"{payload['policy']['document']['version']}"
            ),
        ),
        ("SHA-256 of the signed paper", sha256),
    ]


_NOTE = (
    "Numbers are counted from the published log and from the manifests of its releases. Answers "
    "from the database or from "
    "the operator are proved by nothing but the signature. This paper is no legal advice."
)
_CHECK = "licet verify document FILE --log PUBLISHED --release RELEASES --key VKEY"


def render_markdown(payload: Mapping[str, Any], sha256: str) -> str:
    lines = [f"# {_escape_plain(payload['title'])}", ""]
    lines += [f"- **{label}**: {_escape_plain(text)}" for label, text in _facts(payload, sha256)]
    for part in payload["sections"]:
        lines += ["", f"## {_escape_plain(' '.join((part['number'], part['title'])).strip())}", ""]
        lines += ["| | answer | from |", "|---|---|---|"]
        for line in part["lines"]:
            cells = (
                _escape_plain(line["asks"]),
                fill_answer(payload, line["says"], _escape_plain),
                name_source(line["says"]),
            )
            lines.append("| " + " | ".join(" ".join(cell.split()) for cell in cells) + " |")
        if part["rows"] and get_value(payload, part["rows"]):
            lines += [
                "",
                "| " + " | ".join(head for head, _ in COLUMNS) + " |",
                "|---" * len(COLUMNS) + "|",
            ]
            lines += [
                "| " + " | ".join(map(_escape_plain, row)) + " |"
                for row in _cells(payload, part["rows"])
            ]
    return "\n".join([*lines, "", "---", "", _NOTE, "", f"    {_CHECK}", ""])


def _escape_plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
</head>
<body>
<main>
<h1>{title}</h1>
<dl>
{facts}
</dl>
{sections}
<hr>
<p>{note}</p>
<pre>{check}</pre>
</main>
</body>
</html>
"""


def render_html(payload: Mapping[str, Any], sha256: str) -> str:
    """The paper as a standalone page, without style or script."""
    return _PAGE.format(
        title=escape(payload["title"]),
        facts="\n".join(
            f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>"
            for label, text in _facts(payload, sha256)
        ),
        sections="\n".join(_section(payload, part) for part in payload["sections"]),
        note=escape(_NOTE),
        check=escape(_CHECK),
    )


def _section(payload: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    title = escape(" ".join((part["number"], part["title"])).strip())
    rows = [
        f'<tr><th scope="row">{escape(line["asks"])}</th><td>{fill_answer(payload, line["says"], _multiline)}</td>'
        f"<td>{name_source(line['says'])}</td></tr>"
        for line in part["lines"]
    ]
    made = [f"<section>\n<h2>{title}</h2>", _table(("Item", "Answer", "From"), rows, title)]
    if part["rows"] and get_value(payload, part["rows"]):
        cells = [
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
            for row in _cells(payload, part["rows"])
        ]
        made.append(_table([head for head, _ in COLUMNS], cells, f"{title}: releases"))
    return "\n".join([*made, "</section>"])


def _table(heads: Sequence[str], rows: Sequence[str], caption: str) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in heads)
    return (
        f"<table>\n<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(rows)
        + "\n</tbody>\n</table>"
    )


def _multiline(text: str) -> str:
    return escape(text).replace("\n", "<br>")
