"""Notices as content: versioned Markdown whose bytes, once published, never change.

A source has front matter (whose policy, which version, language, variant, and the words of the
question and its answers) and a body. The policy's values are placeholders such as ``{decide_by}``;
publishing fills them in, so that the text stored, hashed and shown is the same, and no notice can
state another period than the policy. A paragraph with a value that the policy lacks (no last day,
for example) is left out.

``{removes}`` is a sentence on what de-identification takes out, generated from what is installed;
``removes`` in the front matter lists the kinds of names and the languages that a notice promises to
look for. A notice that promises more, there or in its own words, is not published, and no release
is built under it. The same holds for a notice that does not mention names although its policy has
`names: left in` and nothing looks for them.

The labels of the buttons are part of the notice and hashed with it. If the policy asks several
questions, each has its own words (``question.NAME``, ``yes.NAME``, ``no.NAME``); words that a
source leaves out come from the catalogue, as do the four lines above the question: what a yes
allows (``what``), how long (``how_long``), what is never used (``never``), and how to change the
answer (``change``). A notice that joins several questions of the policy into one is not published.
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
from licet.consent import dark_patterns, markdown
from licet.consent.catalogue import BORROWED, Catalogue, Languages, stamp
from licet.consent.language_tags import ENGLISH, fallbacks
from licet.consent.name_sentences import NameSearch, left_in_sentence, removal_sentence
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
from licet.store.rows import select
from licet.vault.ids import uuid7

PERSON = "person"
KINDS = frozenset({PERSON, "address", "place", "organisation"})
NOTICE_BYTES_MAX = 64 * 2**10
FRONTS_KEPT = 512
_FRONT = re.compile(r"---\n(.*?)\n---\n(.*)", re.DOTALL)
_PLACE = re.compile(r"\{([a-z_]+)\}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_OF = re.compile(r'(?m)^of: "([0-9a-f]+)"\n')


NO_SEARCH = NameSearch()


class Variant(StrEnum):
    """``existing`` is for accounts opened before the terms, ``signup`` for those opened under
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
    """A parsed notice. ``later`` is empty if it cannot be put off, ``age`` if no age is asked;
    ``removes`` are the kinds of names that it promises to look for, separated by blanks.
    ``question``, ``yes`` and ``no`` are the words of a single question; with several they are
    empty, and ``asks`` has the words of each. ``what``, ``how_long``, ``never`` and ``change`` are
    the four lines above the question, which older notices lack.
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
        """The four lines as `(name, text)`; empty if the notice has none."""
        return tuple((key, line) for key in GIST if (line := getattr(self, key)))

    @property
    def html(self) -> str:
        return markdown.html(self.body)

    @property
    def all_words(self) -> tuple[QuestionWords, ...]:
        """The words of each question; the name of a single unnamed question is empty."""
        return self.asks or (
            QuestionWords(name="", question=self.question, yes=self.yes, no=self.no),
        )

    def words(self, questions: Sequence[str]) -> tuple[QuestionWords, ...]:
        """The words of these questions of the policy, in order; InputError if some are missing."""
        if not self.asks and len(questions) == 1:
            return tuple(
                msgspec.structs.replace(all_word, name=questions[0]) for all_word in self.all_words
            )
        known = {ask.name: ask for ask in self.asks}
        for name in questions:
            if name not in known:
                raise InputError(
                    "is missing",
                    f"the policy asks {_join_questions(questions)}",
                    key=f"question.{name}",
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


def list_shipped_sources(policy: Policy, languages: Collection[str] | None = None) -> list[str]:
    """The sources shipped with Licet for this preset; none for another policy, or one that asks
    other questions.

    English first, then the other languages, or only ``languages``. An outdated translation is left
    out: people are shown the English source.
    """
    return [
        source
        for name, source in sources().items()
        if name.startswith(f"{policy.policy}.")
        and (languages is None or language_of(name) in languages)
        and matches_policy(source, policy)
    ]


@cache
def sources() -> dict[str, str]:
    """Every shipped source by file name: the English ones and their current translations."""
    folder = files("licet.consent") / "notices"
    texts = {
        f.name: f.read_text(encoding="utf-8") for f in folder.iterdir() if f.name.endswith(".md")
    }
    english = {
        name: source for name, source in sorted(texts.items()) if language_of(name) == ENGLISH
    }
    others = sorted((language_of(name), name) for name in texts if name not in english)
    translations = {
        name: texts[name]
        for _, name in others
        if translates(texts[name], english.get(english_of(name), ""))
    }
    return english | {name: remove_stamp(source) for name, source in translations.items()}


def language_of(name: str) -> str:
    """The language in the file name POLICY.VARIANT.LANGUAGE.md."""
    return name.removesuffix(".md").rpartition(".")[2]


def english_of(name: str) -> str:
    """The file name of the English source that the file ``name`` translates."""
    return f"{name.removesuffix('.md').rpartition('.')[0]}.{ENGLISH}.md"


def translates(source: str, english: str) -> bool:
    """Whether a source translates this version of the English one: its key ``of`` is the English
    text's `stamp`.
    """
    made_from = _OF.search(source)
    return made_from is not None and made_from[1] == stamp(english)


def add_stamp(source: str, english: str) -> str:
    """The source with the stamp of this English one."""
    return remove_stamp(source).replace("---\n", f'---\nof: "{stamp(english)}"\n', 1)


def remove_stamp(source: str) -> str:
    """The source without its key ``of``, as it is published."""
    return _OF.sub("", source, count=1)


def front(source: str) -> dict[str, str]:
    """The keys of a source's front matter with their texts."""
    return _front(remove_stamp(source))


def matches_policy(source: str, policy: Policy) -> bool:
    """Whether a source asks the policy's questions (by name, or a single one without) and the age
    if the policy has one.
    """
    front = _front(source)
    named = {key.partition(".")[2] for key in front if key.startswith("question.")}
    asks = named == set(policy.asks) if named else len(policy.asks) == 1 and "question" in front
    return asks and ("age" in front) == (policy.min_ages.strictest is not None)


def _join_questions(questions: Sequence[str]) -> str:
    return f"{', '.join(f'`{name}`' for name in questions)}{', each by itself' if len(questions) > 1 else ''}"


def fill(
    source: str,
    policy: Policy,
    search: NameSearch = NO_SEARCH,
    *,
    languages: Languages | None = None,
) -> str:
    """The source with its placeholders filled; InputError for an unknown placeholder.

    ``search`` describes the installed name finders.
    """
    words = (languages or catalogues.load_languages()).catalogue(
        _front(source).get("language", ENGLISH)
    )
    source = _with_gist(_with_questions(source, policy, words), policy, words)
    known = _values(policy, words) | {
        "removes": removal_sentence(words, search),
        "removes_kinds": " ".join([*sorted(search.kinds), *sorted(search.languages)]),
    }
    lines = []
    for block in markdown.blocks(source):
        names = _PLACE.findall(block)
        for name in names:
            if name not in known:
                raise InputError(
                    f"`{{{name}}}` is no value of a policy", f"there are {', '.join(sorted(known))}"
                )
        if all(known[name] is not None for name in names):
            lines.append(_PLACE.sub(lambda place: str(known[place[1]]), block))
    return "\n\n".join(_without_empty_sections(lines)) + "\n"


def _with_questions(source: str, policy: Policy, words: Catalogue) -> str:
    """Adds the catalogue's words for questions that the source has no words for."""
    front, text = _front(source), _parts(source)[1]
    if "question" in front or not policy.asks:
        return source
    lines = []
    for question in policy.questions:
        if f"question.{question.question}" in front:
            continue
        defaults = words.question_words(question)
        lines += [
            f"{key}.{question.question}: {json.dumps(defaults[key], ensure_ascii=False)}"
            for key in WORDS
        ]
    return "\n".join(["---", _parts(source)[0], *lines, "---", text])


def _with_gist(source: str, policy: Policy, words: Catalogue) -> str:
    """Adds the catalogue's words for missing ones of the four lines; none if the catalogue lacks
    them in this language.
    """
    front, text = _front(source), _parts(source)[1]
    defaults = {key: words.gist(key, policy) for key in GIST if key not in front and policy.asks}
    if any(BORROWED in line for line in defaults.values()):
        return source
    lines = [f"{key}: {json.dumps(line, ensure_ascii=False)}" for key, line in defaults.items()]
    return "\n".join(["---", _parts(source)[0], *lines, "---", text]) if lines else source


def _without_empty_sections(blocks: Sequence[str]) -> Iterator[str]:
    for place, block in enumerate(blocks):
        is_heading = block.startswith("#") and "\n" not in block
        if is_heading and (place + 1 == len(blocks) or blocks[place + 1].startswith("#")):
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


def unkept_promises(text: Text, search: NameSearch, *, languages: Languages | None = None) -> str:
    """The first promise of a notice to remove something that nothing detects; empty if there is
    none.
    """
    promised = frozenset(text.removes.split())
    if beyond := promised - search.kinds - set(search.languages):
        return f"removes: {', '.join(sorted(beyond))}"
    content = _plain_text(text)
    words = (languages or catalogues.load_languages()).catalogue(text.language)
    kinds = promised & KINDS
    for size in range(len(kinds) + 1):
        for some in combinations(sorted(kinds), size):
            narrower = msgspec.structs.replace(search, kinds=frozenset(some))
            content = content.replace(_one_line(removal_sentence(words, narrower)), " ")
    return next(
        (
            promise
            for promise, needed in dark_patterns.find_removal_promises(content).items()
            if not needed <= search.kinds
        ),
        "",
    )


def missing_disclosure(
    text: Text, policy: Policy, search: NameSearch, *, languages: Languages | None = None
) -> str:
    """The required sentence on names left in, if a notice lacks it; else empty."""
    if policy.names is NamesTerm.replaced or PERSON in search.kinds:
        return ""
    sentence = left_in_sentence(
        (languages or catalogues.load_languages()).catalogue(text.language), search.kinds
    )
    return "" if _one_line(sentence) in _plain_text(text) else sentence


def _plain_text(text: Text) -> str:
    """The body and the four lines as plain text."""
    return _one_line(markdown.plain(" ".join([text.body, *(line for _, line in text.gist)])))


def _one_line(words: str) -> str:
    """Collapses each run of white space, no-break spaces included, into one blank."""
    return " ".join(words.split())


def parse_notice(document: str) -> Text:
    """Parses a notice; InputError names the key and the fix."""
    if len(document.encode()) > NOTICE_BYTES_MAX:
        raise InputError(
            f"is longer than {NOTICE_BYTES_MAX} bytes", "a notice that long is not read"
        )
    front, body = _front(document), _parts(document)[1]
    plain = {key: value for key, value in front.items() if "." not in key}
    try:
        text = msgspec.convert(
            {**plain, "body": body.strip(), "asks": _parse_questions(front)}, Text
        )
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
        _require(key, getattr(text, key))
    for key in GIST if text.gist else ():
        _require(key, getattr(text, key))
    for all_word in text.all_words:
        for key in WORDS:
            _require(f"{key}.{all_word.name}" if all_word.name else key, getattr(all_word, key))
    if text.variant is Variant.signup and text.later:
        raise InputError("cannot be put off at sign-up", "leave it out", key="later")
    return text


def _require(key: str, value: str) -> None:
    if not value.strip():
        raise InputError("is empty", "a notice says all of it", key=key)


def _parse_questions(front: dict[str, str]) -> list[dict[str, str]]:
    """The words by question; InputError if named and unnamed ones are mixed."""
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
    match = _FRONT.fullmatch(document)
    if match is None:
        raise InputError("has no front matter", "begin with `---`, the keys, and `---`")
    return match[1], match[2]


def _front(document: str) -> dict[str, str]:
    return dict(_parse_front(_parts(document)[0]))


@lru_cache(maxsize=FRONTS_KEPT)
def _parse_front(front: str) -> dict[str, str]:
    """Cached: publishing parses every shipped language twice."""
    try:
        # every scalar is text: `no` stays a key
        value = yaml.load(front, Loader=yaml.CBaseLoader)  # noqa: S506 it builds no other objects
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
    """The result for one document. ``new`` is False if the same bytes were already published."""

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
    now: datetime,
    by: str,
    random: Callable[[int], bytes],
    search: NameSearch = NO_SEARCH,
    languages: Languages | None = None,
) -> list[NoticePublication]:
    """Publishes filled sources for ``version``, by default the newest one.

    InputError for a source of another version, RefusedError for dark patterns or promises that are
    not kept. Publishing the same bytes again changes nothing. New words under the same version ask
    nobody again: only a material version does.
    """
    policy = find_version(policies, version)
    number = policies.versions.index(policy)
    found = languages or catalogues.load_languages()
    checked = [
        _validate(fill(source, policy, search, languages=found), policy, search, found)
        for source in sources
    ]
    return [_insert(tx, number, document, text, now, by, random) for document, text in checked]


def find_version(policies: Policies, version: str | None) -> Policy:
    """The applied version of that name, by default the newest; InputError for an unknown one."""
    named = [policy for policy in policies.versions if version in (None, policy.version)]
    if not named:
        raise InputError(
            f"no policy version `{version}` has been applied", "apply the policy first"
        )
    return named[-1]


def _validate(
    document: str, policy: Policy, search: NameSearch, languages: Languages
) -> tuple[str, Text]:
    text = parse_notice(document)
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
    parts = [
        part
        for all_word in text.all_words
        for part in (all_word.question, all_word.yes, all_word.no)
    ]
    parts += [markdown.plain(line) for _, line in text.gist]
    texts = (text.title, *parts, text.later, markdown.plain(text.body))
    faults = dark_patterns.find_faults(*texts, language=text.language)
    if faults:
        raise RefusedError(
            f"the notice presses: {faults[0]}",
            "say it plainly; `licet notice lint` lists every place",
            because="notice_presses",
        )
    if beyond := unkept_promises(text, search, languages=languages):
        raise RefusedError(
            f"the notice promises more than is done: `{beyond}`",
            "write `{removes}`, which says what is done; or install what looks for names: "
            "docs/curate.md",
            because="notice_promises",
        )
    if sentence := missing_disclosure(text, policy, search, languages=languages):
        raise RefusedError(
            f"the policy says `names: left in`, and the notice in `{text.language}` does "
            "not say so",
            f"write `{{removes}}`, or: {sentence}",
            because="notice_silent",
        )
    return document, text


def _check_questions(text: Text, policy: Policy) -> None:
    """InputError unless the notice asks exactly the policy's questions, each by itself."""
    if not text.asks and len(policy.asks) > 1:
        raise InputError(
            f"is one question, and the policy asks {_join_questions(policy.asks)}",
            "write `question.NAME`, `yes.NAME` and `no.NAME` for each, or leave them out "
            "for the words that ship",
            key="question",
        )
    text.words(policy.asks)
    for ask in text.asks:
        if ask.name not in policy.asks:
            raise InputError(
                "asks what the policy does not", "leave it out", key=f"question.{ask.name}"
            )


def _insert(
    tx: Transaction,
    number: int,
    document: str,
    text: Text,
    now: datetime,
    by: str,
    random: Callable[[int], bytes],
) -> NoticePublication:
    sha256 = hashlib.sha256(document.encode()).digest()
    known = tx.execute(
        "SELECT notice_id FROM notices WHERE version = %s AND language = %s AND variant = "
        "%s AND sha256 = %s",
        [number, text.language, text.variant.value, sha256],
    ).fetchone()
    notice_id = known[0] if known else uuid7(now, random(10))
    if known is None:
        tx.execute(
            """INSERT INTO notices (notice_id, version, language, variant, document, sha256,
               published_at, published_by)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
            [notice_id, number, text.language, text.variant.value, document, sha256, now, by],
        )
        facts: dict[str, str | int | bool | None] = {
            "number": number,
            "language": text.language,
            "variant": text.variant.value,
            "sha256": sha256.hex(),
        }
        outbox.append(
            tx, [outbox.Entry(kind=outbox.EntryKind.notice_published, occurred_at=now, facts=facts)]
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
    """The newest notice for a policy version in ``language`` or its fallbacks, at last English;
    None if there is none.
    """
    chain = list(fallbacks(language))
    row = tx.execute(
        f"""SELECT {_COLUMNS} FROM notices WHERE version = %s AND variant = %s
             AND language = ANY(%s)
             ORDER BY array_position(%s, language), position DESC LIMIT 1""",
        [number, variant.value, chain, chain],
    ).fetchone()
    return _notice(row) if row else None


def list_in_force(tx: Transaction, number: int) -> list[PublishedNotice]:
    """The newest notice of each version up to ``number``, language and variant: the basis of the
    grants in force.
    """
    rows = tx.execute(
        f"""SELECT DISTINCT ON (version, language, variant) {_COLUMNS} FROM notices
             WHERE version <= %s
             ORDER BY version, language, variant, position DESC""",
        [number],
    ).fetchall()
    return [_notice(row) for row in rows]


LISTING = Listing(
    columns=(
        "t.notice_id, t.version, t.language, "
        "CASE t.variant WHEN 'signup' THEN 'sign-up' ELSE 'existing accounts' END, "
        "t.published_at, t.published_by, t.sha256"
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
    """The languages in which any notice was published."""
    return frozenset(
        language for (language,) in tx.execute("SELECT DISTINCT language FROM notices")
    )


def texts_by_hash(tx: Transaction, hashes: Collection[bytes] | None = None) -> dict[bytes, str]:
    """The text of every notice by its hash, in the order of publishing; only those of ``hashes`` if
    given.
    """
    rows = tx.execute(
        """SELECT sha256, document FROM notices
            WHERE %(only)b::bytea[] IS NULL OR sha256 = ANY(%(only)b::bytea[]) ORDER BY position""",
        {"only": None if hashes is None else list(hashes)},
    )
    return {bytes(sha256): document for sha256, document in rows}


def get(tx: Transaction, notice_id: UUID) -> PublishedNotice | None:
    row = tx.execute(f"SELECT {_COLUMNS} FROM notices WHERE notice_id = %s", [notice_id]).fetchone()
    return _notice(row) if row else None


def _notice(row: Sequence[object]) -> PublishedNotice:
    fields: dict[str, object] = dict(
        zip(
            ("notice_id", "number", "language", "variant", "document", "sha256", "published_at"),
            row,
            strict=True,
        )
    )
    return msgspec.convert(
        {**fields, "text": _parse_published(str(fields["document"]))}, PublishedNotice
    )


@lru_cache(maxsize=64)
def _parse_published(document: str) -> Text:
    """`parse_notice`, cached: a published notice never changes."""
    return parse_notice(document)


class NoticeLanguage(msgspec.Struct, frozen=True, kw_only=True):
    """A notice of a policy version in one language."""

    notice_id: UUID
    language: str
    published_at: datetime


def list_by_version(tx: Transaction, number: int, variant: Variant) -> list[NoticeLanguage]:
    """The newest notice of a policy version in each language."""
    return select(
        tx,
        NoticeLanguage,
        """SELECT DISTINCT ON (language) notice_id, language, published_at FROM notices
            WHERE version = %s AND variant = %s ORDER BY language, position DESC""",
        [number, variant.value],
    )
