"""The operator as adversary: a whole log altered by who holds its key, so that every hash and
signature fits.

Each alteration takes the entries of one honest log (`honest_logs`), changes them as somebody would
who wants to claim more, and knows by itself whether the log that it leaves contradicts itself:
`CONTRADICTED` alterations break what an honest installation cannot help telling, `RESIDUALS` are
what a holder of the key can still claim. docs/security.md lists the residuals, each with who could
notice it; a test holds the list against these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from .honest_logs import Entry, name_of

Entries = list[Entry]
# None: the log has nothing that it could alter
Alteration = Callable[[Entries, Random], Entries | None]
CHANGES = {
    "plan_set",
    "age_found",
    "region_set",
    "closed",
    "project_kept_out",
    "project_let_in",
    "choice",
}
ABOUT_CHATS = {
    "narrowed",
    "widened",
    "deleted",
    "flagged",
    "unflagged",
    "held",
    "unheld",
    "feedback",
    "feedback_taken_back",
}
ACTS = CHANGES | ABOUT_CHATS | {"account_opened"}


@dataclass(frozen=True)
class LogAlteration:
    """An alteration, its words in the documentation, and how it is drawn."""

    name: str
    alter: Alteration


CONTRADICTED: list[LogAlteration] = []
RESIDUALS: list[LogAlteration] = []


def contradicted(name: str) -> Callable[[Alteration], Alteration]:
    def kept(alter: Alteration) -> Alteration:
        CONTRADICTED.append(LogAlteration(name, alter))
        return alter

    return kept


def residual(name: str) -> Callable[[Alteration], Alteration]:
    def kept(alter: Alteration) -> Alteration:
        RESIDUALS.append(LogAlteration(name, alter))
        return alter

    return kept


# What is drawn from


def where(log: Entries, *kinds: str, **facts: Any) -> list[int]:
    return [
        n
        for n, entry in enumerate(log)
        if entry["t"] in kinds
        and all(entry["facts"].get(key) == value for key, value in facts.items())
    ]


def pick(draw: Random, found: list[int]) -> int | None:
    return draw.choice(found) if found else None


def same(log: Entries, place: int) -> Iterator[int]:
    """The later entries of the same account."""
    who = log[place].get("who")
    return (n for n in range(place + 1, len(log)) if log[n].get("who") == who)


def next_act(log: Entries, place: int) -> int | None:
    return next((n for n in same(log, place) if log[n]["t"] in ACTS), None)


def restored_between(log: Entries, first: int, last: int) -> bool:
    return any(log[n]["t"] == "restored" for n in range(first, last))


def is_restored(log: Entries) -> bool:
    return any(entry["t"] == "restored" for entry in log)


def is_opened(log: Entries, who: str) -> bool:
    return any(entry["t"] == "account_opened" and entry.get("who") == who for entry in log)


def is_first(log: Entries) -> bool:
    """Whether it is the installation's first log: the first policy was applied in it."""
    policies = where(log, "policy_applied", "policy_stands")
    return (
        bool(policies)
        and log[policies[0]]["t"] == "policy_applied"
        and log[policies[0]]["facts"]["number"] == 0
    )


def year_of(log: Entries) -> str:
    return str(log[0]["logged"][:4])


def told(like: Entry, kind: str, **changes: Any) -> Entry:
    """An entry of the same account at the moment of another."""
    entry = {**like, "t": kind, "facts": changes.pop("facts", {}), **changes}
    if "commit" in entry:
        entry["commit"] = name_of("forged", kind, like["commit"], repr(entry["facts"]))
    return entry


def nobodys(like: Entry, kind: str, /, **facts: Any) -> Entry:
    return {"v": 1, "t": kind, "at": like["logged"], "logged": like["logged"], "facts": facts}


def without(log: Entries, *places: int) -> Entries:
    return [entry for n, entry in enumerate(log) if n not in places]


def inserted(log: Entries, place: int, *entries: Entry) -> Entries:
    return [*log[:place], *entries, *log[place:]]


def replaced(log: Entries, place: int, entry: Entry) -> Entries:
    return [*log[:place], entry, *log[place + 1 :]]


def about(entry: Entry) -> dict[str, Any]:
    return {
        key: entry["facts"][key]
        for key in ("question", "scope", "handle", "project")
        if key in entry["facts"]
    }


def in_force(log: Entries, who: str, until: int) -> dict[int, Entry]:
    """The grants of an account that this log tells of and did not end."""
    grants: dict[int, Entry] = {}
    for entry in log[:until]:
        if entry.get("who") == who and entry["t"] in (
            "grant_begun",
            "grant_affirmed",
            "grant_stands",
        ):
            grants[entry["facts"]["grant"]] = entry
        elif entry.get("who") == who and entry["t"] == "grant_ended":
            grants.pop(entry["facts"]["grant"], None)
    return grants


def moment(entry: Entry) -> str:
    """To the microsecond, so that texts are in the order of time."""
    at: str = entry["at"]
    return at if "." in at else f"{at[:-1]}.000000Z"


def late(entry: Entry) -> bool:
    """Of the year before, and so perhaps the rest of what the log of that year told."""
    return bool(entry["at"][:4] < entry["logged"][:4])


# Grants without what they need


@contradicted("a grant begins, and no choice was told before it")
def begun_alone(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, [n for n in where(log, "grant_begun") if not late(log[n])])
    if place is None:
        return None
    who = log[place]["who"]
    choice = max(n for n in where(log, "choice") if n < place and log[n]["who"] == who)
    return without(log, choice)


@contradicted("after a withdrawal, a restore and then a grant without a choice")
def revived_by_restore(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, where(log, "choice", allow=False, effect="withdrew"))
    if place is None:
        return None
    entry, number = log[place], draw.randint(1, 9)
    life = max([0, *(one["facts"]["life"] for one in log if one["t"] == "restored")]) + 1
    kind = draw.choice(("grant_begun", "grant_begun", "grant_affirmed", "grant_stands"))
    grant = told(
        entry, kind, facts={"grant": number, "version": entry["facts"]["version"], **about(entry)}
    )
    opened = [n for n in where(log, "account_opened") if log[n]["who"] == entry["who"]]
    if draw.random() < 0.5 and opened:
        grant["at"] = log[opened[0]]["at"]
    if any(log[n]["t"] == "restored" for n in range(place, len(log))) or late(entry):
        return None
    last = max([place, *same(log, place)]) if draw.random() < 0.3 else place
    like = log[last]
    mark = nobodys(like, "restored", life=life, entries=draw.randint(0, last))
    return inserted(log, last + 1, mark, {**grant, "logged": like["logged"]})


@contradicted("a grant that was ended stands, or is affirmed, again")
def ended_used(log: Entries, draw: Random) -> Entries | None:
    ended = [n for n in where(log, "grant_ended", cause="refused") if not late(log[n])]
    place = pick(draw, ended)
    if place is None:
        return None
    who, number = log[place]["who"], log[place]["facts"]["grant"]
    begun = [
        n
        for n in where(log, "grant_begun", "grant_affirmed", "grant_stands", grant=number)
        if n < place and log[n]["who"] == who
    ]
    choices = [
        n
        for n in same(log, place)
        if log[n]["t"] == "choice" and log[n]["facts"]["effect"] != "none"
    ]
    if not begun or not choices:
        return None
    last = choices[0]
    while last + 1 in same(log, last) and log[last + 1]["t"] in ("choice", "grant_affirmed"):
        last += 1
    kind = draw.choice(("grant_stands", "grant_affirmed"))
    grant = told({**log[last], "at": log[last]["at"]}, kind, facts=dict(log[begun[-1]]["facts"]))
    return inserted(log, last + 1, grant)


@contradicted("a grant stands that was neither begun here nor carried over")
def out_of_nothing(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, where(log, "account_opened"))
    if place is None:
        return None
    entry = log[place]
    facts = {"grant": draw.randint(1, 3), "version": 0, "question": "models", "scope": "account"}
    return inserted(
        log, place + 1, told(entry, draw.choice(("grant_stands", "grant_affirmed")), facts=facts)
    )


@contradicted("a grant is told twice, under two numbers")
def twice(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, [n for n in where(log, "grant_begun") if not late(log[n])])
    if place is None:
        return None
    entry = log[place]
    return inserted(
        log,
        place + 1,
        told(entry, "grant_begun", facts={**entry["facts"], "grant": entry["facts"]["grant"] + 1}),
    )


@contradicted("a grant begins for another scope or question than was chosen")
def another_scope(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, [n for n in where(log, "grant_begun") if not late(log[n])])
    if place is None:
        return None
    facts = {**log[place]["facts"], "question": "other"}
    if facts["scope"] != "account" and draw.random() < 0.5:
        facts = {
            "grant": facts["grant"],
            "version": facts["version"],
            "question": facts["question"],
            "scope": "account",
        }
    return replaced(log, place, {**log[place], "facts": facts})


@contradicted("a number of an account's grants is left out: the act that gave it is not told")
def number_gap(log: Entries, draw: Random) -> Entries | None:
    """A whole yes with its grant is taken out, and a later grant keeps its number."""
    if is_restored(log):
        return None
    begun = where(log, "grant_begun")
    found = [
        n
        for n in begun
        if is_opened(log, log[n]["who"]) and any(log[m]["t"] == "grant_begun" for m in same(log, n))
    ]
    place = pick(draw, found)
    if place is None:
        return None
    who, number = log[place]["who"], log[place]["facts"]["grant"]
    choice = max(n for n in where(log, "choice") if n < place and log[n]["who"] == who)
    gone = {place, choice, *(n for n in same(log, place) if log[n]["facts"].get("grant") == number)}
    return without(log, *gone)


# Times


@contradicted("a grant is dated before its choice")
def grant_backdated(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, [n for n in where(log, "grant_begun") if not late(log[n])])
    if place is None:
        return None
    before = [n for n in range(place) if moment(log[n]) < moment(log[place])]
    if not before:
        return None
    at = log[draw.choice(before)]["at"]
    return None if at[:4] != year_of(log) else replaced(log, place, {**log[place], "at": at})


@contradicted("a yes is dated before what the account did before it")
def choice_backdated(log: Entries, draw: Random) -> Entries | None:
    found = [n for n in where(log, "choice", allow=True, effect="began") if not late(log[n])]
    place = pick(draw, found)
    if place is None or place + 1 >= len(log) or log[place + 1]["t"] != "grant_begun":
        return None
    before = [
        n
        for n in range(place)
        if log[n].get("who") == log[place]["who"]
        and log[n]["t"] in ACTS
        and moment(log[n]) < moment(log[place])
    ]
    earlier = [
        n for n in range(place) if before and moment(log[n]) < max(moment(log[m]) for m in before)
    ]
    if not earlier:
        return None
    at = log[draw.choice(earlier)]["at"]
    changed = replaced(log, place, {**log[place], "at": at})
    return replaced(changed, place + 1, {**log[place + 1], "at": at})


@contradicted("the log's own time goes back")
def logged_back(log: Entries, draw: Random) -> Entries | None:
    found = [
        n for n in range(1, len(log)) if log[n - 1]["logged"] > log[0]["logged"] >= log[n]["at"]
    ]
    place = pick(draw, found)
    return (
        None if place is None else replaced(log, place, {**log[place], "logged": log[0]["logged"]})
    )


@contradicted("an entry is of after it was logged")
def of_the_future(log: Entries, draw: Random) -> Entries | None:
    place = draw.randrange(len(log))
    return replaced(log, place, {**log[place], "at": f"{int(year_of(log)) + 1}-01-01T00:00:00Z"})


# Leaves that others imply


@contradicted(
    "a choice that began or affirmed a grant, and the grant is not told before the "
    "account's next act"
)
def grant_left_out(log: Entries, draw: Random) -> Entries | None:
    found = []
    for n in where(log, "grant_begun", "grant_affirmed"):
        act = next_act(log, n)
        owed = [m for m in range(n) if log[m].get("who") == log[n]["who"] and log[m]["t"] in ACTS]
        if act is None or restored_between(log, n, act) or late(log[n]) or not owed:
            continue
        if (
            log[owed[-1]]["t"] == "choice"
            and not restored_between(log, owed[-1], n)
            and about(log[owed[-1]]) == about(log[n])
        ):
            found.append(n)
    place = pick(draw, found)
    return None if place is None else without(log, place)


@contradicted("a no that ended a grant, and the ending is not told")
def ending_left_out(log: Entries, draw: Random) -> Entries | None:
    found = []
    for n in where(log, "grant_ended", cause="refused"):
        choice = next((m for m in same(log, n) if log[m]["t"] == "choice"), None)
        number, who = log[n]["facts"]["grant"], log[n]["who"]
        grant = in_force(log, who, n).get(number)
        others = [
            m
            for m in where(log, "grant_ended", cause="refused")
            if m != n and log[m]["who"] == who and log[m]["at"] == log[n]["at"]
        ]
        if choice is None or grant is None or others or is_restored(log) or late(log[n]):
            continue
        found.append(n)
    place = pick(draw, found)
    return None if place is None else without(log, place)


@contradicted("grants ended by a no, and the no is not told before the account's next act")
def no_left_out(log: Entries, draw: Random) -> Entries | None:
    found = []
    for n in where(log, "choice", allow=False, effect="withdrew"):
        act = next_act(log, n)
        ended = [
            m
            for m in where(log, "grant_ended", cause="refused")
            if m < n and log[m]["who"] == log[n]["who"] and log[m]["at"] == log[n]["at"]
        ]
        if (
            act is None
            or log[act]["at"] == log[n]["at"]
            or not ended
            or restored_between(log, ended[0], act)
            or late(log[n])
        ):
            continue
        known = in_force(log, log[n]["who"], ended[0])
        if any(
            m in known and about(known[m])["question"] == log[n]["facts"]["question"]
            for m in (log[place]["facts"]["grant"] for place in ended)
        ):
            found.append(n)
    place = pick(draw, found)
    return None if place is None else without(log, place)


@contradicted("what was kept out or closed, and its grant goes on")
def narrowed_goes_on(log: Entries, draw: Random) -> Entries | None:
    found = []
    for n in where(log, "grant_ended"):
        if (
            log[n]["facts"]["cause"] not in ("narrowed", "closed")
            or late(log[n])
            or is_restored(log)
        ):
            continue
        act = next_act(log, n)
        if (
            act is not None
            and log[act]["at"] != log[n]["at"]
            and log[n]["facts"]["grant"] in in_force(log, log[n]["who"], n)
        ):
            found.append(n)
    place = pick(draw, found)
    return None if place is None else without(log, place)


@contradicted("a grant is ended by keeping out or a closure that is not told")
def cause_left_out(log: Entries, draw: Random) -> Entries | None:
    found = [
        n
        for n in where(log, "grant_ended")
        if log[n]["facts"]["cause"] in ("narrowed", "closed")
        and not late(log[n])
        and not is_restored(log)
    ]
    place = pick(draw, found)
    if place is None:
        return None
    causes = [
        n
        for n in where(log, "narrowed", "closed", "project_kept_out")
        if log[n]["who"] == log[place]["who"] and log[n]["at"] == log[place]["at"]
    ]
    return without(log, *causes)


@contradicted("an account that nothing opened or carried over, in the installation's first log")
def opening_left_out(log: Entries, draw: Random) -> Entries | None:
    found = [n for n in where(log, "account_opened") if next(same(log, n), None) is not None]
    place = pick(draw, found)
    return None if place is None or not is_first(log) else without(log, place)


@contradicted("an account is opened twice, or opened after it spoke")
def opened_twice(log: Entries, draw: Random) -> Entries | None:
    found = [n for n in range(len(log)) if "who" in log[n]]
    place = pick(draw, found)
    return None if place is None else inserted(log, place + 1, told(log[place], "account_opened"))


@contradicted(
    "a key destroyed because of a deletion, a hold that ends, feedback taken back: without "
    "what it follows"
)
def follows_nothing(log: Entries, draw: Random) -> Entries | None:
    if is_restored(log):
        return None
    place = pick(draw, where(log, "account_opened"))
    if place is None:
        return None
    handle = name_of("a conversation of nobody's", log[place]["who"])
    kind, facts = draw.choice(
        (
            ("unheld", {}),
            ("feedback_taken_back", {}),
            ("key_destroyed", {"because": "deleted", "handle": handle, "segment": 0}),
            ("key_destroyed", {"because": "safety", "handle": handle, "segment": 0}),
            ("key_destroyed", {"because": "closed", "handle": handle, "segment": 0}),
        )
    )
    return inserted(log, place + 1, told(log[place], kind, facts=facts))


@contradicted("a closed account chooses")
def closed_chooses(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, where(log, "closed"))
    if place is None:
        return None
    last = max([place, *same(log, place)])
    facts = {
        "allow": True,
        "effect": "began",
        "version": 99,
        "question": "models",
        "scope": "account",
    }
    if any(entry["t"] == "policy_applied" for entry in log):
        facts["version"] = max(log[n]["facts"]["number"] for n in where(log, "policy_applied"))
    yes = told({**log[last], "at": log[last]["logged"]}, "choice", facts=facts)
    grant = {"grant": 99, **{key: facts[key] for key in ("version", "question", "scope")}}
    return inserted(log, last + 1, yes, told(yes, "grant_begun", facts=grant))


# Years


@contradicted("an account is carried over into the installation's first log")
def carried_into_first(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, where(log, "account_opened"))
    if place is None or not is_first(log):
        return None
    entry = told(log[place], "carried", facts={"from": int(year_of(log)) - 1})
    return replaced(log, place, {**entry, "at": entry["logged"]})


@contradicted("an account is carried over that spoke before, or from a year to come")
def carried_again(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, [n for n in range(len(log)) if "who" in log[n]])
    if place is None:
        return None
    return inserted(
        log,
        place + 1,
        told(
            {**log[place], "at": log[place]["logged"]},
            "carried",
            facts={"from": int(year_of(log)) - draw.choice((0, 1))},
        ),
    )


@contradicted("a grant of this year begins without a choice in an account that was carried over")
def carried_begins(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, where(log, "carried"))
    if place is None:
        return None
    facts = {"grant": 50, "version": 0, "question": "models", "scope": "account"}
    return inserted(log, place + 1, told(log[place], "grant_begun", facts=facts))


@contradicted("a grant stands from before, with a number that was given later")
def carried_number(log: Entries, draw: Random) -> Entries | None:
    place = pick(
        draw,
        [
            n
            for n in where(log, "grant_begun")
            if any(log[m]["who"] == log[n]["who"] for m in where(log, "carried"))
        ],
    )
    if place is None:
        return None
    facts = {
        "grant": log[place]["facts"]["grant"] + draw.randint(1, 5),
        "version": 0,
        "question": "unasked",
        "scope": "account",
    }
    return inserted(log, place + 1, told(log[place], "grant_stands", facts=facts))


# What is nobody's


@contradicted("a policy's number or text is another")
def policy_altered(log: Entries, draw: Random) -> Entries | None:
    applied = where(log, "policy_applied")
    if len(applied) < 2 or is_restored(log):
        return None
    place = draw.choice(applied[1:])
    facts = {**log[place]["facts"], "number": log[place]["facts"]["number"] + draw.choice((1, -1))}
    return replaced(log, place, {**log[place], "facts": facts})


@contradicted("a policy that stands has another text than was applied")
def policy_text(log: Entries, draw: Random) -> Entries | None:
    applied = pick(draw, where(log, "policy_applied"))
    if applied is None:
        return None
    facts = {"number": log[applied]["facts"]["number"], "sha256": "0" * 64}
    return inserted(log, applied + 1, nobodys(log[applied], "policy_stands", **facts))


@contradicted("a choice is under a policy that was not applied yet")
def choice_ahead(log: Entries, draw: Random) -> Entries | None:
    if not is_first(log):
        return None
    place = pick(draw, where(log, "choice"))
    if place is None:
        return None
    facts = {
        **log[place]["facts"],
        "version": 1 + max(log[n]["facts"]["number"] for n in where(log, "policy_applied")),
    }
    return replaced(log, place, {**log[place], "facts": facts})


@contradicted("a release under a policy version that the log does not tell of")
def release_version(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, [n for n in where(log, "release_sealed") if not late(log[n])])
    if place is None:
        return None
    return replaced(log, place, {**log[place], "facts": {**log[place]["facts"], "version": 77}})


@contradicted("a release is sealed as of another position than it was decided")
def release_decided_elsewhere(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, where(log, "release_decided"))
    if place is None or log[place]["facts"]["release"] not in {
        log[n]["facts"]["release"] for n in where(log, "release_sealed")
    }:
        return None
    facts = log[place]["facts"]
    moved = facts["position"] + draw.choice((1, 1_000))
    return replaced(log, place, {**log[place], "facts": {**facts, "position": moved}})


@contradicted(
    "a release is sealed twice, or what is stated of it is of another manifest, or comes "
    "before its leaf"
)
def release_misstated(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, where(log, "release_sealed"))
    if place is None:
        return None
    entry, facts = log[place], log[place]["facts"]
    of = {"release": facts["release"], "manifest_sha256": facts["manifest_sha256"]}
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("release_sealed", {**facts, "rows": facts["rows"] + 1}),
        (
            "release_reviewed",
            {
                **of,
                "manifest_sha256": "0" * 64,
                "sha256": "1" * 64,
                "rows": 1,
                "findings": 0,
                "bound_ppm": 9,
            },
        ),
        ("release_measured", {**of, "manifest_sha256": "0" * 64, "sha256": "1" * 64, "rows": 1}),
        ("release_signed", {**of, "review_sha256": "2" * 64, "signature": 1}),
        ("release_purged", {"release": of["release"], "number": 3, "rows": 1, "sha256": "3" * 64}),
    )
    if draw.random() < 0.2:
        kind, early = kinds[2][0], {**of, "sha256": "1" * 64, "rows": 1}
        return inserted(log, place, nobodys(log[place - 1] if place else entry, kind, **early))
    kind, changed = draw.choice(kinds)
    if kind == "release_signed":
        changed["signature"] = draw.choice((1, 2))
    return inserted(log, place + 1, nobodys(entry, kind, **changed))


@contradicted("something is stated of a release that the installation's first log does not know")
def release_unknown(log: Entries, draw: Random) -> Entries | None:
    if not is_first(log):
        return None
    place = draw.randrange(where(log, "policy_applied")[0], len(log))
    of = {"release": "e" * 32, "manifest_sha256": "f" * 64, "sha256": "1" * 64, "rows": 3}
    kind, more = draw.choice(
        (("release_measured", {}), ("release_reviewed", {"findings": 0, "bound_ppm": 9}))
    )
    return inserted(log, place + 1, nobodys(log[place], kind, **of, **more))


@contradicted("a notice is shown that was not published, in the installation's first log")
def notice_unknown(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, where(log, "notice_shown"))
    if place is None or not is_first(log):
        return None
    return replaced(
        log, place, {**log[place], "facts": {**log[place]["facts"], "sha256": "0" * 64}}
    )


@contradicted("a restore begins the life of an earlier one, or lacked more entries than there were")
def restore_impossible(log: Entries, draw: Random) -> Entries | None:
    place = draw.randrange(len(log))
    lives = [log[n]["facts"]["life"] for n in where(log, "restored") if n <= place]
    if lives and draw.random() < 0.5:
        return inserted(log, place + 1, nobodys(log[place], "restored", life=max(lives), entries=0))
    if not is_first(log) or place < where(log, "policy_applied")[0]:
        return None
    return inserted(
        log,
        place + 1,
        nobodys(log[place], "restored", life=max([0, *lives]) + 9, entries=place + 2),
    )


@contradicted("one entry told twice")
def entry_twice(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, [n for n in range(len(log)) if "commit" in log[n]])
    return None if place is None else inserted(log, place + 1, dict(log[place]))


@contradicted("an entry under the pseudonym of another account's conversation or project")
def another_owner(log: Entries, draw: Random) -> Entries | None:
    found = [
        n
        for n in range(len(log))
        if {"handle", "project"} & log[n]["facts"].keys() and "who" in log[n]
    ]
    place = pick(draw, found)
    if place is None:
        return None
    entry = {
        **log[place],
        "who": name_of("somebody else"),
        "commit": name_of("else", log[place]["commit"]),
    }
    opened = told({**entry}, "account_opened")
    return inserted(log, place + 1, opened, entry)


# What a holder of the key can still claim


@residual("a whole act is left out: a withdrawal with its endings, a deletion, keeping out")
def act_left_out(log: Entries, draw: Random) -> Entries | None:
    """The newest act of an account, with all that it brought."""
    found = [
        n
        for n in where(log, "choice", allow=False)
        if next_act(log, n) is None and not is_restored(log)
    ]
    place = pick(draw, found)
    if place is None:
        return None
    at, who = log[place]["at"], log[place]["who"]
    gone = [n for n in range(len(log)) if log[n].get("who") == who and log[n]["at"] == at]
    if any(log[n]["t"] in ("age_found", "grant_stands") for n in gone) or any(
        log[n]["t"] not in ("choice", "grant_ended", "grant_affirmed") for n in gone
    ):
        return None
    return without(log, *gone)


@residual("a yes that nobody gave: a choice and its grant, logged together")
def yes_invented(log: Entries, draw: Random) -> Entries | None:
    place = pick(
        draw, [n for n in where(log, "account_opened") if next(same(log, n), None) is None]
    )
    if place is None or not where(log[:place], "policy_applied", "policy_stands"):
        return None
    facts = {"version": 0, "question": "models", "scope": "account"}
    yes = told(log[place], "choice", facts={"allow": True, "effect": "began", **facts})
    return inserted(log, place + 1, yes, told(yes, "grant_begun", facts={"grant": 1, **facts}))


@residual("a whole account that never was, with its choices")
def account_invented(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, where(log, "account_opened"))
    if place is None or not where(log[:place], "policy_applied", "policy_stands"):
        return None
    who = {"who": name_of("nobody"), "commit": name_of("nobody", 1)}
    facts = {"version": 0, "question": "models", "scope": "account"}
    opened = {**log[place], **who}
    yes = told(opened, "choice", facts={"allow": True, "effect": "began", **facts})
    return inserted(
        log, place + 1, opened, yes, told(yes, "grant_begun", facts={"grant": 1, **facts})
    )


@residual("an act is dated earlier or later, between the account's acts before and after it")
def act_redated(log: Entries, draw: Random) -> Entries | None:
    found = [
        n
        for n in where(log, "deleted", "flagged", "age_found", "plan_set", "region_set")
        if next((log[m]["t"] for m in same(log, n)), "") not in ("grant_ended", "choice")
    ]
    place = pick(draw, found)
    if place is None:
        return None
    before = [
        log[n]
        for n in range(place)
        if log[n].get("who") == log[place]["who"] and log[n]["t"] in ACTS
    ]
    return (
        replaced(log, place, {**log[place], "at": max(before, key=moment)["at"]})
        if before
        else None
    )


@residual("a grant of a year before is said to stand, of an account that was carried over")
def stands_invented(log: Entries, draw: Random) -> Entries | None:
    place = pick(draw, where(log, "carried"))
    if place is None or any(log[n]["t"] == "closed" for n in same(log, place)):
        return None
    facts = {"grant": 1, "version": 0, "question": "never_asked", "scope": "account"}
    if any(log[n]["facts"].get("grant") == 1 or late(log[n]) for n in same(log, place)):
        return None
    return inserted(log, place + 1, told(log[place], "grant_stands", facts=facts))


@residual(
    "an ending is logged without its account's name, as of an account whose key was destroyed"
)
def name_taken(log: Entries, draw: Random) -> Entries | None:
    found = [
        n
        for n in where(log, "deleted")
        if next_act(log, n) is None
        and not any(log[m]["t"] == "key_destroyed" for m in same(log, n))
    ]
    place = pick(draw, found)
    if place is None:
        return None
    entry = {key: value for key, value in log[place].items() if key != "who"}
    return replaced(
        log,
        place,
        {**entry, "facts": {key: fact for key, fact in entry["facts"].items() if key != "handle"}},
    )


@residual("a restore that did not happen, after which numbers are given again by new choices")
def restore_invented(log: Entries, draw: Random) -> Entries | None:
    life = max([0, *(one["facts"]["life"] for one in log if one["t"] == "restored")]) + 1
    last = len(log) - 1
    return inserted(log, last + 1, nobodys(log[last], "restored", life=life, entries=0))


@residual("the end of the log is cut off")
def cut_off(log: Entries, draw: Random) -> Entries | None:
    return log[: draw.randrange(1, len(log) + 1)]


@residual(
    "what is of nobody is left out or invented: a certificate, a paper, a note of the staff's work"
)
def paper_invented(log: Entries, draw: Random) -> Entries | None:
    place = draw.randrange(len(log))
    kind, facts = draw.choice(
        (
            ("certificate", {"sha256": "a" * 64}),
            ("document_made", {"kind": "ropa", "sha256": "b" * 64}),
        )
    )
    return inserted(log, place + 1, nobodys(log[place], kind, **facts))
