"""Notices as content: versioned Markdown whose bytes, once published, never change.

A source has front matter (whose policy, which version, language, variant, and the words of the
question and its answers) and a body. Values of the policy stand in it as ``{decide_by}``;
publishing puts them in, so that what is stored, hashed and shown is one and the same text, and no
notice can promise another period than the policy keeps. A paragraph that names a value which the
policy does not have (no last day, say) is left out.

What is taken out of a text before it is used is written by what is installed that looks for it:
``{removes}`` is that sentence, ``removes`` in the front matter the kinds of names that a notice
promises to look for, and the languages in which it does. A notice that promises more, there or in
words of its own, is not published, and no release is built under it. Nor is one that is silent on
names where its policy says `names: left in` and nothing looks for them.

The words of the buttons belong to the notice: they are part of what a person was asked, so they are
hashed with it. Where the policy asks several questions, each has words of its own
(``question.NAME``, ``yes.NAME``, ``no.NAME``); where a source leaves the words of a question out,
publishing puts in those of the catalogue. One question for several that the policy asks apart is
not published. So it is with the four lines that stand with the question before anything else: what
a yes allows (``what``), how long (``how_long``), what is never used (``never``), and how to change
one's mind (``change``).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from itertools import combinations
from uuid import UUID

import msgspec
import yaml

from licet.consent import catalogue as catalogues
from licet.consent import markdown, pressing_words
from licet.consent.catalogue import BORROWED, Catalogue, Languages, stamp
from licet.consent.language_tags import ENGLISH, fallbacks
from licet.errors import InputError, RefusedError
from licet.ledger import outbox
from licet.policy.file import QUESTION, NamesTerm, Policies, Policy
from licet.store.connect import Transaction
from licet.store.keyset import (
    KeyColumn,
    KeyType,
    ListChoice,
    ListFilter,
    Listing,
    newest_and_oldest,
    read_name,
)
from licet.vault import policy_versions
from licet.vault.ids import uuid7

PERSON = "person"
KINDS = frozenset({PERSON, "address", "place", "organisation"})
NOTICE_BYTES_MAX = 64 * 2**10
FRONTS_KEPT = 512
_FRONT = re.compile(r"---\n(.*?)\n---\n(.*)", re.DOTALL)
_PLACE = re.compile(r"\{([a-z_]+)\}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_OF = re.compile(r'(?m)^of: "([0-9a-f]+)"\n')


class NameSearch(msgspec.Struct, frozen=True):
    """What is installed that looks for names: the ``kinds`` it looks for and the ``languages`` it
    looks in, as ISO 639-1.

    ``others_stay``: names in other languages stay in; otherwise a conversation in another language
    is not used.
    """

    kinds: frozenset[str] = frozenset()
    languages: tuple[str, ...] = ()
    others_stay: bool = False


NO_SEARCH = NameSearch()


class Variant(StrEnum):
    """``existing`` asks an account that was there before the terms; ``signup`` one that opens under
    them.
    """

    existing = "existing"
    signup = "signup"


class QuestionWords(msgspec.Struct, frozen=True, kw_only=True):
    """The words of a question and its two answers. ``name`` is the question's in the policy."""

    name: str
    question: str
    yes: str
    no: str


WORDS = ("question", "yes", "no")
GIST = ("what", "how_long", "never", "change")


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """What a notice says. ``later`` is empty where it cannot be put off, ``age`` where no age is
    asked; ``removes`` are the kinds of names that it promises to look for, parted by blanks.
    ``question``, ``yes`` and ``no`` are those of the only question; where several are asked they
    are empty, and ``asks`` has the words of each. ``what``, ``how_long``, ``never`` and ``change``
    are the four lines with the question; a notice that was published before there were such lines
    has none.
    """

    policy: str
    version: str
    language: str
    variant: Variant
    title: str
    terms: str
    body: str
    question: str = ""
    yes: str = ""
    no: str = ""
    asks: tuple[QuestionWords, ...] = ()
    later: str = ""
    age: str = ""
    terms_url: str = ""
    removes: str = ""
    what: str = ""
    how_long: str = ""
    never: str = ""
    change: str = ""

    @property
    def gist(self) -> tuple[tuple[str, str], ...]:
        """The four lines by their names, in their order; none where the notice has none."""
        return tuple((key, line) for key in GIST if (line := getattr(self, key)))

    @property
    def html(self) -> str:
        return markdown.html(self.body)

    @property
    def all_words(self) -> tuple[QuestionWords, ...]:
        """The words of each question that it asks; the name is empty where it asks one without
        naming it.
        """
        return self.asks or (
            QuestionWords(name="", question=self.question, yes=self.yes, no=self.no),
        )

    def words(self, questions: Sequence[str]) -> tuple[QuestionWords, ...]:
        """The words of these questions of the policy, in their order; InputError for one that it
        has none for.
        """
        if not self.asks and len(questions) == 1:
            return tuple(msgspec.structs.replace(one, name=questions[0]) for one in self.all_words)
        known = {one.name: one for one in self.asks}
        for name in questions:
            if name not in known:
                raise InputError(
                    "is missing", f"the policy asks {_asked(questions)}", key=f"question.{name}"
                )
        return tuple(known[name] for name in questions)


class PublishedNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A published notice. ``number`` is the policy version that it asks about; ``document`` its
    exact text.
    """

    notice_id: UUID
    number: int
    language: str
    variant: Variant
    document: str
    sha256: bytes
    published_at: datetime
    text: Text


def shipped(policy: Policy, languages: Collection[str] | None = None) -> list[str]:
    """The sources that come with Licet for a policy of that name; none for another, or where it
    asks otherwise.

    English ones first, then those of each other language, or of ``languages`` alone. A translation
    of an English text that has changed since is left out: the person is shown the English one.
    """
    return [
        source
        for name, source in sources().items()
        if name.startswith(f"{policy.policy}.")
        and (languages is None or language_of(name) in languages)
        and fits(source, policy)
    ]


@cache
def sources() -> dict[str, str]:
    """Every source that comes with Licet by its file's name: the English ones, and translations of
    them as they are now.
    """
    folder = files("licet.consent") / "notices"
    found = {
        f.name: f.read_text(encoding="utf-8") for f in folder.iterdir() if f.name.endswith(".md")
    }
    english = {
        name: source for name, source in sorted(found.items()) if language_of(name) == ENGLISH
    }
    others = sorted((language_of(name), name) for name in found if name not in english)
    translations = {
        name: found[name]
        for _, name in others
        if translates(found[name], english.get(english_of(name), ""))
    }
    return english | {name: unstamped(source) for name, source in translations.items()}


def language_of(name: str) -> str:
    """The language of the source in the file ``name``: POLICY.VARIANT.LANGUAGE.md."""
    return name.removesuffix(".md").rpartition(".")[2]


def english_of(name: str) -> str:
    """The file of the English source that the source in the file ``name`` translates."""
    return f"{name.removesuffix('.md').rpartition('.')[0]}.{ENGLISH}.md"


def translates(source: str, english: str) -> bool:
    """Whether a source says that it was made from this English one: its key ``of`` is the English
    text's `stamp`.
    """
    made_from = _OF.search(source)
    return made_from is not None and made_from[1] == stamp(english)


def stamped(source: str, english: str) -> str:
    """The source, saying that it translates this English one."""
    return unstamped(source).replace("---\n", f'---\nof: "{stamp(english)}"\n', 1)


def unstamped(source: str) -> str:
    """The source as it is published: without its key ``of``."""
    return _OF.sub("", source, count=1)


def front(source: str) -> dict[str, str]:
    """The keys of a source's front matter with their texts."""
    return _front(unstamped(source))


def fits(source: str, policy: Policy) -> bool:
    """Whether a source asks the age where the policy does, and its questions: by name, or the only
    one without it.
    """
    front = _front(source)
    named = {key.partition(".")[2] for key in front if key.startswith("question.")}
    asks = named == set(policy.asks) if named else len(policy.asks) == 1 and "question" in front
    return asks and ("age" in front) == (policy.min_ages.strictest is not None)


def _asked(questions: Sequence[str]) -> str:
    return f"{', '.join(f'`{name}`' for name in questions)}{', each by itself' if len(questions) > 1 else ''}"


def fill(
    source: str,
    policy: Policy,
    search: NameSearch = NO_SEARCH,
    *,
    languages: Languages | None = None,
) -> str:
    """The source with the policy's values in their places; InputError for a place that no value
    fits.

    ``search`` is what is installed that looks for names.
    """
    words = (languages or catalogues.known()).catalogue(_front(source).get("language", ENGLISH))
    source = _with_gist(_with_questions(source, policy, words), policy, words)
    known = _values(policy, words) | {
        "removes": removes(words, search),
        "removes_kinds": " ".join([*sorted(search.kinds), *sorted(search.languages)]),
    }
    kept = []
    for block in markdown.blocks(source):
        names = _PLACE.findall(block)
        for name in names:
            if name not in known:
                raise InputError(
                    f"`{{{name}}}` is no value of a policy", f"there are {', '.join(sorted(known))}"
                )
        if all(known[name] is not None for name in names):
            kept.append(_PLACE.sub(lambda place: str(known[place[1]]), block))
    return "\n\n".join(_without_empty_sections(kept)) + "\n"


def _with_questions(source: str, policy: Policy, words: Catalogue) -> str:
    """The source with the catalogue's words for each question that it has none for."""
    front, text = _front(source), _parts(source)[1]
    if "question" in front or not policy.asks:
        return source
    lines = []
    for asked in policy.questions:
        if f"question.{asked.question}" in front:
            continue
        said = words.asked(asked)
        lines += [
            f"{key}.{asked.question}: {json.dumps(said[key], ensure_ascii=False)}" for key in WORDS
        ]
    return "\n".join(["---", _parts(source)[0], *lines, "---", text])


def _with_gist(source: str, policy: Policy, words: Catalogue) -> str:
    """The source with the catalogue's words for each of the four lines that it has none for; with
    none of them where the catalogue has those words in another language alone.
    """
    front, text = _front(source), _parts(source)[1]
    said = {key: words.gist(key, policy) for key in GIST if key not in front and policy.asks}
    if any(BORROWED in line for line in said.values()):
        return source
    lines = [f"{key}: {json.dumps(line, ensure_ascii=False)}" for key, line in said.items()]
    return "\n".join(["---", _parts(source)[0], *lines, "---", text]) if lines else source


def _without_empty_sections(kept: Sequence[str]) -> Iterator[str]:
    for place, block in enumerate(kept):
        is_heading = block.startswith("#") and "\n" not in block
        if is_heading and (place + 1 == len(kept) or kept[place + 1].startswith("#")):
            continue
        yield block


def _values(policy: Policy, words: Catalogue) -> dict[str, str | None]:
    lowest = policy.min_ages.lowest
    return {
        "version": policy.version,
        "effective": words.day(policy.effective),
        "decide_by": words.day(policy.decide_by) if policy.decide_by else None,
        **words.periods(policy.keep),
        # what holds for everybody who reads it
        "min_age": str(lowest) if lowest is not None else None,
    }


def removes(words: Catalogue, search: NameSearch) -> str:
    """What is taken out before anything is used: what rules find, and the names that something
    looks for.
    """
    parts = [words.say("removes.rules")]
    if search.kinds:
        languages = words.listed(sorted(map(words.language_name, search.languages)))
        parts.append(
            words.say("removes.names", kinds=_kinds(words, search.kinds), languages=languages)
        )
    parts += filter(None, [other_languages(words, search), left_in(words, search.kinds)])
    return " ".join([*parts, words.say("removes.rest")])


def other_languages(words: Catalogue, search: NameSearch) -> str:
    """What happens in languages in which nothing looks for names: the words of a notice, of a
    manifest and of a card.

    Empty where nothing looks in any language.
    """
    key = "removes.others_stay" if search.others_stay else "removes.others_unused"
    return words.say(key, kinds=_kinds(words, search.kinds)) if search.kinds else ""


def left_in(words: Catalogue, kinds: Collection[str]) -> str:
    """What stays in because only ``kinds`` are looked for: the words of a notice, of a manifest and
    of a card. Empty for nothing.
    """
    unsought = pressing_words.REMOVED - set(kinds)
    return words.say("removes.unsought", kinds=_kinds(words, unsought)) if unsought else ""


def _kinds(words: Catalogue, kinds: Collection[str]) -> str:
    # persons before places
    return words.listed([words.say(f"removed.{kind}") for kind in sorted(kinds, reverse=True)])


def overpromised(text: Text, search: NameSearch, *, languages: Languages | None = None) -> str:
    """What a notice promises to take out though nothing looks for it; empty where it promises no
    more than is done.
    """
    promised = frozenset(text.removes.split())
    if beyond := promised - search.kinds - set(search.languages):
        return f"removes: {', '.join(sorted(beyond))}"
    told, words = _told(text), (languages or catalogues.known()).catalogue(text.language)
    kinds = promised & KINDS
    for size in range(len(kinds) + 1):
        for some in combinations(sorted(kinds), size):
            narrower = msgspec.structs.replace(search, kinds=frozenset(some))
            told = told.replace(_one_line(removes(words, narrower)), " ")
    return next(
        (
            said
            for said, needed in pressing_words.removals(told).items()
            if not needed <= search.kinds
        ),
        "",
    )


def untold(
    text: Text, policy: Policy, search: NameSearch, *, languages: Languages | None = None
) -> str:
    """The sentence that a notice lacks on what stays in, where its policy lets names in and nothing
    looks for them.
    """
    if policy.names is NamesTerm.replaced or PERSON in search.kinds:
        return ""
    sentence = left_in((languages or catalogues.known()).catalogue(text.language), search.kinds)
    return "" if _one_line(sentence) in _told(text) else sentence


def _told(text: Text) -> str:
    """The body of a notice and its four lines as plain words."""
    return _one_line(markdown.plain(" ".join([text.body, *(line for _, line in text.gist)])))


def _one_line(words: str) -> str:
    """With a plain blank for each run of blanks, also of those that do not break."""
    return " ".join(words.split())


def read(document: str) -> Text:
    """The notice that a document writes; InputError names the key and the mend."""
    if len(document.encode()) > NOTICE_BYTES_MAX:
        raise InputError(
            f"is longer than {NOTICE_BYTES_MAX} bytes", "a notice that long is not read"
        )
    front, body = _front(document), _parts(document)[1]
    plain = {key: value for key, value in front.items() if "." not in key}
    try:
        text = msgspec.convert({**plain, "body": body.strip(), "asks": _named(front)}, Text)
    except msgspec.ValidationError as error:
        raise InputError(f"its front matter is wrong: {error}") from None
    for key in front:
        head, _, name = key.partition(".")
        known = (
            head in WORDS and QUESTION.fullmatch(name) is not None
            if name
            else key in Text.__struct_fields__
        )
        if not known or key in ("body", "asks"):
            raise InputError("is not a key of a notice", "leave it out", key=key)
    if not _LANGUAGE.fullmatch(text.language):
        raise InputError(
            f"`{text.language}` is not a language",
            "write a tag like `en` or `pt-BR`",
            key="language",
        )
    for key in ("title", "terms", "body"):
        _must_say(key, getattr(text, key))
    for key in GIST if text.gist else ():
        _must_say(key, getattr(text, key))
    for one in text.all_words:
        for key in WORDS:
            _must_say(f"{key}.{one.name}" if one.name else key, getattr(one, key))
    if text.variant is Variant.signup and text.later:
        raise InputError("cannot be put off at sign-up", "leave it out", key="later")
    return text


def _must_say(key: str, value: str) -> None:
    if not value.strip():
        raise InputError("is empty", "a notice says all of it", key=key)


def _named(front: dict[str, str]) -> list[dict[str, str]]:
    """The words by question; InputError for those of none beside words that name one."""
    names = list(dict.fromkeys(key.partition(".")[2] for key in front if "." in key))
    for key in WORDS if names else ():
        if key in front:
            raise InputError(
                "stands beside questions that are named",
                "name its question, as in `yes.models`",
                key=key,
            )
    return [
        {"name": name, **{key: front.get(f"{key}.{name}", "") for key in WORDS}} for name in names
    ]


def _parts(document: str) -> tuple[str, str]:
    found = _FRONT.fullmatch(document)
    if found is None:
        raise InputError("has no front matter", "begin with `---`, the keys, and `---`")
    return found[1], found[2]


def _front(document: str) -> dict[str, str]:
    return dict(_parse_front(_parts(document)[0]))


@lru_cache(maxsize=FRONTS_KEPT)
def _parse_front(front: str) -> dict[str, str]:
    """Kept: whoever publishes asks it of every language of what is shipped, twice."""
    try:
        # Every value is text to this loader: `no` is a key here. It makes nothing but text, lists
        # and mappings.
        value = yaml.load(front, Loader=yaml.CBaseLoader)  # noqa: S506 so it is safe
    except yaml.YAMLError as error:
        raise InputError(
            f"its front matter is not YAML: {getattr(error, 'problem', None) or 'unreadable'}"
        ) from None
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise InputError(
            "its front matter is not `key: text` lines", "put dates and numbers in quotes"
        )
    return {str(key): text for key, text in value.items()}


class NoticePublication(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one document. ``new`` is false where the same bytes were published before."""

    notice: UUID
    version: str
    language: str
    variant: Variant
    sha256: str
    new: bool


def publish(
    tx: Transaction,
    policies: Policies,
    sources: Sequence[str],
    *,
    version: str | None,
    at: datetime,
    by: str,
    random: Callable[[int], bytes],
    search: NameSearch = NO_SEARCH,
    languages: Languages | None = None,
) -> list[NoticePublication]:
    """Publishes filled sources for ``version``, by default the newest one.

    InputError for what does not belong to it, RefusedError for words that press or that promise to
    take out what nothing looks for. The same bytes again change
    nothing. New words under the same version do not ask anybody again: only a material version
    does.
    """
    policy = numbered(policies, version)
    number = policies.versions.index(policy)
    found = languages or catalogues.known()
    checked = [
        _checked(fill(source, policy, search, languages=found), policy, search, found)
        for source in sources
    ]
    return [_insert(tx, number, document, text, at, by, random) for document, text in checked]


def numbered(policies: Policies, version: str | None) -> Policy:
    """The applied version of that name, the newest without one; InputError for a name that none
    has.
    """
    found = [policy for policy in policies.versions if version in (None, policy.version)]
    if not found:
        raise InputError(
            f"no policy version `{version}` has been applied", "apply the policy first"
        )
    return found[-1]


def _checked(
    document: str, policy: Policy, search: NameSearch, languages: Languages
) -> tuple[str, Text]:
    text = read(document)
    if (text.policy, text.version) != (policy.policy, policy.version):
        raise InputError(
            f"is for `{text.policy}` `{text.version}`, not for `{policy.policy}` "
            f"`{policy.version}`",
            'write `version: "{version}"` and the policy\'s name',
        )
    if policy.min_ages.strictest is not None and not text.age:
        raise InputError(
            "is missing", "the policy has a minimum age, so the notice asks it", key="age"
        )
    if policy.min_ages.strictest is None and text.age:
        raise InputError("asks what the policy does not need", "leave it out", key="age")
    _check_questions(text, policy)
    said = [part for one in text.all_words for part in (one.question, one.yes, one.no)]
    said += [markdown.plain(line) for _, line in text.gist]
    told = (text.title, *said, text.later, markdown.plain(text.body))
    found = pressing_words.faults(*told, language=text.language)
    if found:
        raise RefusedError(
            f"the notice presses: {found[0]}",
            "say it plainly; `licet notice lint` lists every place",
            because="notice_presses",
        )
    if beyond := overpromised(text, search, languages=languages):
        raise RefusedError(
            f"the notice promises more than is done: `{beyond}`",
            "write `{removes}`, which says what is done; or install what looks for names: "
            "docs/curate.md",
            because="notice_promises",
        )
    if sentence := untold(text, policy, search, languages=languages):
        raise RefusedError(
            f"the policy says `names: left in`, and the notice in `{text.language}` does "
            "not say so",
            f"write `{{removes}}`, or: {sentence}",
            because="notice_silent",
        )
    return document, text


def _check_questions(text: Text, policy: Policy) -> None:
    """InputError where the notice does not ask exactly what the policy asks, each by itself."""
    if not text.asks and len(policy.asks) > 1:
        raise InputError(
            f"is one question, and the policy asks {_asked(policy.asks)}",
            "write `question.NAME`, `yes.NAME` and `no.NAME` for each, or leave them out "
            "for the words that ship",
            key="question",
        )
    text.words(policy.asks)
    for one in text.asks:
        if one.name not in policy.asks:
            raise InputError(
                "asks what the policy does not", "leave it out", key=f"question.{one.name}"
            )


def _insert(
    tx: Transaction,
    number: int,
    document: str,
    text: Text,
    at: datetime,
    by: str,
    random: Callable[[int], bytes],
) -> NoticePublication:
    sha256 = hashlib.sha256(document.encode()).digest()
    known = tx.execute(
        "SELECT notice_id FROM notices WHERE version = %s AND language = %s AND variant = "
        "%s AND sha256 = %s",
        [number, text.language, text.variant.value, sha256],
    ).fetchone()
    notice_id = known[0] if known else uuid7(at, random(10))
    if known is None:
        tx.execute(
            """INSERT INTO notices (notice_id, version, language, variant, document, sha256,
               published_at, published_by)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
            [notice_id, number, text.language, text.variant.value, document, sha256, at, by],
        )
        facts: dict[str, str | int | bool | None] = {
            "number": number,
            "language": text.language,
            "variant": text.variant.value,
            "sha256": sha256.hex(),
        }
        outbox.append(
            tx, [outbox.Entry(told=outbox.EntryKind.notice_published, occurred_at=at, facts=facts)]
        )
    return NoticePublication(
        notice=notice_id,
        version=text.version,
        language=text.language,
        variant=text.variant,
        sha256=sha256.hex(),
        new=known is None,
    )


_COLUMNS = "notice_id, version, language, variant, document, sha256, published_at"


def find(tx: Transaction, number: int, language: str, variant: Variant) -> PublishedNotice | None:
    """The newest notice for a policy version, in ``language``, a wider form of it, or else English;
    None without any.
    """
    wanted = list(fallbacks(language))
    row = tx.execute(
        f"""SELECT {_COLUMNS} FROM notices WHERE version = %s AND variant = %s
             AND language = ANY(%s)
             ORDER BY array_position(%s, language), position DESC LIMIT 1""",
        [number, variant.value, wanted, wanted],
    ).fetchone()
    return _notice(row) if row else None


def in_force(tx: Transaction, number: int) -> list[PublishedNotice]:
    """Of each version up to ``number`` the newest notice in each language and variant: what
    permissions in force rest on.
    """
    rows = tx.execute(
        f"""SELECT DISTINCT ON (version, language, variant) {_COLUMNS} FROM notices
             WHERE version <= %s
             ORDER BY version, language, variant, position DESC""",
        [number],
    ).fetchall()
    return [_notice(row) for row in rows]


class NoticeListed(msgspec.Struct, frozen=True, kw_only=True):
    """A published notice without its text; ``version`` is the policy version's name."""

    version: str
    language: str
    variant: str
    sha256: bytes
    published_at: datetime
    published_by: str


def newest_published(tx: Transaction, most: int) -> list[NoticeListed]:
    """The newest ``most`` notices."""
    rows = tx.execute(
        """SELECT version, language, variant, sha256, published_at, published_by FROM notices
            ORDER BY position DESC LIMIT %s""",
        [most],
    ).fetchall()
    named = policy_versions.names(tx)
    return [
        NoticeListed(
            **dict(zip(NoticeListed.__struct_fields__, (named[number], *rest), strict=True))
        )
        for number, *rest in rows
    ]


LISTING = Listing(
    columns=(
        "t.notice_id, t.version, t.language, t.variant, t.published_at, t.published_by, t.sha256"
    ),
    source="FROM notices t",
    orders=newest_and_oldest((KeyColumn("t.position", KeyType.bigint),)),
    filters={
        "language": ListFilter(
            label="Language", sql="t.language = %(value)s", read=read_name, hint="de"
        ),
        "for": ListFilter(
            label="For",
            choices={
                "existing": ListChoice(label="existing accounts", kept="t.variant = 'existing'"),
                "signup": ListChoice(label="sign-up", kept="t.variant = 'signup'"),
            },
        ),
    },
)


def published_languages(tx: Transaction) -> frozenset[str]:
    """The languages in which any notice was published: those in which the operator asks its
    people.
    """
    return frozenset(
        language for (language,) in tx.execute("SELECT DISTINCT language FROM notices")
    )


def published_count(tx: Transaction) -> int:
    row = tx.execute("SELECT count(*) FROM notices").fetchone()
    return int(row[0]) if row else 0


def texts(tx: Transaction, hashes: Collection[bytes] | None = None) -> dict[bytes, str]:
    """The text of every notice by its hash, in the order of publishing; of those with ``hashes``
    alone where given.
    """
    rows = tx.execute(
        """SELECT sha256, document FROM notices
            WHERE %(only)b::bytea[] IS NULL OR sha256 = ANY(%(only)b::bytea[]) ORDER BY position""",
        {"only": None if hashes is None else list(hashes)},
    )
    return {bytes(sha256): document for sha256, document in rows}


def get(tx: Transaction, notice_id: UUID) -> PublishedNotice | None:
    """A notice by its id."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM notices WHERE notice_id = %s", [notice_id]).fetchone()
    return _notice(row) if row else None


def _notice(row: Sequence[object]) -> PublishedNotice:
    found: dict[str, object] = dict(
        zip(
            ("notice_id", "number", "language", "variant", "document", "sha256", "published_at"),
            row,
            strict=True,
        )
    )
    return msgspec.convert({**found, "text": _published(str(found["document"]))}, PublishedNotice)


@lru_cache(maxsize=64)
def _published(document: str) -> Text:
    """`read`, remembered: a published notice never changes."""
    return read(document)


class NoticeLanguage(msgspec.Struct, frozen=True, kw_only=True):
    """A notice of a policy version in one language."""

    notice_id: UUID
    language: str
    published_at: datetime


def of_version(tx: Transaction, number: int, variant: Variant) -> list[NoticeLanguage]:
    """The newest notice in each language for a policy version, by language."""
    rows = tx.execute(
        """SELECT DISTINCT ON (language) notice_id, language, published_at FROM notices
            WHERE version = %s AND variant = %s ORDER BY language, position DESC""",
        [number, variant.value],
    )
    return [
        NoticeLanguage(notice_id=notice_id, language=language, published_at=at)
        for notice_id, language, at in rows
    ]
