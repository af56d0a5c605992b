"""A paper: sections of questions the law asks, with answers over named values.

An answer is text with placeholders such as `{figures.totals.rows}`, which `paper_pages` fills in.
Each names a value of the payload: of the log's ``figures``, the ``policy``, the database's
``recorded`` values, or the operator's ``stated`` answers. Texts contain no figures of their own, so
checking the figures checks the paper.

Payload (canonical JSON, signed):
{"at":{"entries","log","time"},"figures":..,"kind","law","logs":[..],"policy":{"document",
"number","sha256"},"recorded":..,"scope":[release ids] or
null,"sections":[{"lines":[{"asks","says"}],"number","rows",
"title"}],"stated":..,"title","type":"licet-document","v":1}
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import yaml

from licet.consent import operator_answers
from licet.consent.controller import Controller
from licet.policy.retention import RULES, ContentKind

VERSION, TYPE, JWS_TYPE = 1, "licet-document", "licet-document+jws"


class PaperKind(StrEnum):
    """The papers, by their names on the command line."""

    ropa = "ropa"
    training_summary = "training-summary"
    ab2013 = "ab2013"
    risk_assessment = "risk-assessment"


class PaperLine(msgspec.Struct, frozen=True):
    """A question of the law and its answer."""

    asks: str
    says: str


class PaperSection(msgspec.Struct, frozen=True, kw_only=True):
    """A numbered part of a paper. ``rows`` names a list of values to show as a table."""

    number: str
    title: str
    lines: tuple[PaperLine, ...]
    rows: str | None = None


class PaperForm(msgspec.Struct, frozen=True, kw_only=True):
    """A paper without values: its law, and its sections in the order of the law or template."""

    kind: PaperKind
    title: str
    law: str
    sections: tuple[PaperSection, ...]


class _SectionText(msgspec.Struct, forbid_unknown_fields=True):
    """A section in a file; ``lines`` are answers by question, after those of the ``periods``."""

    number: str
    title: str
    lines: dict[str, str]
    rows: str | None = None
    periods: bool = False


class _FormText(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    law: str
    sections: tuple[_SectionText, ...]


_PERIOD_NOTES = {
    ContentKind.deleted: " at most after the deletion, and not used from the deletion on"
}
_PERIODS = tuple(
    PaperLine(rule.label, f"{{policy.document.keep.{rule.key}}}{_PERIOD_NOTES.get(rule.kind, '')}")
    for rule in RULES
)


@cache
def load_form(kind: PaperKind) -> PaperForm:
    text = (files("licet.legal") / f"{kind.name}.yaml").read_bytes()
    form = msgspec.convert(yaml.safe_load(text), _FormText)
    return PaperForm(
        kind=kind,
        title=form.title,
        law=form.law,
        sections=tuple(
            PaperSection(
                number=part.number,
                title=part.title,
                lines=(_PERIODS if part.periods else ())
                + tuple(PaperLine(asks, says) for asks, says in part.lines.items()),
                rows=part.rows,
            )
            for part in form.sections
        ),
    )


def list_statements(controller: Controller) -> dict[str, Any]:
    """The operator's statements by key; null without an answer."""
    own: dict[str, Any] = {
        key: value if value or value is False else None
        for key, value in msgspec.to_builtins(controller).items()
        if key != "papers"
    }
    return own | {key: controller.papers.get(key) for key in operator_answers.ASKED}


def list_placeholders(text: str) -> list[str]:
    """The names of a text's placeholders."""
    return [part.partition("}")[0] for part in text.split("{")[1:]]


def get_value(payload: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 a value of JSON
    """A value of a payload by its dotted name; KeyError."""
    value: Any = payload
    for key in name.split("."):
        if not isinstance(value, Mapping):
            raise KeyError(name)
        value = value[key]
    return value
