"""The kinds of lie about questions and scopes: in a log, in a release's rows and in a receipt.

Told by an operator who signs everything anew, as those of `lies` and `release_lies`: a row under
another question's grant or another conversation's, a no that ended less than it did, a grant for
what is kept out, a line in the older form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from licet.ledger import entries as leaves
from licet.policy.file import from_document

from . import lies
from .lies import (
    ANA,
    ASKED,
    BEN,
    DAN,
    EVA,
    FOR,
    KEYS,
    Lie,
    Shown,
    Told,
    drop,
    from_the_start,
    put,
    receipt_of,
)
from .release_lies import (
    A1,
    A1_AGAIN,
    A2,
    CHATS,
    D1,
    D2,
    E1,
    PROJECTS,
    World,
    by_operator,
    project,
    tell,
    together,
)
from .release_lies import put as put_in

# The places of Dan's entries, and of Ana's of today, in the log of `lies`.
NO, YES, BEGUN, PROJECT_YES, PROJECT_BEGUN, LEFT_YES, LEFT_BEGUN = (ASKED + n for n in range(7))
ENDED, NO_AGAIN, CHAT_KEPT, PROJECT_KEPT, OUT, OUT_ENDED, IN = (ASKED + n for n in range(7, 14))
ANA_YES, ANA_BEGUN, ANA_NO, ANA_NONE = (ASKED + n for n in range(14, 18))
OTHER = "7" * 64


def form_lies() -> Iterator[Lie]:
    """An entry that says otherwise what it is for."""
    tables: tuple[tuple[str, str, str, Callable[[Told], Any]], ...] = (
        (
            "question",
            "no name",
            "the facts of its kind",
            put(YES, "facts", "question", value="Models, please"),
        ),
        ("question", "left out of a grant", "logged together", drop(BEGUN, "facts", "question")),
        (
            "question",
            "left out of a choice that took effect",
            "logged together",
            drop(NO, "facts", "question"),
        ),
        ("scope", "left out beside a question", "logged together", drop(NO, "facts", "scope")),
        (
            "scope",
            "another word",
            "the facts of its kind",
            put(NO, "facts", "scope", value="everything"),
        ),
        (
            "scope",
            "another one",
            "its scope is given by its pseudonym",
            put(YES, "facts", "scope", value="project"),
        ),
        (
            "scope",
            "a chat's made the account's",
            "its scope is given by its pseudonym",
            put(YES, "facts", "scope", value="account"),
        ),
        (
            "handle",
            "left out",
            "its scope is given by its pseudonym",
            drop(BEGUN, "facts", "handle"),
        ),
        (
            "handle",
            "beside that of a project",
            "its scope is given by its pseudonym",
            put(PROJECT_BEGUN, "facts", "handle", value=OTHER),
        ),
        (
            "project",
            "left out of what is kept out",
            "comes with that of the project",
            drop(OUT, "facts", "project"),
        ),
        (
            "project",
            "somebody else's",
            "a project has one account",
            lambda e: e[OUT].update(who=e[ANA_YES]["who"]),
        ),
        (
            "handle",
            "of somebody else's chat",
            "a conversation has one account",
            lambda e: e[YES]["facts"].update(handle=e[15]["facts"]["handle"]),
        ),
        (
            "no",
            "for a chat",
            "is a yes",
            lambda e: e[YES]["facts"].update(allow=False, effect="declined"),
        ),
        (
            "yes",
            "for a project, that affirms",
            "is a yes",
            put(PROJECT_YES, "facts", "effect", value="affirmed"),
        ),
    )
    for place, operation, promise, change in tables:
        yield Lie(f"entry with a question, {place}", operation, promise, from_the_start(change))


def story_lies() -> Iterator[Lie]:
    """A history of questions and scopes that cannot have happened."""
    tables: tuple[tuple[str, str, str, Callable[[Told], Any]], ...] = (
        (
            "grant",
            "begun for another chat than was chosen",
            "follows its choice",
            put(BEGUN, "facts", "handle", value=OTHER),
        ),
        (
            "grant",
            "begun for another question than was chosen",
            "follows its choice",
            put(BEGUN, "facts", "question", value="research"),
        ),
        (
            "grant",
            "begun for the account by a project's yes",
            "follows its choice",
            put(PROJECT_BEGUN, "facts", value={"grant": 2, "version": 1, **FOR}),
        ),
        (
            "grant",
            "begun out of nothing",
            "follows its choice",
            lambda e: e.pop(YES) and None,
        ),
        (
            "grant",
            "left out after its choice",
            "was followed by a `grant_begun`",
            lambda e: e.pop(PROJECT_BEGUN) and None,
        ),
        (
            "grant",
            "begun under a number in force",
            "follows from the grant in force",
            put(PROJECT_BEGUN, "facts", "grant", value=1),
        ),
        (
            "grant",
            "begun under a number that was over",
            "follows from the grant in force",
            put(ANA_BEGUN, "facts", "grant", value=1),
        ),
        (
            "grant",
            "begun twice for one project",
            "follows from the grant in force",
            lambda e: e.__setitem__(
                slice(LEFT_YES, LEFT_YES + 2),
                again(e, LEFT_YES, PROJECT_YES, PROJECT_BEGUN, grant=3),
            ),
        ),
        (
            "no",
            "the ending of its grant left out",
            "follows the ending of it",
            lambda e: e.pop(ENDED) and None,
        ),
        (
            "no",
            "the ending of its grant told after it",
            "follows the ending of it",
            lambda e: e.__setitem__(slice(ENDED, ENDED + 2), swapped(e[ENDED], e[ENDED + 1])),
        ),
        (
            "no",
            "that ended a grant, told as one that ended none",
            "has the effect `withdrew`",
            put(NO_AGAIN, "facts", "effect", value="declined"),
        ),
        (
            "no",
            "that ended a grant, left out",
            "refused grant is followed by the no",
            lambda e: e.__setitem__(
                slice(NO_AGAIN, PROJECT_KEPT + 1), again(e, NO_AGAIN, LEFT_YES, LEFT_BEGUN, grant=4)
            ),
        ),
        (
            "no",
            "kept grants not affirmed",
            "was followed by a `grant_affirmed`",
            lambda e: e.__setitem__(
                CHAT_KEPT,
                {
                    **e[NO],
                    "commit": OTHER,
                    "at": e[NO_AGAIN]["at"],
                    "logged": e[CHAT_KEPT]["logged"],
                },
            ),
        ),
        (
            "no",
            "that keeps the account's own grant",
            "a no ends the account's grant",
            lambda e: e.__setitem__(
                ANA_NO,
                {**e[ANA_NO], "facts": {"allow": False, "effect": "declined", "version": 1, **FOR}},
            ),
        ),
        (
            "kept",
            "a no that ended a grant",
            "follows its choice",
            lambda e: e[CHAT_KEPT].update(facts={**e[LEFT_BEGUN]["facts"]}),
        ),
        (
            "kept",
            "by no no",
            "follows its choice",
            lambda e: e.__setitem__(ENDED, {**e[CHAT_KEPT], "logged": e[ENDED]["logged"]}),
        ),
        (
            "kept",
            "under another number",
            "follows from the grant in force",
            put(CHAT_KEPT, "facts", "grant", value=2),
        ),
        (
            "kept out",
            "and a grant begun for it",
            "kept out or deleted",
            lambda e: e.__setitem__(IN, again(e, IN, PROJECT_YES, PROJECT_BEGUN, grant=4)[0]),
        ),
        (
            "kept out",
            "a chat, and a grant begun for it",
            "kept out or deleted",
            lambda e: e.__setitem__(
                slice(NO, NO + 1), [about_chat(e, "narrowed"), {**e[NO], "logged": e[NO]["logged"]}]
            ),
        ),
        (
            "deleted",
            "a chat, and a grant begun for it",
            "kept out or deleted",
            lambda e: e.__setitem__(
                slice(NO, NO + 1), [about_chat(e, "deleted"), {**e[NO], "logged": e[NO]["logged"]}]
            ),
        ),
        (
            "grant",
            "stands for a project, and was ended",
            "follows from the grant in force",
            lambda e: e.__setitem__(
                IN,
                {
                    **e[PROJECT_BEGUN],
                    "t": "grant_stands",
                    "at": e[IN]["at"],
                    "logged": e[IN]["logged"],
                    "commit": OTHER,
                },
            ),
        ),
        (
            "grant",
            "stands for a project, out of nothing",
            "was begun, or carried over",
            lambda e: e.__setitem__(
                NO,
                {
                    **e[PROJECT_BEGUN],
                    "t": "grant_stands",
                    "at": e[NO]["at"],
                    "logged": e[NO]["logged"],
                },
            ),
        ),
        (
            "grant",
            "ended, of which nothing was told",
            "follows from the grant in force",
            put(ENDED, "facts", "grant", value=9),
        ),
        (
            "grant",
            "ended twice",
            "follows from the grant in force",
            lambda e: e.__setitem__(
                IN, {**e[OUT_ENDED], "at": e[IN]["at"], "logged": e[IN]["logged"], "commit": OTHER}
            ),
        ),
        (
            "grant",
            "revived by a restore",
            "follows from the grant in force",
            lambda e: e.__setitem__(
                slice(IN, IN + 1),
                [
                    restored(e),
                    {
                        **e[PROJECT_BEGUN],
                        "t": "grant_stands",
                        "at": e[IN]["at"],
                        "logged": e[IN]["logged"],
                        "commit": OTHER,
                    },
                ],
            ),
        ),
    )
    for place, operation, promise, change in tables:
        yield Lie(f"story with questions, {place}", operation, promise, from_the_start(change))


def again(e: Told, at: int, choice: int, begun: int, *, grant: int) -> list[dict[str, Any]]:
    """A yes once more, with a grant of its own, told at the time of the entry ``at``."""
    moment = {"at": e[at]["at"], "logged": e[at]["logged"]}
    return [
        {**e[place], **moment, "commit": f"{place:064x}", "facts": {**e[place]["facts"], **facts}}
        for place, facts in ((choice, {}), (begun, {"grant": grant}))
    ]


def swapped(first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**second, "logged": first["logged"]}, {**first, "logged": second["logged"]}]


def about_chat(e: Told, kind: str) -> dict[str, Any]:
    facts = {"handle": e[YES]["facts"]["handle"]}
    return {**e[NO], "t": kind, "facts": facts, "commit": OTHER}


def restored(e: Told) -> dict[str, Any]:
    return {
        "v": 1,
        "t": "restored",
        "at": e[IN]["at"],
        "logged": e[IN]["logged"],
        "facts": {"life": 2, "entries": 3},
    }


def row_lies() -> Iterator[Lie]:
    """A row that rests on a grant which is not for it."""
    chat = {"question": "training", "scope": "conversation", "conversation": CHATS["d1"].hex}
    kept = {"question": "training", "scope": "project", "project": PROJECTS["kept"].hex}
    bens = {"question": "training", "scope": "project", "project": PROJECTS["bens"].hex}
    refused = tell("choice", DAN, allow=False, effect="withdrew", version=1, **FOR)
    tables: tuple[tuple[str, str, str, Callable[[World], Any]], ...] = (
        (
            "grant",
            "of another question",
            "is for the question that covers",
            put_in("rows", D1, "sources", 0, "grant", value=4),
        ),
        (
            "question",
            "another one",
            "names the question that covers",
            put_in("rows", D1, "question", value="research"),
        ),
        (
            "question",
            "another one, with its grant",
            "is for the question that covers",
            together(
                put_in("rows", D1, "question", value="research"),
                put_in("rows", D1, "sources", 0, "grant", value=4),
            ),
        ),
        (
            "question",
            "none",
            "names the question that covers",
            put_in("rows", D1, "question", value=None),
        ),
        (
            "question",
            "where nothing rests on a grant",
            "names the question that covers",
            put_in("rows", E1, "question", value="training"),
        ),
        (
            "grant",
            "of another chat",
            "for its conversation, its project or its account",
            put_in("rows", D2, "sources", 0, "grant", value=1),
        ),
        (
            "grant",
            "of another chat, and no project told",
            "for its conversation, its project or its account",
            together(
                put_in("rows", D2, "sources", 0, "grant", value=1),
                put_in("rows", D2, "project", value=None),
            ),
        ),
        (
            "grant",
            "of another project",
            "for its conversation, its project or its account",
            put_in("rows", D2, "project", value=project("left")),
        ),
        (
            "grant",
            "of a project, which is not told",
            "for its conversation, its project or its account",
            put_in("rows", D2, "project", value=None),
        ),
        (
            "project",
            "told beside an account's grant",
            "names its project exactly",
            put_in("rows", A1, "project", value=project("kept")),
        ),
        (
            "project",
            "told beside a chat's grant",
            "names its project exactly",
            put_in("rows", D1, "project", value=project("kept")),
        ),
        (
            "project",
            "told where nothing rests on a grant",
            "names its project exactly",
            put_in("rows", E1, "project", value=project("kept")),
        ),
        (
            "grant",
            "of a project, which the no ended",
            "grant that decides it is in force",
            together(
                put_in("rows", D2, "sources", 0, "grant", value=3),
                put_in("rows", D2, "project", value=project("left")),
            ),
        ),
        (
            "grant",
            "of the account, under a chat's of its own",
            "the narrowest grant",
            narrower("a1"),
        ),
        (
            "grant",
            "of the account, never begun",
            "grant that decides it is in force",
            put_in("rows", D1, "sources", 0, "grant", value=5),
        ),
        (
            "kept out",
            "the project",
            "grant that decides it is in force",
            together(
                tell("project_kept_out", DAN, project=PROJECTS["kept"].hex),
                tell("grant_ended", DAN, grant=2, cause="narrowed"),
            ),
        ),
        (
            "kept out",
            "the project, and its grant's end not told",
            "grant that decides it is in force",
            tell("project_kept_out", DAN, project=PROJECTS["kept"].hex),
        ),
        (
            "kept out",
            "the chat, let in again, and its grant's end not told",
            "ends the grants",
            together(
                tell("narrowed", DAN, conversation=CHATS["d1"].hex),
                tell("widened", DAN, conversation=CHATS["d1"].hex),
                *(
                    put_in("rows", D1, "sources", 0, key, value=value)
                    for key, value in (
                        ("narrowing", 1),
                        ("said_on", "2026-03-05"),
                        ("last_on", "2026-03-05"),
                        ("keep_until", "2031-03-05"),
                    )
                ),
                put_in("rows", D1, "last_on", value="2026-03-05"),
            ),
        ),
        (
            "no",
            "that kept nothing of it",
            "grant that decides it is in force",
            together(
                tell("grant_ended", DAN, grant=1, cause="refused"),
                tell("grant_ended", DAN, grant=2, cause="refused"),
                refused,
            ),
        ),
        (
            "no",
            "that kept one, and says of the other nothing",
            "grant that decides it is in force",
            together(tell("grant_ended", DAN, grant=2, cause="refused"), refused),
        ),
        (
            "no",
            "that kept it, affirmed as another chat's",
            "follows",
            together(
                tell("grant_ended", DAN, grant=2, cause="refused"),
                refused,
                tell(
                    "grant_affirmed",
                    DAN,
                    grant=1,
                    version=1,
                    **(chat | {"conversation": CHATS["d2"].hex}),
                ),
            ),
        ),
        (
            "grant",
            "of a project of the year before, never told",
            "grant that decides it is in force",
            lambda w: w.told.remove(
                ("grant_stands", "2026-03-04", BEN, {"grant": 2, "version": 1, **bens})
            ),
        ),
        (
            "grant",
            "of a project of the year before, told as the account's",
            "follows from the grant in force",
            lambda w: w.told.append(
                ("grant_stands", "2026-03-04", BEN, {"grant": 2, "version": 1, **FOR})
            ),
        ),
        (
            "narrowing",
            "fewer than were told",
            "was kept out, or included again",
            put_in("rows", A2, "sources", 0, "narrowing", value=0),
        ),
        (
            "said_on",
            "before the project's grant",
            "written under the grant",
            put_in("rows", D2, "sources", 0, "said_on", value="2026-02-25"),
        ),
        ("form", "of before there were questions", "precedes the first question", older(A1)),
        ("form", "of before, under a chat's grant", "precedes the first question", older(D1)),
        ("form", "of a version that is not", "fields of a row", put_in("rows", A1, "v", value=3)),
        (
            "field",
            "of before beside those of today",
            "fields of a row",
            put_in("rows", A1, "sources", 0, "widening", value=0),
        ),
        ("answer", "of a no, older than the terms", "newer terms had been answered", stale(kept)),
    )
    for place, operation, promise, change in tables:
        yield Lie(f"decision with questions, {place}", operation, promise, by_operator(change))


def narrower(chat: str) -> Callable[[World], None]:
    """Ana said yes for a chat before she did for her account, whose grant is named."""
    about = {"question": "training", "scope": "conversation", "conversation": CHATS[chat].hex}

    def change(world: World) -> None:
        place = next(n for n, one in enumerate(world.told) if one[0] == "choice" and one[2] == ANA)
        world.told[place + 1][3]["grant"] = 2
        world.told[place:place] = [
            (
                "choice",
                "2026-03-01",
                ANA,
                {"allow": True, "effect": "began", "version": 1, **about},
            ),
            ("grant_begun", "2026-03-01", ANA, {"grant": 1, "version": 1, **about}),
        ]
        for number in (A1, A1_AGAIN, A2):
            for source in world.rows[number]["sources"]:
                source["grant"] = 2

    return change


def older(number: int) -> Callable[[World], None]:
    """A row written in the form of before, whose rule of two versions would let in more."""

    def change(world: World) -> None:
        row = world.rows[number]
        row["v"] = 1
        del row["question"], row["project"]
        for source in row["sources"]:
            source["widening"] = source.pop("narrowing")

    return change


def stale(about: dict[str, Any]) -> Callable[[World], None]:
    """Every answer of Dan's was given under the version before."""

    def change(world: World) -> None:
        for _, _, account, facts in world.told:
            if account == DAN and "version" in facts and facts["question"] == about["question"]:
                facts["version"] = 0

    return change


def version_lies() -> Iterator[Lie]:
    """What a version between the turn's and today's left out."""
    ways: tuple[tuple[str, str, Callable[[dict[str, Any]], Any]], ...] = (
        ("plan", "covered by the terms", lambda said: said["scope"].update(plans=["pro"])),
        ("surface", "covered by the terms", lambda said: said["scope"].update(surfaces=["cli"])),
        ("origin", "origins of its turns", lambda said: said.update(origins=["upload"])),
        (
            "purpose",
            "the choice covers the purpose",
            lambda said: said["choice"][1].update(covers=["improve_models"]),
        ),
        (
            "purpose, moved to another question",
            "the choice covers the purpose",
            lambda said: said.update(
                choice=[
                    {"question": "research", "covers": ["research", "safety_classifiers"]},
                    {"question": "training", "covers": ["improve_models"]},
                ]
            ),
        ),
        ("question", "the choice covers the purpose", lambda said: said["choice"].pop(1)),
    )
    for what, promise, narrow in ways:
        yield Lie("version between", f"{what} left out", promise, by_operator(between(narrow)))


def between(narrow: Callable[[dict[str, Any]], Any]) -> Callable[[World], None]:
    """Ben's turn of the year before was taken under the first version; a second one leaves
    something out, and the third takes it in again.
    """

    def change(world: World) -> None:
        said = from_document(world.policies[1]).document()
        narrow(said)
        said |= {"version": "2026-01-10", "effective": "2026-01-10T00:00:00Z"}
        second = from_document(said)
        world.policies.insert(1, second.document())
        world.told[1:1] = [
            ("policy_applied", "2026-01-02", None, {"number": 1, "sha256": second.sha256().hex()})
        ]
        world.told[2][3]["number"] = 2
        for kind, _, _, facts in world.told:
            if "version" in facts and kind != "release_sealed":
                facts["version"] = 2
        world.leaf.update(version=2)
        for one in world.rows:
            for mark in one["marks"]:
                mark[2] = 2 if mark[2] == 1 else mark[2]

    return change


def receipt_lies() -> Iterator[Lie]:
    """What is signed in a receipt of a question and a scope, against the entry that it opens."""
    event = ("record", "events", 0)
    chat = f"urn:licet:conversation:{'7a' * 16}"
    tables: tuple[tuple[str, str, str, int, Callable[[dict[str, Any]], Any]], ...] = (
        (
            "question",
            "another one",
            "the question and the scope committed to",
            YES,
            put_at(*event, "question", value="models"),
        ),
        (
            "question",
            "none",
            "the question and the scope committed to",
            YES,
            put_at(*event, "question", value=None),
        ),
        (
            "question",
            "left out",
            "the question and the scope committed to",
            ANA_NO,
            lambda said: said["record"]["events"][0].pop("question"),
        ),
        (
            "question",
            "no name",
            "fields of a receipt",
            YES,
            put_at(*event, "question", value="All of it"),
        ),
        (
            "scope",
            "a chat's yes shown as the account's",
            "its period and recipients",
            YES,
            put_at(*event, "scope", value="account"),
        ),
        (
            "scope",
            "left out",
            "its period and recipients",
            YES,
            lambda said: said["record"]["events"][0].pop("scope"),
        ),
        (
            "scope",
            "another chat",
            "the question and the scope committed to",
            YES,
            put_at(*event, "of", value=chat + "0"),
        ),
        (
            "scope",
            "a project's, of an entry of before",
            "its period and recipients",
            4,
            lambda said: said["record"]["events"][0].update(scope="project", of=chat),
        ),
        (
            "kept",
            "one less",
            "its kept grants",
            NO_AGAIN,
            lambda said: said["record"]["events"][0]["kept"].pop(),
        ),
        (
            "kept",
            "one more",
            "its kept grants",
            NO,
            put_at(*event, "kept", value=[{"grant": 1, "scope": "conversation", "of": chat}]),
        ),
        (
            "kept",
            "another",
            "its kept grants",
            NO_AGAIN,
            put_at(*event, "kept", 0, "grant", value=7),
        ),
        (
            "log.record",
            "another chat",
            "",
            YES,
            put_at("log", "record", "facts", "conversation", value="00" * 16),
        ),
        (
            "log.salt",
            "another person's, for the project",
            "",
            PROJECT_YES,
            put_at("log", "salt", value=leaves.derive_salt(KEYS[EVA]).hex()),
        ),
    )
    for place, operation, promise, index, change in tables:
        yield Lie(
            f"receipt with a question, {place}",
            operation,
            promise,
            lambda change=change, index=index: Shown(
                receipts=(receipt_of(index, lambda said: change(said) and None),)
            ),
        )


def put_at(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    return lies.set_in(*path, value=value)


@cache
def every() -> tuple[Lie, ...]:
    tables = (form_lies, story_lies, row_lies, version_lies, receipt_lies)
    return tuple(lie for table in tables for lie in table())
