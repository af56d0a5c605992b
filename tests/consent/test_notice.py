"""Notices are bytes that stay: filled from the policy, published once, shown on record, put off
without a choice.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.consent import choices, history, markdown, notice, notice_views
from licet.consent.catalogue import Catalogue, catalogue, load_languages
from licet.consent.notice import PublishedNotice, Variant
from licet.consent.notice_views import ShownOn
from licet.consent.prompt import Prompt, Reason, Uncovered, load_prompt, require_notice
from licet.errors import BrokenError, InputError, LicetError, NotFoundError, RefusedError
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.file import Policies, Policy, from_document, preset
from licet.policy.period import instant
from licet.policy.retention import RULES
from licet.store.connect import Pool, Transaction
from licet.vault import apply, policy_versions
from licet.vault.commands import (
    Choose,
    ChosenScope,
    CloseAccount,
    CommandResult,
    OpenAccount,
    Outcome,
    SetPlan,
)
from licet.vault.ids import uuid7
from licet.vault.requests import Write, WriteBatch

BEFORE, NOW = instant("2025-08-20"), instant("2025-09-01T10:00:00Z")
STRICT = preset("strict")


class Desk:
    """A transaction, a policy, and its notices published."""

    def __init__(self, tx: Transaction, keyring: Keyring, policy: Policy = STRICT) -> None:
        self.tx, self.keyring = tx, keyring
        policy_versions.add(tx, policy, BEFORE, "test")
        self.known = Policies([policy])
        self.published = self.publish(notice.list_shipped_sources(policy, ["en"]))

    def publish(self, sources: list[str]) -> list[notice.NoticePublication]:
        return notice.publish(
            self.tx, self.known, sources, version=None, now=BEFORE, by="test", random=os.urandom
        )

    def account(self, opened=BEFORE, age: int | None = 30):
        made = uuid7(opened, os.urandom(10))
        apply.apply(
            self.tx,
            self.keyring,
            self.known,
            [OpenAccount(account=made, at=opened, host=os.urandom(16), plan="pro", age=age)],
        )
        return made

    def answer(self, account, allow: bool, at=NOW, via: str = "notice", **more) -> None:
        """The same answer to every question that is asked."""
        for question in self.known.in_force(at).asks:
            self.choose(account, allow, at=at, via=via, question=question, **more)

    def ask(self, account, at=NOW, *, gpc: bool = False) -> Prompt:
        return load_prompt(self.tx, account, self.known, at, gpc=gpc)

    def choose(
        self,
        account,
        allow: bool,
        *,
        at=NOW,
        via="notice",
        showing=None,
        gpc: bool = False,
        question: str | None = None,
        scope: ChosenScope | None = None,
    ) -> CommandResult:
        asked = choices.ChoiceRequest(
            account=account,
            at=at,
            allow=allow,
            via=via,
            showing=showing.hex if showing is not None else None,
            gpc=gpc,
            question=question,
            scope=scope,
        )
        writes = WriteBatch(self.keyring, lambda: at)
        (written,) = writes.apply(self.tx, [Write(command=asked)])
        if isinstance(written, LicetError):
            raise written
        return written.answer

    def show(self, account, at=NOW, place: ShownOn = ShownOn.notice):
        asked = self.ask(account, at)
        return notice_views.record(
            self.tx,
            account,
            require_notice(asked),
            place=place,
            surface="app",
            gpc=False,
            now=at,
            after=asked.newest_choice,
            random=os.urandom,
        )


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(FileProvider(tmp_path_factory.mktemp("keys")))


@pytest.fixture
def desk(pool: Pool, keyring: Keyring) -> Iterator[Desk]:
    with pool.connection() as tx:
        yield Desk(tx, keyring)
        tx.rollback()


def test_the_values_in_a_notice_are_the_policys_own(desk: Desk) -> None:
    found = notice.find(desk.tx, 0, "en", Variant.existing)
    assert found is not None
    body = found.text.body
    assert "5 years" in body
    assert "30 days" in body
    assert "28 September 2025" in body
    assert "{" not in found.document
    assert found.sha256 == hashlib.sha256(found.document.encode()).digest()


def test_a_notice_can_name_every_period_of_its_policy() -> None:
    source = notice.list_shipped_sources(STRICT, ["en"])[0]
    named = "".join(f"\n\n{rule.name} is {{{rule.name}}}." for rule in RULES)
    filled = notice.fill(source + named, STRICT)
    for rule, period in STRICT.keep.rows:
        assert f"{rule.name} is {catalogue().period(period)}." in filled


def test_a_paragraph_about_what_the_policy_does_not_have_is_left_out() -> None:
    endless = from_document({**STRICT.document(), "decide_by": None})
    source = notice.list_shipped_sources(endless, ["en"])[0]
    assert "## Until when" in source
    assert "## Until when" not in notice.fill(source, endless)
    assert "Why we ask your age" in notice.fill(source, endless)


def test_the_same_bytes_twice_are_one_notice_and_other_words_are_another(desk: Desk) -> None:
    again = desk.publish(notice.list_shipped_sources(STRICT, ["en"]))
    assert {one.new for one in again} == {False}
    assert [one.notice for one in again] == [one.notice for one in desk.published]
    other = desk.publish(
        [notice.list_shipped_sources(STRICT, ["en"])[0].replace("New terms", "Newer terms")]
    )
    assert other[0].new
    found = notice.find(desk.tx, 0, "en", Variant.existing)
    assert found is not None
    assert found.text.title.startswith("Newer terms")


def test_a_published_notice_cannot_hold_other_bytes_than_its_hash(desk: Desk) -> None:
    with pytest.raises(Exception, match="notice_hash_is_that_of_its_bytes"):
        desk.tx.execute("UPDATE notices SET document = document || ' '")


def test_a_language_that_was_not_published_falls_back_to_english(desk: Desk) -> None:
    found = notice.find(desk.tx, 0, "et", Variant.existing)
    assert found is not None
    assert found.language == "en"


@pytest.mark.parametrize(
    ("was", "by", "error", "words"),
    [
        ("policy: strict", "policy: other", InputError, "is for `other`"),
        ('version: "{version}"', 'version: "2020-01-01"', InputError, "not for `strict`"),
        ("age: How old are you?\n", "", InputError, "age"),
        ("language: en", "language: English please", InputError, "not a language"),
        ("variant: existing", "variant: popup", InputError, "front matter is wrong"),
        ("title: ", "heading: ", InputError, "title"),
        (
            "no.models: Don’t use my chats to improve models",
            'no.models: ""',
            InputError,
            "key `no.models`: is empty",
        ),
        (
            "no.models: Don’t use my chats to improve models\n",
            "",
            InputError,
            "key `no.models`: is empty",
        ),
        (
            "question.models: ",
            "question: ",
            InputError,
            "key `question`: stands beside questions that are named",
        ),
        (
            "terms: ",
            "yes.ads: Use my chats for ads\nterms: ",
            InputError,
            "key `question.ads`: is empty",
        ),
        ("terms: ", "Yes.models: Use\nterms: ", InputError, "not a key of a notice"),
        ("terms: ", "asks: models\nterms: ", InputError, "not a key of a notice"),
        ("{opted_in}", "{opted}", InputError, "`{opted}` is no value"),
        ("---\npolicy", "policy", InputError, "no front matter"),
        ("## Until when", "Hurry, only 2 days left.\n\n## Until when", RefusedError, "a countdown"),
        ("terms: ", "colour: red\nterms: ", InputError, "not a key of a notice"),
    ],
)
def test_a_notice_that_does_not_fit_is_refused_whole(
    desk: Desk, was: str, by: str, error: type[LicetError], words: str
) -> None:
    good, source = (
        notice.list_shipped_sources(STRICT, ["en"])[1],
        notice.list_shipped_sources(STRICT, ["en"])[0],
    )
    assert was in source
    with pytest.raises(error, match=words):
        desk.publish([good.replace("choice that is yours", "choice"), source.replace(was, by, 1)])
    row = desk.tx.execute("SELECT count(*) FROM notices").fetchone()
    assert row == (2,)


def test_a_notice_that_nobody_would_read_for_its_length_is_refused() -> None:
    source = notice.list_shipped_sources(STRICT, ["en"])[0]
    room = notice.NOTICE_BYTES_MAX - len(source.encode())
    notice.parse_notice(source + "x" * room)
    with pytest.raises(InputError, match="is longer than"):
        notice.parse_notice(source + "x" * room + "x")


def test_a_sign_up_cannot_be_put_off() -> None:
    source = notice.list_shipped_sources(STRICT, ["en"])[1].replace(
        "\nage: ", "\nlater: Decide later\nage: "
    )
    with pytest.raises(InputError, match="cannot be put off"):
        notice.parse_notice(notice.fill(source, STRICT))


def _without(source: str, *beginnings: str) -> str:
    return "\n".join(line for line in source.splitlines() if not line.startswith(beginnings)) + "\n"


def _asking(*questions: tuple[str, str]) -> Policy:
    asks = [{"question": name, "covers": [covers]} for name, covers in questions]
    return from_document({**STRICT.document(), "choice": asks})


def test_a_question_without_words_of_its_own_is_asked_in_those_of_the_catalogue(desk: Desk) -> None:
    policy = _asking(("models", "improve_models"), ("ads", "better_ads"))
    source = _without(notice.list_shipped_sources(STRICT, ["en"])[0], "question.", "yes.", "no.")
    text = notice.parse_notice(notice.fill(source, policy))
    assert [(one.name, one.question, one.yes, one.no) for one in text.words(policy.asks)] == [
        (
            "models",
            "May we use your chats and coding sessions to improve models?",
            "Use my chats to improve models",
            "Don’t use my chats to improve models",
        ),
        (
            "ads",
            "May we use your chats and coding sessions to serve the purpose “better ads”?",
            "Use my chats to serve the purpose “better ads”",
            "Don’t use my chats to serve the purpose “better ads”",
        ),
    ]
    alone = _asking(("training", "improve_models"))
    assert (
        notice.parse_notice(notice.fill(source, alone)).words(["training"])[0].yes == "Use my chats"
    )
    assert desk.publish([source])[0].new, "and what is published holds the words"
    found = notice.find(desk.tx, 0, "en", Variant.existing)
    assert found is not None
    assert "question.safety: " in found.document


def test_a_notice_that_asks_in_one_what_the_policy_asks_apart_is_not_published(desk: Desk) -> None:
    source = _without(notice.list_shipped_sources(STRICT, ["en"])[0], "question.", "yes.", "no.")
    one = source.replace("terms: ", "question: May we?\nyes: Use it\nno: Don’t use it\nterms: ", 1)
    with pytest.raises(
        InputError, match="is one question, and the policy asks `models`, `safety`, each by itself"
    ):
        desk.publish([one])
    more = notice.list_shipped_sources(STRICT, ["en"])[0].replace(
        "terms: ", "question.ads: May we?\nyes.ads: Use\nno.ads: No\nterms: ", 1
    )
    with pytest.raises(InputError, match=r"question.ads.*asks what the policy does not"):
        desk.publish([more])


def test_what_ships_for_a_policy_asks_what_it_asks() -> None:
    single = from_document(
        {**STRICT.document(), "choice": {"covers": ["improve_models", "safety_classifiers"]}}
    )
    for policy, names in (
        (STRICT, {"models", "safety"}),
        (single, {""}),
        (preset("article-2025"), {""}),
    ):
        found = [
            notice.parse_notice(notice.fill(source, policy))
            for source in notice.list_shipped_sources(policy, ["en"])
        ]
        assert sorted(text.variant for text in found) == [Variant.existing, Variant.signup]
        assert [{one.name for one in text.all_words} for text in found] == [names, names]
    assert (
        notice.list_shipped_sources(_asking(("models", "improve_models"), ("ads", "better_ads")))
        == []
    )


def test_no_row_can_say_that_something_was_preselected(desk: Desk) -> None:
    showing = desk.show(desk.account())
    with pytest.raises(Exception, match="nothing_was_preselected"):
        desk.tx.execute("UPDATE shown SET default_state = 'yes' WHERE shown_id = %s", [showing])


def test_a_page_loaded_again_within_minutes_is_one_showing(desk: Desk) -> None:
    account = desk.account()
    first = desk.show(account)
    assert desk.show(account, NOW + timedelta(minutes=5)) == first
    assert desk.show(account, NOW + timedelta(minutes=15)) != first
    assert desk.show(account, NOW + timedelta(minutes=5), ShownOn.settings) != first


def test_whoever_is_shown_anything_else_has_another_showing(desk: Desk) -> None:
    """One showing is evidence of one notice, on one page, as it was marked up, before one choice,
    to one account.
    """
    account = desk.account()
    existing, signup = (
        notice.find(desk.tx, 0, "en", variant) for variant in (Variant.existing, Variant.signup)
    )
    assert existing and signup

    def shown(to: UUID = account, what: PublishedNotice = existing, **other: Any) -> UUID:
        like = {
            "place": ShownOn.notice,
            "surface": "app",
            "gpc": False,
            "after": 0,
            "markup": b"m" * 32,
        } | other
        return notice_views.record(desk.tx, to, what, now=NOW, random=os.urandom, **like)

    first = shown()
    assert shown() == first
    others = [
        shown(desk.account()),
        shown(what=signup),
        shown(place=ShownOn.settings),
        shown(surface="other"),
        shown(gpc=True),
        shown(after=1),
        shown(markup=b"n" * 32),
        shown(markup=None),
    ]
    assert len({first, *others}) == 1 + len(others)
    assert shown() == first, "the others came between and change nothing of it"
    notice_views.put_off(desk.tx, account, first, NOW)
    assert shown() not in {first, *others}, "what was put off is not shown again under its name"


def test_putting_off_is_no_choice_rests_for_a_week_and_ends_with_the_last_day(desk: Desk) -> None:
    account = desk.account()
    assert desk.ask(account).because is Reason.first
    made = notice_views.put_off(desk.tx, account, desk.show(account), NOW)
    assert made.put_off_at == NOW
    assert history.load_history(desk.tx, desk.keyring, account).choices == ()
    assert desk.ask(account, NOW + timedelta(days=6)).because is Reason.put_off
    assert desk.ask(account, NOW + timedelta(days=7)).because is Reason.first
    late = desk.ask(account, instant("2025-09-29"))
    assert (late.because, late.show, late.may_put_off) == (Reason.must_decide, True, False)


@pytest.mark.parametrize("allow", [True, False])
def test_after_an_answer_nobody_asks_until_a_material_new_version(desk: Desk, allow: bool) -> None:
    account = desk.account()
    desk.answer(account, allow, showing=desk.show(account))
    assert desk.ask(account, NOW + timedelta(days=500)).because is Reason.answered
    base = STRICT.document() | {"decide_by": None}
    for version, material, because in (
        ("2027-01-01", False, Reason.answered),
        ("2027-06-01", True, Reason.first),
    ):
        newer = from_document(
            {**base, "version": version, "effective": version, "material": material}
        )
        policy_versions.add(desk.tx, newer, NOW, "test")
        desk.known = Policies([*desk.known.versions, newer])
        assert desk.ask(account, instant(version)).because is because


def test_the_signal_hides_only_what_could_be_put_off(desk: Desk) -> None:
    account = desk.account()
    assert desk.ask(account, gpc=True).because is Reason.gpc
    assert desk.ask(account, instant("2025-09-29"), gpc=True).because is Reason.must_decide
    assert desk.ask(desk.account(NOW), gpc=True).because is Reason.must_decide


def test_the_evidence_names_what_was_shown_and_comes_back_to_its_person(desk: Desk) -> None:
    account = desk.account()
    showing = desk.show(account)
    desk.choose(account, False, showing=showing, gpc=True)
    made = history.load_history(desk.tx, desk.keyring, account).choices[0]
    assert made.unsealed is not None
    assert (made.unsealed.shown, made.unsealed.default_state, made.unsealed.gpc) == (
        showing.hex,
        "none",
        True,
    )
    assert made.unsealed.sha256 == desk.published[0].sha256
    row = desk.tx.execute("SELECT evidence FROM choices").fetchone()
    assert row is not None
    assert showing.hex.encode() not in row[0], "it is sealed where it lies"


def test_evidence_in_words_of_another_edge_is_shown_as_none(desk: Desk) -> None:
    account = desk.account()
    command = Choose(account=account, at=NOW, allow=False, via="cli", evidence="pressed the button")
    apply.apply(desk.tx, desk.keyring, desk.known, [command])
    assert history.load_history(desk.tx, desk.keyring, account).choices[0].unsealed is None


def test_a_choice_that_was_made_without_evidence_is_shown_without(desk: Desk) -> None:
    account = desk.account()
    apply.apply(
        desk.tx, desk.keyring, desk.known, [Choose(account=account, at=NOW, allow=False, via="cli")]
    )
    made = history.load_history(desk.tx, desk.keyring, account).choices
    assert [(one.allow, one.via, one.unsealed) for one in made] == [(False, "cli", None)] * 2


def test_a_yes_to_anothers_showing_gives_nothing_and_a_no_counts_beside_it(desk: Desk) -> None:
    ana, ben = desk.account(), desk.account()
    refused = desk.choose(ben, True, showing=desk.show(ana))
    assert (refused.outcome, refused.because, refused.not_taken) == (
        Outcome.refused,
        "unknown_showing",
        ("showing",),
    )
    assert history.load_history(desk.tx, desk.keyring, ben).choices == ()
    said = desk.choose(ben, False, showing=desk.show(ana))
    assert (said.outcome, said.not_taken) == (Outcome.done, ("showing",))
    made = history.load_history(desk.tx, desk.keyring, ben).choices
    assert [(one.allow, one.unsealed.shown if one.unsealed else None) for one in made] == [
        (False, "")
    ] * 2


def test_a_yes_to_a_question_that_is_older_than_the_newest_answer_is_refused(desk: Desk) -> None:
    account = desk.account()
    showing = desk.show(account)

    question = desk.known.in_force(NOW).asks[0]
    assert desk.choose(account, False, showing=showing).outcome is Outcome.done
    refused = desk.choose(
        account, True, at=NOW + timedelta(minutes=1), showing=showing, question=question
    )
    assert choices.is_stale(refused)
    desk.choose(account, False, at=NOW + timedelta(minutes=2), showing=showing)
    assert desk.ask(account, NOW + timedelta(minutes=2)).state.grants == ()


def test_nobody_is_asked_who_has_no_account(desk: Desk) -> None:
    with pytest.raises(NotFoundError, match="no such account"):
        desk.ask(uuid7(NOW, os.urandom(10)))


def test_who_opens_an_account_at_the_versions_first_instant_is_asked_as_at_sign_up(
    desk: Desk,
) -> None:
    begins = STRICT.effective
    tick = timedelta.resolution
    assert desk.ask(desk.account(begins)).variant is Variant.signup
    assert desk.ask(desk.account(begins + tick)).variant is Variant.signup
    assert desk.ask(desk.account(begins - tick)).variant is Variant.existing
    answered = desk.account(begins)
    desk.choose(answered, False, showing=desk.show(answered))
    assert desk.ask(answered).variant is Variant.existing


def test_terms_wait_for_who_was_asked_here_and_has_answered_and_for_nobody_else(desk: Desk) -> None:
    asked, elsewhere, silent = desk.account(), desk.account(), desk.account()
    showing = desk.show(asked)
    desk.show(silent)
    desk.show(elsewhere, place=ShownOn.settings)
    for account in (asked, elsewhere):
        desk.answer(account, True, via="host")
    assert [desk.ask(one).terms_waiting for one in (asked, elsewhere, silent)] == [
        True,
        False,
        False,
    ]
    choices.accept_terms(desk.tx, asked, desk.known, NOW, showing=showing)
    assert not desk.ask(asked).terms_waiting


def test_why_a_yes_would_have_no_effect_is_told(desk: Desk) -> None:
    closed, plan, young, unknown = (desk.account(age=age) for age in (30, 30, 17, None))
    apply.apply(
        desk.tx,
        desk.keyring,
        desk.known,
        [CloseAccount(account=closed, at=NOW), SetPlan(account=plan, at=NOW, plan="work")],
    )
    found = [desk.ask(account).uncovered for account in (closed, plan, young, unknown)]
    assert found == [Uncovered.closed, Uncovered.plan, Uncovered.age, None]
    assert desk.ask(unknown).asks_age
    assert desk.ask(desk.account(age=18)).uncovered is None
    assert desk.ask(desk.account(BEFORE), instant("2025-08-27")).uncovered is Uncovered.terms


def test_a_browsers_signal_is_kept_when_it_changes_and_at_no_other_time(desk: Desk) -> None:
    account, other = desk.account(), desk.account()

    def seen(gpc: bool, minutes: int) -> list[bool]:
        notice_views.record_signal(desk.tx, account, gpc=gpc, now=NOW + timedelta(minutes=minutes))
        return [kept for _, kept in notice_views.list_signals(desk.tx, account, limit=10)]

    assert seen(False, 0) == []
    assert seen(True, 1) == [True]
    assert seen(True, 2) == [True]
    assert seen(False, 3) == [False, True]
    assert seen(True, 3) == [False, True], "of one instant the first is kept"
    assert seen(True, 4) == [True, False, True]
    assert notice_views.list_signals(desk.tx, account, limit=1) == [
        (NOW + timedelta(minutes=4), True)
    ]
    assert notice_views.list_signals(desk.tx, other, limit=10) == []


def test_what_permissions_rest_on_is_the_newest_notice_of_each_kind(desk: Desk) -> None:
    newer = desk.publish(
        [notice.list_shipped_sources(STRICT, ["en"])[0].replace("New terms", "Newer terms")]
    )
    found = {one.variant: one for one in notice.list_in_force(desk.tx, 0)}
    assert len(found) == len(notice.list_in_force(desk.tx, 0)) == 2
    assert found[Variant.existing].sha256.hex() == newer[0].sha256
    assert found[Variant.signup].sha256.hex() == desk.published[1].sha256


def test_accepting_the_terms_makes_nothing_usable(desk: Desk) -> None:
    account = desk.account()
    showing = desk.show(account)
    assert choices.accept_terms(desk.tx, account, desk.known, NOW, showing=showing)
    assert not choices.accept_terms(desk.tx, account, desk.known, NOW, showing=showing)
    asked = desk.ask(account)
    assert (asked.terms_accepted_at, asked.gate.value, asked.state.standings) == (NOW, "notice", ())
    assert asked.unanswered == ("models", "safety")


def test_a_question_without_its_text_is_not_put(pool: Pool, keyring: Keyring) -> None:
    own = from_document({**STRICT.document(), "policy": "our-own"})
    with pool.connection() as tx:
        desk = Desk(tx, keyring, own)
        assert desk.published == []
        with pytest.raises(RefusedError, match="no notice has been published"):
            desk.show(desk.account())
        tx.rollback()


def test_every_showing_and_putting_off_leaves_a_leaf(desk: Desk) -> None:
    account = desk.account()
    notice_views.put_off(desk.tx, account, desk.show(account), NOW)
    rows = desk.tx.execute(
        "SELECT entry FROM outbox WHERE entry LIKE 'notice_%' ORDER BY outbox_id"
    ).fetchall()
    assert [row[0] for row in rows] == [
        "notice_published",
        "notice_published",
        "notice_shown",
        "notice_put_off",
    ]


# Markup


@given(st.text(max_size=300))
def test_markdown_lets_no_markup_of_its_source_through(text: str) -> None:
    made = markdown.html(text)
    for tag in ("h2", "h3", "h4", "p", "ul", "li", "strong", "em"):
        made = made.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    assert "<" not in made.replace("</a>", "").replace('<a href="', "")


@pytest.mark.parametrize(
    ("source", "made"),
    [
        (
            "# One\n\ntwo **three** *four*",
            "<h2>One</h2>\n<p>two <strong>three</strong> <em>four</em></p>",
        ),
        ("# One\ntwo\nthree", "<h2>One</h2>\n<p>two three</p>"),
        ("## One\n### Two\ntwo", "<h2>One</h2>\n<h3>Two</h3>\n<p>two</p>"),
        ("# One", "<h2>One</h2>"),
        ("- a\n- b\n  c", "<ul>\n<li>a</li>\n<li>b c</li>\n</ul>"),
        ("[here](/settings)", '<p><a href="/settings">here</a></p>'),
        (
            "[out](https://example.org/?a=1&b=2)",
            '<p><a href="https://example.org/?a=1&amp;b=2">out</a></p>',
        ),
        ("[bad](javascript:alert(1))", "<p>[bad](javascript:alert(1))</p>"),
        ("[bad](//evil.example)", "<p>[bad](//evil.example)</p>"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ('[x](https://a.example/"onclick=x)', '<p>[x](https://a.example/"onclick=x)</p>'),
    ],
)
def test_what_markdown_becomes(source: str, made: str) -> None:
    assert markdown.html(source) == made


# The catalogue


def test_every_sentence_of_the_catalogue_has_words_and_an_unknown_one_is_an_error() -> None:
    english = catalogue("en")
    assert all(sentence.strip() for sentence in english.sentences.values())
    assert catalogue("xx") == english
    with pytest.raises(BrokenError, match="no sentence"):
        english.say("nothing.like.it")
    with pytest.raises(BrokenError, match="needs a value"):
        english.say("site.simulated", date=1)


def test_every_reason_of_the_rule_has_its_words() -> None:
    from licet.policy.decide import DecisionReason
    from licet.policy.fold import Effect

    english: Catalogue = catalogue("en")
    assert all(english.say(f"because.{reason.value}") for reason in DecisionReason)
    assert all(english.say(f"effect.{effect.value}") for effect in Effect)
    for why in Uncovered:
        assert english.say(f"uncovered.{why.value}", age=18)
        assert english.say(f"done.none.{why.value}", age=18)


@pytest.mark.parametrize("header", ["", "eo, en;q=0.5", "xx;q=high", "en-GB", ",,,;q="])
def test_a_language_header_that_says_nothing_known_is_english(header: str) -> None:
    assert load_languages().preferred(header) == "en"
