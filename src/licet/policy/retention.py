"""Retention: how long each kind of content is kept under a policy version.

`RULES` has a row for each period of the policy file: the kind of content that it dates, the answer
and the surface under which it applies. `Keep.period` is the only function that looks a period up;
the parser, the canonical text, the diff of two versions, notices and the record of processing go
through the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from licet.policy.period import Period


class ContentKind(StrEnum):
    """What a period dates. An incognito conversation has a period of its own, whatever was
    answered.
    """

    conversation = "conversation"
    incognito = "incognito"
    deleted = "deleted"
    flagged = "flagged"
    flag_score = "flag_score"
    feedback = "feedback"


class RetentionRule(msgspec.Struct, frozen=True):
    """A period of the policy file. ``key`` is its dotted name under `keep`, ``label`` what it dates
    in words.

    ``allowed`` is whether use is permitted, None for either; ``surface`` None is every surface.
    """

    key: str
    label: str
    kind: ContentKind
    allowed: bool | None = None
    surface: str | None = None

    @property
    def name(self) -> str:
        """The key as an identifier, as notices and sentences refer to the period:
        `feedback_opted_in`.
        """
        return self.key.replace(".", "_")


RULES = (
    RetentionRule(
        "opted_in", "Conversations of people who allowed training", ContentKind.conversation, True
    ),
    RetentionRule(
        "opted_out", "Conversations of people who did not", ContentKind.conversation, False
    ),
    RetentionRule("incognito", "Incognito conversations", ContentKind.incognito),
    RetentionRule("deleted", "Deleted conversations", ContentKind.deleted),
    RetentionRule("flagged", "Flagged content", ContentKind.flagged),
    RetentionRule("flag_score", "Scores of flagged content", ContentKind.flag_score),
    RetentionRule(
        "feedback.opted_in", "Feedback of people who allowed training", ContentKind.feedback, True
    ),
    RetentionRule(
        "feedback.opted_out", "Feedback of people who did not", ContentKind.feedback, False
    ),
)


class Keep(msgspec.Struct, frozen=True, dict=True):
    """The periods of a version, in the order of `RULES`."""

    rows: tuple[tuple[RetentionRule, Period], ...]

    @cached_property
    def _by_terms(self) -> dict[tuple[ContentKind, bool | None, str | None], Period]:
        return {(rule.kind, rule.allowed, rule.surface): period for rule, period in self.rows}

    def period(
        self, kind: ContentKind, allowed: bool | None = None, surface: str | None = None
    ) -> Period:
        """The period of content of ``kind``: the one for the surface if there is one, else that of
        every surface.
        """
        periods = self._by_terms
        return periods.get((kind, allowed, surface)) or periods[kind, allowed, None]

    def of_turn(
        self, *, allowed: bool, incognito: bool = False, surface: str | None = None
    ) -> Period:
        """The period of a turn: what may be used is never incognito."""
        if incognito:
            return self.period(ContentKind.incognito, surface=surface)
        return self.period(ContentKind.conversation, allowed, surface)

    @property
    def by_surface(self) -> bool:
        """Whether some period applies to one surface alone."""
        return any(rule.surface is not None for rule, _ in self.rows)

    @property
    def of_turns(self) -> frozenset[Period]:
        """The periods that can date a turn when it is taken."""
        dated = (ContentKind.conversation, ContentKind.incognito)
        return frozenset(period for rule, period in self.rows if rule.kind in dated)

    def changed(self, changes: Mapping[str, Period]) -> Keep:
        """The same with other periods under some keys."""
        return Keep(tuple((rule, changes.get(rule.key, period)) for rule, period in self.rows))

    def document(self) -> dict[str, Any]:
        """The part `keep` of the policy file; a key with a dot is one of an inner mapping."""
        document: dict[str, Any] = {}
        for rule, period in self.rows:
            outer, _, inner = rule.key.rpartition(".")
            (document.setdefault(outer, {}) if outer else document)[inner] = str(period)
        return document
