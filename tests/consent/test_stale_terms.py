"""Terms that stand in a form count with an answer that counts: where every yes of it was stale,
nothing is accepted.
"""

from __future__ import annotations

from .test_answer_forms import ALLOWED, DECLINED, MINUTE, NOW, FormDesk, desk, keyring

__all__ = ["desk", "keyring"]  # fixtures


def test_terms_are_not_accepted_by_a_form_whose_answers_were_all_stale(desk: FormDesk) -> None:
    account = desk.account()
    showing = desk.show(account)
    for question in ("models", "safety"):
        desk.choose(account, False, via="api", question=question)
    made = desk.form(account, {"models": "yes", "safety": "yes"}, NOW + MINUTE, showing=showing)
    assert (set(made.stale), made.stale_terms) == ({"models", "safety"}, False)
    assert desk.standings(account) == (DECLINED, DECLINED)
    assert desk.ask(account).terms_accepted_at is None


def test_terms_are_accepted_beside_one_answer_that_counts_and_once(desk: FormDesk) -> None:
    account = desk.account()
    showing = desk.show(account)
    desk.choose(account, False, via="api", question="models")
    made = desk.form(account, {"models": "yes", "safety": "yes"}, NOW + MINUTE, showing=showing)
    assert (made.stale, desk.standings(account)) == (("models",), (DECLINED, ALLOWED))
    assert desk.ask(account).terms_accepted_at == NOW + MINUTE
    desk.form(account, {"models": "no", "safety": "no"}, NOW + 2 * MINUTE, showing=showing)
    assert desk.ask(account).terms_accepted_at == NOW + MINUTE
