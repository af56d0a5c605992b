"""The form in which a person answers on a page of ours, as one verb: read, checked and written in
one transaction.

The same choices as the API's (`choices.ChoiceRequest`), one a question, and what a page asks beside
them: the terms, an age, what a no is to leave below the account, and whether to put the notice off.
A form answers every question that it asks. What it lacks is a fault, and is never filled in: then
nothing of it is written, but for a signal of the browser, which is on record as soon as it came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import assert_never

import msgspec

from licet.consent import choices, prompt, showings
from licet.consent.notice import Variant
from licet.consent.prompt import Prompt
from licet.consent.showings import ShowingRecord, ShownOn
from licet.policy.file import AGE_MAX, Policies
from licet.policy.state import WHOLE_ACCOUNT
from licet.store.connect import Transaction
from licet.vault.commands import ChoiceFault, CommandResult
from licet.vault.requests import VerbRequest, VerbStep


class FormFault(StrEnum):
    """What is wrong with a form."""

    terms = "terms"
    choice = "choice"
    age = "age"
    # below the one that is known: asked once more, as no person can raise it again
    lower_age = "lower_age"
    later = "later"


class FormPage(StrEnum):
    """The page of a form: the notice asks for the terms and every unanswered question, and can be
    put off; a form of the settings asks one question.
    """

    notice = "notice"
    settings = "settings"


class FormResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a form. ``asked`` is what the account was asked before it; with ``faults``
    nothing was answered.

    ``missing`` are the questions without an answer, ``stale`` those whose yes does not count, as
    the page shows the question as it was; ``stale_terms`` says the same of the terms,
    ``unknown_showing`` that the page is not on record. A no counts beside any of them.
    ``newest_choice`` is the number of the account's newest choice after it; ``age`` is the one that
    was given.
    """

    asked: Prompt
    faults: frozenset[FormFault] = frozenset()
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    stale_terms: bool = False
    unknown_showing: bool = False
    newest_choice: int = 0
    age: int | None = None


class AnswerForm(VerbRequest, frozen=True, kw_only=True):
    """A form as it was sent: ``answers`` are `yes`, `no` or anything else by question, the name
    empty where one is asked.

    ``keep`` are the numbers of the grants that a no leaves; ``age`` is whatever stood in the field,
    ``age_again`` that it was given once more; ``showing`` is the page's own, as it stood in the
    form, empty where none did.
    """

    page: FormPage
    answers: dict[str, str]
    age: str
    surface: str
    language: str
    gpc: bool
    keep: frozenset[int] = frozenset()
    age_again: str = ""
    terms: bool = False
    later: bool = False
    showing: str = ""

    def prepare(self, tx: Transaction, known: Policies) -> VerbStep:
        """A yes needs its question and terms as they were shown, a no needs neither: it is never
        lost beside a stale yes.
        """
        asked = prompt.ask(tx, self.account, known, self.at, language=self.language)
        if self.page is FormPage.notice:
            showings.signal(tx, self.account, gpc=self.gpc, at=self.at)
        if self.later:
            return self._put_off(tx, asked)
        answers = self._answers(asked)
        missing = self._missing(asked, answers)
        age, faults = self._read(asked, answers, missing)
        if self._refuses(asked, faults):
            return _faulty(asked, faults, missing, age)
        accepts = self.terms and self.page is FormPage.notice
        answered = (
            showings.find(tx, self.account, self.showing)
            if self.showing and (accepts or answers)
            else None
        )
        is_unknown = bool(self.showing) and answered is None
        result = FormResult(
            asked=asked,
            unknown_showing=is_unknown,
            stale_terms=accepts
            and (is_unknown or not choices.shows_terms(known, self.at, answered)),
        )
        accepted = accepts and not result.stale_terms
        return VerbStep(
            commands=tuple(
                [
                    self._choice(asked, question, allow, age).command(answered)
                    for question, allow in answers.items()
                ]
            ),
            finish=lambda done: self._finish(
                tx,
                result,
                known.newest_material(self.at) if accepted else None,
                answered,
                list(answers),
                done,
            ),
        )

    def _answers(self, asked: Prompt) -> dict[str, bool]:
        """The answers that the form gives, in the order of the questions; others than those that
        are asked count for nothing.
        """
        names = asked.in_force.asks
        given = {
            names[0] if name == "" and len(names) == 1 else name: said
            for name, said in self.answers.items()
        }
        return {name: given[name] == "yes" for name in names if given.get(name) in ("yes", "no")}

    def _missing(self, asked: Prompt, answers: Mapping[str, bool]) -> tuple[str, ...]:
        """The questions that the form had to answer and did not: one of the settings has one, the
        notice all that wait.
        """
        if self.page is FormPage.settings:
            return () if answers else asked.in_force.asks
        waiting = tuple([question for question in asked.unanswered if question not in answers])
        return waiting or (() if answers or asked.terms_waiting else asked.in_force.asks)

    def _finish(
        self,
        tx: Transaction,
        result: FormResult,
        terms: int | None,
        answered: ShowingRecord | None,
        names: Sequence[str],
        done: Sequence[CommandResult],
    ) -> FormResult:
        stale = tuple(
            [name for name, answer in zip(names, done, strict=True) if choices.is_stale(answer)]
        )
        if terms is not None and (not names or len(stale) < len(names)):
            showing = answered.shown_id if answered is not None else None
            choices.record_terms(tx, self.account, terms, self.at, showing=showing)
        made = showings.newest_answers(tx, self.account)
        return msgspec.structs.replace(
            result, stale=stale, newest_choice=max([one.seq for one in made.values()], default=0)
        )

    def _choice(
        self, asked: Prompt, question: str, allow: bool, age: int | None
    ) -> choices.ChoiceRequest:
        kept = [
            grant
            for grant in asked.state.grants
            if grant.number in self.keep and grant.question == question
        ]
        # a question without its text was never put
        unseen = ChoiceFault.showing if asked.notice is None else None
        return choices.ChoiceRequest(
            account=self.account,
            at=self.at,
            allow=allow,
            question=question,
            via=place(asked, self.page).value,
            keep=()
            if allow
            else tuple(choices.scope_of(grant) for grant in kept if grant.scope != WHOLE_ACCOUNT),
            surface=self.surface,
            showing=self.showing if allow else self.showing or None,
            age=age,
            gpc=self.gpc,
            fault=unseen,
        )

    def _put_off(self, tx: Transaction, asked: Prompt) -> VerbStep:
        """After the last day it is no answer any more."""
        if not asked.may_put_off:
            return _faulty(asked, frozenset({FormFault.later}))
        shown = showings.find(tx, self.account, self.showing)
        if shown is not None:
            showings.put_off(tx, self.account, shown.shown_id, self.at)
        return VerbStep(finish=lambda _: FormResult(asked=asked))

    def _read(
        self, asked: Prompt, answers: Mapping[str, bool], missing: Sequence[str]
    ) -> tuple[int | None, frozenset[FormFault]]:
        """The age, and what is wrong with an answer. An age and a notice are needed for a yes
        alone.
        """
        if False not in answers.values():
            prompt.asked_notice(asked)
        found, text = set(), self.age.strip()
        if self.page is FormPage.notice and asked.terms_accepted_at is None and not self.terms:
            found.add(FormFault.terms)
        if missing:
            found.add(FormFault.choice)
        age = int(text) if text.isdecimal() and len(text) <= 3 else None
        wrong = text != "" and (age is None or age > AGE_MAX)
        if asked.min_age is None or wrong:
            age = None
        if asked.asks_age and age is None and True in answers.values():
            found.add(FormFault.age)
        known = asked.state.age
        if age is not None and known is not None and age < known and self.age_again.strip() != text:
            found.add(FormFault.lower_age)
        return age, frozenset(found)

    def _refuses(self, asked: Prompt, faults: frozenset[FormFault]) -> bool:
        """Whether a form with these faults is answered with the page again: a choice counts without
        the terms, unless somebody signs up.
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


def _faulty(
    asked: Prompt,
    faults: frozenset[FormFault],
    missing: tuple[str, ...] = (),
    age: int | None = None,
) -> VerbStep:
    return VerbStep(
        finish=lambda _: FormResult(asked=asked, faults=faults, missing=missing, age=age)
    )
