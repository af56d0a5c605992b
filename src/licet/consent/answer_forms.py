"""The form in which a person answers on a page of ours, as one verb: read, checked and written in one transaction.

The same choice as the API's (`choices.ChoiceRequest`), and what a page asks beside it: the terms, an age, and whether to
put the notice off. What a form lacks is a fault, and is never filled in: then nothing of it is written, but for a
signal of the browser, which is on record as soon as it came.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never
from uuid import UUID

import msgspec

from licet.consent import choices, prompt, showings
from licet.consent.notice import Variant
from licet.consent.prompt import Prompt
from licet.consent.showings import ShownOn
from licet.errors import RefusedError
from licet.policy.file import AGE_MAX, Policies
from licet.store.connect import Transaction
from licet.vault.commands import STALE, CommandResult
from licet.vault.requests import VerbRequest, VerbStep


class FormFault(StrEnum):
    """What is wrong with a form."""

    terms = "terms"
    choice = "choice"
    age = "age"
    later = "later"


class FormPage(StrEnum):
    """The page of a form: the notice asks for the terms too, and can be put off; the settings ask for the choice."""

    notice = "notice"
    settings = "settings"


class FormResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a form. ``asked`` is what the account was asked before it; with ``faults`` nothing was answered.

    ``newest_choice`` is the number of the account's newest choice after it; ``is_stale``: nothing counts of a yes from
    a page that shows the question as it was.
    """

    asked: Prompt
    faults: frozenset[FormFault] = frozenset()
    newest_choice: int = 0
    is_stale: bool = False


class AnswerForm(VerbRequest, frozen=True, kw_only=True):
    """A form as it was sent: ``allow`` is `yes`, `no` or empty, ``age`` whatever stood in the field."""

    page: FormPage
    allow: str
    age: str
    surface: str
    language: str
    gpc: bool
    terms: bool = False
    later: bool = False
    showing: UUID | None = None

    def prepare(self, tx: Transaction, known: Policies) -> VerbStep:
        """RefusedError (`stale`) for a yes without its question, or to other terms; NotFoundError for another's showing."""
        asked = prompt.ask(tx, self.account, known, self.at, language=self.language)
        if self.page is FormPage.notice:
            showings.signal(tx, self.account, gpc=self.gpc, at=self.at)
        if self.later:
            return self._put_off(tx, asked)
        age, faults = self._read(asked)
        if self._refuses(asked, faults):
            return _faulty(asked, faults)
        answers = self.allow in ("yes", "no")
        if self.showing is None and self.allow == "yes":
            raise RefusedError("a yes needs the question that it answers", because=STALE)
        accepts = self.terms and self.page is FormPage.notice
        answered = None
        if self.showing is not None and (accepts or answers):
            answered = showings.get(tx, self.account, self.showing)
        number = choices.terms_to_accept(known, self.at, answered) if accepts else None
        command = self._choice(asked, age).command(answered) if answers else None
        return VerbStep(command=command, finish=lambda answer: self._finish(tx, asked, number, answer))

    def _finish(self, tx: Transaction, asked: Prompt, number: int | None, answer: CommandResult) -> FormResult:
        if choices.is_stale(answer):
            return FormResult(asked=asked, is_stale=True)
        if number is not None:
            choices.record_terms(tx, self.account, number, self.at, showing=self.showing)
        return FormResult(asked=asked, newest_choice=showings.newest_choice(tx, self.account))

    def _choice(self, asked: Prompt, age: int | None) -> choices.ChoiceRequest:
        return choices.ChoiceRequest(
            account=self.account, at=self.at, allow=self.allow == "yes", via=place(asked, self.page).value,
            surface=self.surface, showing=self.showing, age=age, gpc=self.gpc,
        )  # fmt: skip

    def _put_off(self, tx: Transaction, asked: Prompt) -> VerbStep:
        """After the last day it is no answer any more."""
        if not asked.may_put_off:
            return _faulty(asked, frozenset({FormFault.later}))
        if self.showing is not None:
            showings.put_off(tx, self.account, self.showing, self.at)
        return VerbStep(command=None, finish=lambda _: FormResult(asked=asked))

    def _read(self, asked: Prompt) -> tuple[int | None, frozenset[FormFault]]:
        """The age, and what is wrong with an answer. An age is needed for a yes alone."""
        prompt.asked_notice(asked)
        found, text = set(), self.age.strip()
        if self.page is FormPage.notice and asked.terms_accepted_at is None and not self.terms:
            found.add(FormFault.terms)
        if self.allow not in ("yes", "no") and not asked.terms_waiting:
            found.add(FormFault.choice)
        age = int(text) if text.isdecimal() and len(text) <= 3 else None
        wrong = text != "" and (age is None or age > AGE_MAX)
        if asked.asks_age and (wrong or (self.allow == "yes" and age is None)):
            found.add(FormFault.age)
        return (None if wrong or not asked.asks_age else age), frozenset(found)

    def _refuses(self, asked: Prompt, faults: frozenset[FormFault]) -> bool:
        """Whether a form with these faults is answered with the page again: a choice counts without the terms,
        unless somebody signs up.
        """
        signing_up = self.page is FormPage.notice and asked.variant is Variant.signup
        return bool(faults if signing_up else faults - {FormFault.terms})


def place(asked: Prompt, page: FormPage) -> ShownOn:
    """The page by its name on record."""
    match page:
        case FormPage.settings:
            return ShownOn.settings
        case FormPage.notice:
            return ShownOn.signup if asked.variant is Variant.signup else ShownOn.notice
        case _:
            assert_never(page)


def _faulty(asked: Prompt, faults: frozenset[FormFault]) -> VerbStep:
    return VerbStep(command=None, finish=lambda _: FormResult(asked=asked, faults=faults))
