"""A form answers several questions at once, each by itself: what counts, what is stale, what a no
leaves below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from licet.consent import history, notice, notice_views
from licet.consent.answer_forms import AnswerForm, FormFault, FormPage, FormResult
from licet.consent.notice import Variant
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.file import from_document, preset
from licet.policy.period import instant
from licet.policy.state import AccountState, ScopeKind
from licet.store.connect import Pool
from licet.vault import account_choices, account_view, policy_versions
from licet.vault.commands import ChosenScope
from licet.vault.requests import Write, WriteBatch

from .test_notice import NOW, Desk

MINUTE = timedelta(minutes=1)
ALLOWED, DECLINED, WITHDRAWN, UNDECIDED = "granted", "declined", "withdrawn", "undecided"


class FormDesk(Desk):
    """A desk at which forms are filled in, under `strict`: two questions, and a minimum age."""

    def form(
        self,
        account: UUID,
        answers: dict[str, str],
        at: datetime = NOW,
        *,
        page: FormPage = FormPage.notice,
        showing: UUID | str | None = None,
        age: str = "",
        age_again: str = "",
        keep: frozenset[int] = frozenset(),
        terms: bool = True,
        later: bool = False,
    ) -> FormResult:
        form = AnswerForm(
            account=account,
            at=at,
            page=page,
            answers=answers,
            age=age,
            age_again=age_again,
            surface="app",
            language="en",
            gpc=False,
            keep=keep,
            terms=terms,
            later=later,
            showing=(showing or self.show(account, at)).hex
            if not isinstance(showing, str)
            else showing,
        )
        (made,) = WriteBatch(self.keyring, lambda: at).apply(self.tx, [Write(command=form)])
        if isinstance(made, Exception):
            raise made
        assert isinstance(made.finished, FormResult)
        return made.finished

    def state(self, account: UUID, at: datetime = NOW) -> AccountState:
        return account_view.account_at(
            account_view.load_accounts(self.tx, [account])[account], self.known, at
        ).account

    def standings(self, account: UUID, at: datetime = NOW) -> tuple[str, str]:
        state = self.state(account, at)
        return state.standing("models").value, state.standing("safety").value

    def scoped(self, account: UUID, question: str, name: str, at: datetime) -> int:
        """Allows one project by itself; the number of its grant."""
        scope = ChosenScope(host_project=name.encode())
        answer = self.choose(account, True, at=at, via="chats", question=question, scope=scope)
        (made,) = answer.answers
        assert made.grant is not None, made.because
        return made.grant


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(FileProvider(tmp_path_factory.mktemp("keys")))


@pytest.fixture
def desk(pool: Pool, keyring: Keyring) -> Iterator[FormDesk]:
    with pool.connection() as tx:
        yield FormDesk(tx, keyring, preset("strict"))
        tx.rollback()


def test_each_question_of_one_form_is_a_choice_of_its_own(desk: FormDesk) -> None:
    account = desk.account()
    showing = desk.show(account)
    made = desk.form(account, {"models": "no", "safety": "yes"}, showing=showing)
    assert (made.faults, made.missing, made.stale) == (frozenset(), (), ())
    assert desk.standings(account) == (DECLINED, ALLOWED)
    kept = account_choices.list_by_account(desk.tx, account)
    assert [(one.question, one.allow, one.effect) for one in kept] == [
        ("models", False, "declined"),
        ("safety", True, "began"),
    ]
    assert {one.showing for one in notice_views.newest_answers(desk.tx, account).values()} == {
        showing
    }
    assert made.newest_choice == kept[-1].seq
    assert desk.ask(account).unanswered == ()


def test_a_form_with_a_question_left_open_counts_for_nothing_and_names_it(desk: FormDesk) -> None:
    account = desk.account()
    made = desk.form(account, {"models": "yes"})
    assert (made.faults, made.missing) == (frozenset({FormFault.choice}), ("safety",))
    assert desk.standings(account) == (UNDECIDED, UNDECIDED)
    assert desk.form(account, {}).missing == ("models", "safety")
    assert desk.form(account, {"models": "maybe", "safety": "yes"}).missing == ("models",)
    assert desk.ask(account).terms_accepted_at is None


def test_what_is_answered_elsewhere_leaves_the_gate_and_the_notice_to_the_other_question(
    desk: FormDesk,
) -> None:
    account = desk.account(opened=NOW)
    desk.choose(account, False, via="api", question="models")
    asked = desk.ask(account)
    assert (asked.gate.value, asked.unanswered, asked.variant) == (
        "must_decide",
        ("safety",),
        Variant.signup,
    )
    assert desk.form(account, {"safety": "no"}).faults == frozenset()
    assert (desk.ask(account).gate.value, desk.ask(account).unanswered) == ("open", ())


def test_a_yes_is_stale_for_the_question_answered_since_and_counts_for_the_other(
    desk: FormDesk,
) -> None:
    account = desk.account()
    showing = desk.show(account)
    desk.choose(account, False, via="api", question="models")
    made = desk.form(account, {"models": "yes", "safety": "yes"}, NOW + MINUTE, showing=showing)
    assert made.stale == ("models",)
    assert desk.standings(account) == (DECLINED, ALLOWED)
    again = desk.form(account, {"models": "no", "safety": "no"}, NOW + 2 * MINUTE, showing=showing)
    assert again.stale == ()
    assert desk.standings(account) == (DECLINED, WITHDRAWN), "a no counts from any page"


def test_the_same_form_twice_is_each_choice_once(desk: FormDesk) -> None:
    account = desk.account()
    showing = desk.show(account)
    for at in (NOW, NOW + MINUTE):
        desk.form(account, {"models": "yes", "safety": "no"}, at, showing=showing)
    assert len(account_choices.list_by_account(desk.tx, account)) == 2


def test_a_no_ends_what_is_below_it_but_for_what_it_keeps(desk: FormDesk) -> None:
    account = desk.account()
    desk.form(account, {"models": "no", "safety": "no"})
    kept, ended, other = (
        desk.scoped(account, question, name, NOW + MINUTE)
        for question, name in (("models", "garden"), ("models", "kitchen"), ("safety", "garden"))
    )
    made = desk.form(
        account,
        {"models": "no"},
        NOW + 2 * MINUTE,
        page=FormPage.settings,
        keep=frozenset({kept, other, 99}),
    )
    assert made.faults == frozenset()
    grants = desk.state(account, NOW + 2 * MINUTE).grants
    assert [grant.number for grant in grants] == [kept, other], (kept, ended, other)
    assert {grant.scope.kind for grant in grants} == {ScopeKind.project}


def test_a_form_of_the_settings_answers_the_one_question_it_is_about(desk: FormDesk) -> None:
    account = desk.account()
    assert desk.form(account, {"safety": "yes"}, page=FormPage.settings).missing == ()
    assert desk.standings(account) == (UNDECIDED, ALLOWED)
    assert desk.ask(account).unanswered == ("models",)


@pytest.mark.parametrize("page", FormPage)
def test_the_evidence_of_an_answer_names_the_question_that_was_shown_on_its_page(
    desk: FormDesk, page: FormPage
) -> None:
    account = desk.account()
    showing = desk.show(account)
    desk.form(account, {"models": "yes", "safety": "no"}, page=page, showing=showing, terms=False)
    made = history.load_history(desk.tx, desk.keyring, account).choices
    assert [(one.question, one.unsealed.shown if one.unsealed else None) for one in made] == [
        ("safety", showing.hex),
        ("models", showing.hex),
    ]


def test_an_age_below_the_known_one_is_asked_once_more_before_it_ends_anything(
    desk: FormDesk,
) -> None:
    account = desk.account()
    desk.form(account, {"models": "yes", "safety": "yes"})
    answers, at = {"models": "yes"}, NOW + MINUTE
    asked = desk.form(account, answers, at, page=FormPage.settings, age="15")
    assert asked.faults == {FormFault.lower_age}
    assert (desk.state(account, at).age, len(desk.state(account, at).grants)) == (30, 2)
    assert (
        desk.form(account, answers, at, page=FormPage.settings, age="14", age_again="15").faults
        == asked.faults
    )
    taken = desk.form(account, answers, at, page=FormPage.settings, age="15", age_again="15")
    assert taken.faults == frozenset()
    assert (desk.state(account, at).age, desk.state(account, at).grants) == (15, ())


@pytest.mark.parametrize("age", ["1000", "0030", "151", "-30", "30.5", "thirty"])
def test_what_is_no_age_answers_nothing(desk: FormDesk, age: str) -> None:
    account = desk.account(age=None)
    made = desk.form(account, {"models": "yes", "safety": "yes"}, age=age)
    assert made.faults == {FormFault.age}
    assert (desk.state(account).age, desk.standings(account)) == (None, (UNDECIDED, UNDECIDED))


def test_a_form_that_puts_the_notice_off_answers_nothing_and_after_the_last_day_it_is_no_answer(
    desk: FormDesk,
) -> None:
    account, last = desk.account(), instant("2025-09-29")
    made = desk.form(account, {"models": "yes"}, later=True)
    assert (made.faults, made.stale, made.missing) == (frozenset(), (), ())
    assert desk.standings(account) == (UNDECIDED, UNDECIDED)
    assert desk.ask(account).put_off_at == NOW
    refused = desk.form(account, {"models": "yes"}, last, later=True)
    assert refused.faults == {FormFault.later}
    assert desk.standings(account, last) == (UNDECIDED, UNDECIDED)
    assert desk.ask(account, last).put_off_at == NOW


@pytest.mark.parametrize("page", FormPage)
def test_a_lower_age_is_asked_once_more_wherever_one_may_be_given_and_a_higher_one_is_not_taken(
    desk: FormDesk, page: FormPage
) -> None:
    account = desk.account()
    answers = {"models": "no", "safety": "no"}
    for given, asked, known in (("40", False, 30), ("20", True, 20), ("25", False, 20)):
        first = desk.form(account, answers, page=page, age=given)
        assert first.faults == (frozenset({FormFault.lower_age}) if asked else frozenset())
        if asked:
            assert (first.age, desk.state(account).age) == (20, 30)
            assert (
                desk.form(account, answers, page=page, age=given, age_again=given).faults
                == frozenset()
            )
        assert desk.state(account).age == known


NAMES_NOTHING = ["", "0" * 32, "another's", "zzz", "f" * 40_000]


@pytest.mark.parametrize("page", FormPage)
@pytest.mark.parametrize("showing", NAMES_NOTHING, ids=lambda text: text[:10])
def test_a_yes_without_the_question_that_it_answers_gives_nothing_and_a_no_beside_it_counts(
    desk: FormDesk, showing: str, page: FormPage
) -> None:
    account = desk.account()
    desk.form(account, {"models": "yes", "safety": "no"})
    showing = desk.show(desk.account()).hex if showing == "another's" else showing
    made = desk.form(
        account,
        {"models": "no", "safety": "yes"},
        NOW + MINUTE,
        page=page,
        showing=showing,
        age="20",
        age_again="20",
    )
    assert (made.stale, made.faults, made.unknown_showing) == (
        ("safety",),
        frozenset(),
        bool(showing),
    )
    assert desk.standings(account, NOW + MINUTE) == (WITHDRAWN, DECLINED)
    assert desk.state(account).age == 20
    assert made.newest_choice == max(
        one.seq for one in account_choices.list_by_account(desk.tx, account)
    )


def test_a_page_that_is_not_on_record_accepts_no_terms_and_a_no_on_it_counts(
    desk: FormDesk,
) -> None:
    account = desk.account()
    made = desk.form(account, {"models": "no", "safety": "no"}, showing="0" * 32)
    assert (made.stale, made.stale_terms) == ((), True)
    assert desk.standings(account) == (DECLINED, DECLINED)
    assert desk.ask(account).terms_accepted_at is None


def test_a_no_on_a_page_of_terms_that_were_replaced_counts_and_accepts_nothing(
    desk: FormDesk,
) -> None:
    account = desk.account()
    showing = desk.show(account)
    later = from_document(
        {
            **preset("strict").document(),
            "version": "later",
            "effective": "2025-12-01",
            "decide_by": None,
        }
    )
    policy_versions.add(desk.tx, later, NOW, "test")
    desk.known, at = policy_versions.current(desk.tx), instant("2025-12-02")
    desk.publish(notice.list_shipped_sources(later, ["en"]))
    made = desk.form(account, {"models": "no", "safety": "yes"}, at, showing=showing)
    assert (made.stale, made.stale_terms) == (("safety",), True)
    assert desk.standings(account, at) == (DECLINED, UNDECIDED)
    assert desk.ask(account, at).terms_accepted_at is None


@pytest.mark.parametrize("age", ["1000", "thirty"])
def test_a_no_counts_beside_what_is_no_age(desk: FormDesk, age: str) -> None:
    account = desk.account(age=None)
    assert desk.form(account, {"models": "no", "safety": "no"}, age=age).faults == frozenset()
    assert (desk.state(account).age, desk.standings(account)) == (None, (DECLINED, DECLINED))


def test_a_no_counts_where_no_notice_is_published_and_a_yes_does_not(desk: FormDesk) -> None:
    account = desk.account()
    showing = desk.show(account)
    for table in ("shown", "notices"):
        desk.tx.execute(f"DELETE FROM {table}")
    desk.form(account, {"models": "no", "safety": "yes"}, showing=showing)
    assert desk.standings(account) == (DECLINED, UNDECIDED)


def test_one_question_is_answered_without_its_name(pool: Pool, keyring: Keyring) -> None:
    with pool.connection() as tx:
        desk = FormDesk(tx, keyring, preset("article-2025"))
        account = desk.account()
        assert desk.form(account, {"": "yes"}).faults == frozenset()
        assert desk.state(account).standing("training").value == ALLOWED
        tx.rollback()
