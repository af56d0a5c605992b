"""The questions of a version on a page: the words of each, what its answers mean, and what is
allowed below it.

Where one question is asked its fields are `allow`, as they always were; where several are, each is
named: `allow-NAME`. Nothing here is ever picked: neither an answer, nor a thing to keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec

from licet.consent import differences
from licet.consent.acts import ActKind, ConsentAct
from licet.consent.catalogue import Catalogue
from licet.consent.differences import Differences, QuestionDiffers, ScopedGrant
from licet.consent.notice import PublishedNotice
from licet.consent.prompt import Prompt
from licet.masked import Masked
from licet.policy.file import Question
from licet.policy.state import WHOLE_ACCOUNT, GrantStanding, ScopeKind
from licet.store.connect import Transaction
from licet.vault import policy_versions
from licet.vault.installation import Installation
from licet.web.pages import shared as shell
from licet.web.pages.shared import PageForm


class KeepLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A grant below the account, which a no may keep. ``number`` is its number."""

    number: int
    what: str
    about: str


class QuestionAsked(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A question on a page. ``field`` names its two answers, ``mark`` ends the ids of its
    elements.
    """

    name: str
    field: str
    mark: str
    question: str
    yes: str
    no: str
    yes_means: str
    no_means: str
    covers: frozenset[str]
    below: tuple[KeepLine, ...] = ()

    def answer_in(self, form: PageForm) -> str:
        """The answer in a form that has faults."""
        return form.answers.get(self.name) or (
            form.allow if not self.mark or form.question == self.name else ""
        )


def questions_for_page(
    words: Catalogue,
    prompt: Prompt,
    notice: PublishedNotice,
    names: Iterable[str],
    *,
    page: str,
    below: Sequence[QuestionDiffers] = (),
) -> tuple[QuestionAsked, ...]:
    """These questions in the words of the notice; ``page`` is `notice` or `settings`, whose
    sentences differ.
    """
    policy, several = prompt.in_force, len(prompt.in_force.asks) > 1
    known = {one.question: one for one in policy.questions}
    kept = {one.question: one.below for one in below}
    wanted = [name for name in policy.asks if name in set(names)]
    return tuple(
        QuestionAsked(
            name=policy_words.name,
            field=f"{shell.ALLOW}{policy_words.name}" if several else "allow",
            mark=f"-{policy_words.name}" if several else "",
            question=words.mark_language(policy_words.question, notice.language),
            yes=words.mark_language(policy_words.yes, notice.language),
            no=words.mark_language(policy_words.no, notice.language),
            yes_means=_means(words, prompt, known[policy_words.name], page, "yes"),
            no_means=_means(words, prompt, known[policy_words.name], page, "no"),
            covers=known[policy_words.name].covers,
            below=tuple(keep_line(words, grant) for grant in kept.get(policy_words.name, ())),
        )
        for policy_words in notice.text.words(policy.asks)
        if policy_words.name in wanted
    )


def _means(words: Catalogue, prompt: Prompt, question: Question, page: str, answer: str) -> str:
    """The effect of an answer and the retention of what it leaves; with several questions it
    depends on the other answers too.
    """
    keep, one = prompt.in_force.keep, len(prompt.in_force.asks) == 1
    period = keep.of_turn(allowed=answer == "yes")
    purposes = (
        shell.allowed_phrase(words, question.covers)
        if answer == "yes"
        else shell.refused_phrase(words, question.covers)
    )
    key = f"{page}.{answer}.means" if one or answer == "yes" else f"{page}.no.means.several"
    return words.say(key, period=words.period(period), purposes=purposes)


def grants_below(
    tx: Transaction, installation: Installation, prompt: Prompt
) -> tuple[QuestionDiffers, ...]:
    """The questions with their grants below the account; reads nothing if there are none."""
    if all(grant.scope == WHOLE_ACCOUNT for grant in prompt.state.grants):
        return ()
    return differences.load_differences(
        tx, installation.keyring, policy_versions.applied(tx), prompt.account, installation.clock()
    ).questions


def keep_line(words: Catalogue, grant: ScopedGrant) -> KeepLine:
    return KeepLine(
        number=grant.number,
        what=scope_title(words, grant.kind, grant.title),
        about=act_line(words, grant.act),
    )


def scope_title(words: Catalogue, kind: ScopeKind, title: str) -> str:
    """A project or a chat by its title, or a phrase without one."""
    return words.say(
        f"below.{kind.value}" if title else f"below.{kind.value}.untitled", title=title
    )


def act_line(words: Catalogue, act: ConsentAct | None, *, how: str = "said.yes") -> str:
    """Who acted, when and from which surface; empty without a recorded act."""
    if act is None or act.act not in (ActKind.yes, ActKind.no):
        return ""
    via = f"said.via.{act.via}" if act.via in VIAS else "said.via.other"
    line = words.say(how, when=words.moment(act.at), via=words.say(via, via=act.via))
    return words.join(line, words.say("said.surface", surface=act.surface) if act.surface else "")


VIAS = frozenset({"notice", "signup", "settings", "chats", "host", "api", "cli", "import"})


def scope_lines(
    words: Catalogue,
    differences: Differences,
    own: Sequence[ScopedGrant],
    *,
    out: bool,
    now: datetime | None,
) -> Iterator[str]:
    """How a project or a chat differs from the account: kept out, allowed by itself, or
    not at all.
    """
    if out:
        yield (
            words.say("scope.kept_out.since", day=words.day(now))
            if now is not None
            else words.say("scope.kept_out")
        )
        return
    for grant in own:
        asked = differences.question(grant.question)
        purposes = shell.allowed_phrase(words, asked.covers) if asked is not None else ""
        yield words.say("scope.own", purposes=purposes)
        if grant.act is not None:
            yield act_line(words, grant.act)
    if not own:
        yield words.say("scope.as_settings")


class NowLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """The standing of a question, or of all if none is asked. ``name`` is empty if it is the only
    one, and ``question`` if none is; ``pill`` is the standing in a word.
    """

    question: str
    name: str
    use: str
    pill: str
    text: str
    statement: str


def now_lines(words: Catalogue, differences: Differences) -> list[NowLine]:
    """The present standing, question by question."""
    several = len(differences.questions) > 1
    return [
        NowLine(
            question=one.question,
            name=words.question(one.question) if several else "",
            use=_use(one),
            pill=words.say(f"use.{_use(one)}"),
            text=words.join(_now_text(words, one, several), _exceptions_text(words, one)),
            statement=act_line(words, one.act, how="said.answer"),
        )
        for one in differences.questions
    ]


def _use(question: QuestionDiffers) -> str:
    if question.allows:
        return "whole"
    return "part" if question.below else "none" if question.standing in REFUSED else "ask"


REFUSED = frozenset({GrantStanding.declined, GrantStanding.withdrawn})


def _now_text(words: Catalogue, question: QuestionDiffers, several: bool) -> str:
    day = words.day(question.act.at) if question.act is not None else ""
    purposes = shell.allowed_phrase(words, question.covers)
    if not question.allows:
        key = f"settings.now.{question.standing.value}{'.of' if several else ''}"
        return words.say(key, day=day, purposes=shell.refused_phrase(words, question.covers))
    allowed = words.say(
        "settings.now.granted" if question.answered else "settings.now.granted.stale",
        purposes=purposes,
    )
    since = (
        words.say("settings.now.granted.since", day=words.day(question.since))
        if question.since is not None
        else ""
    )
    return words.join(allowed, since)


def _exceptions_text(words: Catalogue, question: QuestionDiffers) -> str:
    """What is allowed by itself, whatever the account's answer."""
    if not question.below:
        return ""
    named = words.join_names(
        [scope_title(words, grant.kind, grant.title) for grant in question.below]
    )
    return words.say(
        "settings.now.below" if question.allows else "settings.now.but_for", what=named
    )
