"""The same questions put to general policy engines: Cedar (cedarpy), Rego (opa-eval, on regorus)
and a bare closure.

The rule of `policy.decide` is written in each language over one flat record of facts a question:
what a service that asks such an engine has to gather first, which costs nothing here. The histories
are those of `bench/decide.py`, every turn for every purpose under both presets, two questions in
each. Before anything is timed each engine must give the answer that `decide` gives: Rego and the
closure its reason, Cedar, which says only yes or no, its use. One core, the best of five runs, in
the processor's time.

The engines get their request as they take it fastest: Cedar policies and entities parsed before,
Rego a text of JSON.

    uv pip install cedarpy opa-eval
    python -m bench deciding_peers [SECONDS]
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from time import process_time
from typing import Any

from bench import Row
from bench.decide import ARTICLE, Question, asked, lived
from bench.decide import rate as rate_of_ours
from licet.policy.decide import decide
from licet.policy.file import preset

Facts = dict[str, Any]
NEVER = -1

CEDAR = """
permit (principal, action == Action::"use", resource) when {
  !context.closed && !context.deleted && !context.out_of_scope &&
  (context.min_age == -1 || context.age >= context.min_age) &&
  ((context.purpose == "safety_classifiers" && context.turn <= context.flagged_turn
      && context.at < context.safety_until) ||
   (!context.incognito && context.at < context.keep_until && !context.narrowed
      && context.asked.contains(context.purpose) && context.standing == "granted"
      && context.covers.contains(context.purpose) && context.origins.contains(context.origin)
      && !context.stale && context.taken_grants.contains(context.grant)
      && context.taken_narrowing == context.narrowing))
};
"""

REGO = """
package licet

import rego.v1

because := "closed" if { input.closed }
else := "deleted" if { input.deleted }
else := "out_of_scope" if { input.out_of_scope }
else := "age" if { input.min_age != -1; input.age < input.min_age }
else := "flagged" if {
    input.purpose == "safety_classifiers"; input.turn <= input.flagged_turn; input.at < input.safety_until
}
else := "incognito" if { input.incognito }
else := "expired" if { input.keep_until <= input.at }
else := "narrowed" if { input.narrowed }
else := "purpose" if { not input.purpose in input.asked }
else := input.standing if { input.standing != "granted" }
else := "purpose" if { not input.purpose in input.covers }
else := "origin" if { not input.origin in input.origins }
else := "stale_terms" if { input.stale }
else := "before_grant" if { not input.grant in input.taken_grants }
else := "before_grant" if { input.taken_narrowing != input.narrowing }
else := "permitted"
"""


def main(arguments: list[str]) -> list[Row]:
    """Decisions a second of each engine, ours as what it is held against."""
    seconds = float(arguments[0]) if arguments else 2.0
    questions = [
        question for version in (ARTICLE, preset("strict")) for question in asked(lived(version))
    ]
    facts = [gathered(question) for question in questions]
    answers = [decide(*question) for question in questions]
    reasons = [answer.because.value for answer in answers]
    assert [closure(one) for one in facts] == reasons
    ours = rate_of_ours(decide, questions, seconds)
    rows = [
        shown(
            f"a bare closure over facts gathered before, {len(questions)} questions",
            rate(closure, facts, seconds),
            ours,
        )
    ]
    if found("opa_eval"):
        rego, texts = opa(), [json.dumps(one) for one in facts]
        assert [rego(text) for text in texts] == reasons
        rows.append(shown("opa-eval (Rego): the reason", rate(rego, texts, seconds), ours))
    if found("cedarpy"):
        cedar, requests = cedar_engine(), [request(one) for one in facts]
        assert [cedar(one) for one in requests] == [answer.use for answer in answers]
        rows.append(shown("cedarpy (Cedar): yes or no", rate(cedar, requests, seconds), ours))
    missing = [name for name in ("opa_eval", "cedarpy") if not found(name)]
    return [*rows, *(Row(f"{name} is not installed", "-") for name in missing)]


def shown(what: str, theirs: float, ours: float) -> Row:
    return Row(
        f"{what}; decide beside it", f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.2f}"
    )


def found(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def gathered(question: Question) -> Facts:
    """Everything that the rule looks at, flat: times in microseconds, what is unknown or never as
    -1.

    Of versions whose reach is one: where reaches differ the rule asks twice.
    """
    account, conversation, turn, policies, purpose, at = question
    assert turn is not None
    segment = conversation.segments[turn.segment]
    number = policies.number(at)
    terms = policies.terms(segment.stamp.version, number)
    assert terms.some_whole != terms.some_by_turn
    judged = conversation.segments if terms.some_whole else [segment]
    deciding = (conversation.segments[conversation.deciding] if terms.some_whole else segment).stamp
    about = terms.asked.get(purpose, "")
    grant, min_age = (
        account.grant_for(about, conversation),
        terms.min_ages.for_region(account.region),
    )
    return {
        "closed": account.closed_at is not None,
        "deleted": conversation.deleted_at is not None,
        "out_of_scope": any(
            not policies.terms(s.stamp.version, number).in_scope(s.stamp.plan, s.stamp.surface)
            for s in judged
        ),
        "min_age": NEVER if min_age is None else min_age,
        "age": NEVER if account.age is None else account.age,
        "purpose": purpose,
        "turn": turn.number,
        "flagged_turn": segment.flagged_turn,
        "at": micros(at),
        "safety_until": NEVER if segment.safety_until is None else micros(segment.safety_until),
        "incognito": conversation.incognito,
        "keep_until": micros(segment.keep_until),
        "narrowed": conversation.narrowed or segment.stamp.narrowed,
        "asked": sorted(terms.asked),
        "standing": account.standing(about).value if grant is None else "granted",
        "covers": sorted(terms.covers.get(about, ())),
        "origins": sorted(terms.origins),
        "origin": turn.origin,
        "stale": about in deciding.stale,
        "taken_grants": list(deciding.grants),
        "grant": NEVER if grant is None else grant,
        "taken_narrowing": deciding.narrowing,
        "narrowing": conversation.narrowings,
    }


def micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def closure(facts: Facts) -> str:
    """The rule over the facts, in plain Python: no record of what judged, no end of the use."""
    if facts["closed"]:
        return "closed"
    if facts["deleted"]:
        return "deleted"
    if facts["out_of_scope"]:
        return "out_of_scope"
    if facts["min_age"] != NEVER and facts["age"] < facts["min_age"]:
        return "age"
    covered = facts["turn"] <= facts["flagged_turn"] and facts["at"] < facts["safety_until"]
    if facts["purpose"] == "safety_classifiers" and covered:
        return "flagged"
    if facts["incognito"]:
        return "incognito"
    if facts["keep_until"] <= facts["at"]:
        return "expired"
    if facts["narrowed"]:
        return "narrowed"
    if facts["purpose"] not in facts["asked"]:
        return "purpose"
    if facts["standing"] != "granted":
        return str(facts["standing"])
    if facts["purpose"] not in facts["covers"]:
        return "purpose"
    if facts["origin"] not in facts["origins"]:
        return "origin"
    if facts["stale"]:
        return "stale_terms"
    if (
        facts["grant"] not in facts["taken_grants"]
        or facts["taken_narrowing"] != facts["narrowing"]
    ):
        return "before_grant"
    return "permitted"


def opa() -> Callable[[str], str]:
    import opa_eval

    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "licet.rego"
        policy.write_text(REGO, encoding="utf-8")
        engine = opa_eval.OpaEval(str(policy), query="data.licet.because")
    ask: Callable[[str], str] = engine.evaluate_parsed
    return ask


def request(facts: Facts) -> dict[str, Any]:
    return {
        "principal": 'Recipient::"ml"',
        "action": 'Action::"use"',
        "resource": 'Turn::"one"',
        "context": facts,
    }


def cedar_engine() -> Callable[[dict[str, Any]], bool]:
    import cedarpy

    policies, entities = cedarpy.PolicySet.from_str(CEDAR), cedarpy.Entities.from_json_str("[]")

    def ask(one: dict[str, Any]) -> bool:
        return bool(cedarpy.is_authorized(one, policies, entities).allowed)

    return ask


def rate(answer: Callable[[Any], object], questions: Sequence[Any], seconds: float) -> float:
    """The best of five runs, as `bench/decide.py` measures."""
    best = 0.0
    for _ in range(5):
        done, begun = 0, process_time()
        while (spent := process_time() - begun) < seconds / 5:
            for question in questions:
                answer(question)
            done += len(questions)
        best = max(best, done / spent)
    return best
