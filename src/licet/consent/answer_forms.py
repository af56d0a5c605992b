"""The answer form of Licet's own pages: parsed, validated and written in one transaction.

It holds the same choices as the API (`choices.ChoiceRequest`), one a question, and what a page asks
beside them: the terms, an age, the grants that a no leaves in force, and whether to put the notice
off. Every question asked needs an answer. A missing answer is a fault and never defaulted: nothing
is then written except the browser's signal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import assert_never

import msgspec

from licet.consent import choices, notice_views
from licet.consent.notice import Variant
from licet.consent.notice_views import ShowingRecord, ShownOn
from licet.consent.prompt import Prompt, load_prompt, require_notice
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
    # below the known one: asked again, because a person cannot raise it later
    lower_age = "lower_age"
    later = "later"


class FormPage(StrEnum):
    """The page of a form: the notice asks for the terms and every unanswered question, and can be
    put off; a form of the settings asks one question.
    """

    notice = "notice"
    settings = "settings"


class FormResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a form. ``prompt`` is the prompt before it; with ``faults`` no answer was
    recorded.

    ``missing`` are the questions without an answer, ``stale`` those whose yes was refused because
    the page showed an older question; ``stale_terms`` is the same for the terms,
    ``unknown_showing``: the page is not on record. A no counts in every case. ``newest_choice`` is
    the number of the account's newest choice afterwards, ``age`` the age given.
    """

    prompt: Prompt
    faults: frozenset[FormFault] = frozenset()
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    stale_terms: bool = False
    unknown_showing: bool = False
    newest_choice: int = 0
    age: int | None = None


class AnswerForm(VerbRequest, frozen=True, kw_only=True):
    """A submitted form: ``answers`` are `yes`, `no` or anything else by question; the name is empty
    if only one is asked.

    ``keep`` are the numbers of the grants that a no leaves in force; ``age`` is the raw text of the
    field, ``age_again`` its repetition; ``showing`` is the reference of the page shown, empty if
    the form had none.
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

    @property
    def may_restrict(self) -> bool:
        return "no" in self.answers.values()

    def prepare(self, tx: Transaction, versions: Policies) -> VerbStep:
        """A yes needs its question and terms as they were shown, a no needs neither: it is never
        lost beside a stale yes.
        """
        prompt = load_prompt(tx, self.account, versions, self.at, language=self.language)
        if self.page is FormPage.notice:
            notice_views.record_signal(tx, self.account, gpc=self.gpc, now=self.at)
        if self.later:
            return self._put_off(tx, prompt)
        answers = self._answers(prompt)
        missing = self._missing(prompt, answers)
        age, faults = self._read(prompt, answers, missing)
        if self._refuses(prompt, faults):
            return _reject(prompt, faults, missing, age)
        accepts = self.terms and self.page is FormPage.notice
        answered = (
            notice_views.find(tx, self.account, self.showing)
            if self.showing and (accepts or answers)
            else None
        )
        is_unknown = bool(self.showing) and answered is None
        result = FormResult(
            prompt=prompt,
            unknown_showing=is_unknown,
            stale_terms=accepts
            and (is_unknown or not choices.shows_terms(versions, self.at, answered)),
        )
        accepted = accepts and not result.stale_terms
        return VerbStep(
            commands=tuple(
                [
                    self._choice(prompt, question, allow, age).command(answered)
                    for question, allow in answers.items()
                ]
            ),
            finish=lambda done: self._finish(
                tx,
                result,
                versions.newest_material(self.at) if accepted else None,
                answered,
                list(answers),
                done,
            ),
        )

    def _answers(self, prompt: Prompt) -> dict[str, bool]:
        """The valid answers, in the order of the questions; answers to questions that are not asked
        are ignored.
        """
        names = prompt.in_force.asks
        answers = {
            names[0] if name == "" and len(names) == 1 else name: answer
            for name, answer in self.answers.items()
        }
        return {
            name: answers[name] == "yes" for name in names if answers.get(name) in ("yes", "no")
        }

    def _missing(self, prompt: Prompt, answers: Mapping[str, bool]) -> tuple[str, ...]:
        """The required questions without an answer: of the settings its one question, of the notice
        all unanswered ones.
        """
        if self.page is FormPage.settings:
            return () if answers else prompt.in_force.asks
        waiting = tuple([question for question in prompt.unanswered if question not in answers])
        return waiting or (() if answers or prompt.terms_waiting else prompt.in_force.asks)

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
        made = notice_views.newest_answers(tx, self.account)
        return msgspec.structs.replace(
            result, stale=stale, newest_choice=max([one.seq for one in made.values()], default=0)
        )

    def _choice(
        self, prompt: Prompt, question: str, allow: bool, age: int | None
    ) -> choices.ChoiceRequest:
        scopes = [
            grant
            for grant in prompt.state.grants
            if grant.number in self.keep and grant.question == question
        ]
        # a question without its text was never put
        unseen = ChoiceFault.showing if prompt.notice is None else None
        return choices.ChoiceRequest(
            account=self.account,
            at=self.at,
            allow=allow,
            question=question,
            via=place(prompt, self.page).value,
            keep=()
            if allow
            else tuple(choices.scope_of(grant) for grant in scopes if grant.scope != WHOLE_ACCOUNT),
            surface=self.surface,
            showing=self.showing if allow else self.showing or None,
            age=age,
            gpc=self.gpc,
            fault=unseen,
        )

    def _put_off(self, tx: Transaction, prompt: Prompt) -> VerbStep:
        """A notice cannot be put off after its last day."""
        if not prompt.may_put_off:
            return _reject(prompt, frozenset({FormFault.later}))
        shown = notice_views.find(tx, self.account, self.showing)
        if shown is not None:
            notice_views.put_off(tx, self.account, shown.shown_id, self.at)
        return VerbStep(finish=lambda _: FormResult(prompt=prompt))

    def _read(
        self, prompt: Prompt, answers: Mapping[str, bool], missing: Sequence[str]
    ) -> tuple[int | None, frozenset[FormFault]]:
        """The parsed age, and the faults of the form. Only a yes needs an age and a published
        notice.
        """
        if False not in answers.values():
            require_notice(prompt)
        faults, text = set(), self.age.strip()
        if self.page is FormPage.notice and prompt.terms_accepted_at is None and not self.terms:
            faults.add(FormFault.terms)
        if missing:
            faults.add(FormFault.choice)
        age = int(text) if text.isdecimal() and len(text) <= 3 else None
        wrong = text != "" and (age is None or age > AGE_MAX)
        if prompt.min_age is None or wrong:
            age = None
        if prompt.asks_age and age is None and True in answers.values():
            faults.add(FormFault.age)
        known = prompt.state.age
        if age is not None and known is not None and age < known and self.age_again.strip() != text:
            faults.add(FormFault.lower_age)
        return age, frozenset(faults)

    def _refuses(self, prompt: Prompt, faults: frozenset[FormFault]) -> bool:
        """Whether these faults reject the form: a choice counts without the terms, except at
        sign-up.
        """
        signing_up = self.page is FormPage.notice and prompt.variant is Variant.signup
        return bool(faults if signing_up else faults - {FormFault.terms})


def place(prompt: Prompt, page: FormPage) -> ShownOn:
    """The page, as showings name it."""
    match page:
        case FormPage.settings:
            return ShownOn.settings
        case FormPage.notice:
            return ShownOn.signup if prompt.variant is Variant.signup else ShownOn.notice
        case _:
            assert_never(page)


def _reject(
    prompt: Prompt,
    faults: frozenset[FormFault],
    missing: tuple[str, ...] = (),
    age: int | None = None,
) -> VerbStep:
    return VerbStep(
        finish=lambda _: FormResult(prompt=prompt, faults=faults, missing=missing, age=age)
    )
