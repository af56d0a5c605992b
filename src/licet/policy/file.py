"""The policy file: one YAML file per version, loaded strictly, and the sequence of versions in
force.

Every mistake names the file, the line, the key and the fix. A policy is data: it contains no code
and no expression. `Policies`, which the rule reads, has the versions in order of their first
instant. Values by region are in `regions`.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import UNSET

from licet.errors import InputError
from licet.policy.period import Period, instant, parse_period, rfc3339
from licet.policy.regions import (
    COUNTRIES,
    LANGUAGE,
    REGION,
    REGION_KEYS,
    REGIONS_MAX,
    MinAges,
    RegionTerms,
    joint_ages,
    min_ages,
    terms_of,
)
from licet.policy.retention import RULES, Keep

# imported where a text is parsed: most commands read the versions from the database, as values
if TYPE_CHECKING:
    import yaml

PRESETS = ("article-2025", "strict")
POLICY_BYTES_MAX = 1 << 20
DEPTH_MAX = 20
AGE_MAX = 150
TRAINING = "training"  # the only question of a policy that does not name it
QUESTION = re.compile(r"[a-z][a-z0-9_]{0,31}")
KEYS = (
    "policy", "version", "effective", "decide_by", "material", "scope", "choice", "reach", "keep", "origins",
    "min_age", "recipients", "regions", "names", "unread_languages",
    "tool_results",
)  # fmt: skip


class Reach(StrEnum):
    conversation = "conversation"
    turn = "turn"


class NamesTerm(StrEnum):
    """How a release treats people's names. `replaced`: it is built only if a name search is
    configured.
    """

    replaced = "replaced"
    left_in = "left in"


class UnreadLanguagesTerm(StrEnum):
    """How a build that replaces names treats a conversation in a language without a name search."""

    left_out = "conversations left out"
    build_stopped = "build stopped"


class ToolResultsTerm(StrEnum):
    """How a row with tool results of an unusable origin is treated. `masked`: each is replaced by a
    marker that trainers skip. `row left out`: everything that accompanies them is left out as well.
    """

    masked = "masked"
    row_left_out = "row left out"


KEEP_KEYS = tuple(dict.fromkeys(rule.key.partition(".")[0] for rule in RULES))
# Optional terms with their defaults, which are not written, so that older hashes stay.
_DEFAULTS: dict[str, StrEnum] = {
    "names": NamesTerm.replaced,
    "unread_languages": UnreadLanguagesTerm.left_out,
    "tool_results": ToolResultsTerm.masked,
}


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question, answered by itself, and the purposes that a yes covers."""

    question: str
    covers: frozenset[str]


class Policy(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One version. ``decide_by`` is the last day, inclusive, on which an existing account may put
    the answer off. ``questions`` are in the order of the file, in which they are asked.

    Derived values are cached on each version, which every request reads several times (in `dict`,
    which does not count for equality).
    """

    policy: str
    version: str
    effective: datetime
    decide_by: date | None
    material: bool
    plans: frozenset[str]
    surfaces: frozenset[str]
    questions: tuple[Question, ...]
    reach: Reach
    keep: Keep
    origins: frozenset[str]
    min_age: int | None
    recipients: frozenset[str]
    regions: tuple[RegionTerms, ...] = ()
    names: NamesTerm = NamesTerm.replaced
    unread_languages: UnreadLanguagesTerm = UnreadLanguagesTerm.left_out
    tool_results: ToolResultsTerm = ToolResultsTerm.masked

    @cached_property
    def covers(self) -> frozenset[str]:
        """The purposes of all questions."""
        return frozenset().union(*(question.covers for question in self.questions))

    @cached_property
    def asks(self) -> tuple[str, ...]:
        return tuple(question.question for question in self.questions)

    def question_of(self, purpose: str) -> str | None:
        """Returns the question that covers a purpose; there is at most one."""
        return next(
            (question.question for question in self.questions if purpose in question.covers), None
        )

    def in_scope(self, plan: str, surface: str) -> bool:
        return plan in self.plans and surface in self.surfaces

    @cached_property
    def min_ages(self) -> MinAges:
        return min_ages(self.min_age, self.regions)

    def min_age_of(self, region: str | None) -> int | None:
        """Returns the minimum age in a region; None if none is set."""
        return self.min_ages.for_region(region) if self.regions else self.min_age

    def refuses_age(self, age: int | None, region: str | None) -> bool:
        """Whether a minimum age is set for the region and ``age`` is unknown or below it."""
        if not self.regions:  # as in most versions: skips the regions
            return self.min_age is not None and (age is None or age < self.min_age)
        return self.min_ages.refuses(age, region)

    def languages_of(self, region: str | None) -> tuple[str, ...]:
        """Returns the languages required in a region; empty if the version requires none."""
        if not self.regions:
            return ()
        return next(
            (terms.languages for terms in terms_of(self.regions, region) if terms.languages), ()
        )

    def authority_of(self, region: str | None) -> str | None:
        """Returns the authority to complain to, if the version names one."""
        return next(
            (terms.authority for terms in terms_of(self.regions, region) if terms.authority), None
        )

    def values_of(self, region: str | None) -> str:
        """Describes which values apply to an account of ``region``."""
        if not self.regions:
            return "the policy version's"
        if region is None:
            return "the strictest, as no region is known"
        named = [terms.region for terms in terms_of(self.regions, region)]
        base = "the policy version's"
        return f"{', then '.join(named)}, then {base}" if named else base

    @cached_property
    def notice_ends(self) -> datetime | None:
        """The first instant at which the notice can no longer be put off; None: never."""
        return None if self.decide_by is None else instant(self.decide_by + timedelta(days=1))

    def document(self) -> dict[str, Any]:
        """The policy in the form and order of the file."""
        return {
            "policy": self.policy,
            "version": self.version,
            "effective": rfc3339(self.effective),
            "decide_by": self.decide_by.isoformat() if self.decide_by else None,
            "material": self.material,
            "scope": {"plans": sorted(self.plans), "surfaces": sorted(self.surfaces)},
            "choice": self._choice(),
            "reach": self.reach.value,
            "keep": self.keep.document(),
            "origins": sorted(self.origins),
            "min_age": self.min_age,
            "recipients": sorted(self.recipients),
            **(
                {"regions": {region.region: region.document() for region in self.regions}}
                if self.regions
                else {}
            ),
            **{
                key: str(getattr(self, key))
                for key, term in _DEFAULTS.items()
                if getattr(self, key) is not term
            },
        }

    def _choice(self) -> dict[str, Any] | list[dict[str, Any]]:
        """Writes a single question named `training` in the short form, the older one, so that its
        hash stays.
        """
        written_out = [
            {"question": question.question, "covers": sorted(question.covers)}
            for question in self.questions
        ]
        return {"covers": written_out[0]["covers"]} if self.asks == (TRAINING,) else written_out

    def text(self) -> bytes:
        """Returns the meaning as canonical JSON (RFC 8785), which third parties are shown: without
        comments and the order of keys and questions.
        """
        sorted_ = msgspec.structs.replace(
            self, questions=tuple(sorted(self.questions, key=lambda q: q.question))
        )
        return msgspec.json.encode(sorted_.document(), order="sorted")

    def sha256(self) -> bytes:
        return _sha256(self)


class JointTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The strictest terms of a range of versions. ``covers`` are the purposes by question that all
    of them ask; ``asked`` is the question that covers a purpose in the last one. ``some_whole`` and
    ``some_by_turn`` say which reaches occur among them.
    """

    plans: frozenset[str]
    surfaces: frozenset[str]
    origins: frozenset[str]
    min_ages: MinAges
    some_whole: bool
    some_by_turn: bool
    covers: dict[str, frozenset[str]]
    asked: dict[str, str]

    def in_scope(self, plan: str, surface: str) -> bool:
        return plan in self.plans and surface in self.surfaces

    def refuses_age(self, age: int | None, region: str | None) -> bool:
        return self.min_ages.refuses(age, region)


def joint_terms(versions: Sequence[Policy]) -> JointTerms:
    """Returns the terms that all of ``versions`` allow; the last one is in force."""
    now = versions[-1]
    everywhere = [
        {question.question: question.covers for question in version.questions}
        for version in versions
    ]
    return JointTerms(
        plans=frozenset.intersection(*(version.plans for version in versions)),
        surfaces=frozenset.intersection(*(version.surfaces for version in versions)),
        origins=frozenset.intersection(*(version.origins for version in versions)),
        min_ages=joint_ages([version.min_ages for version in versions]),
        some_whole=any(version.reach is Reach.conversation for version in versions),
        some_by_turn=any(version.reach is Reach.turn for version in versions),
        covers={
            question: frozenset.intersection(*(covers[question] for covers in everywhere))
            for question in now.asks
            if all(question in covers for covers in everywhere)
        },
        asked={
            purpose: question.question for question in now.questions for purpose in question.covers
        },
    )


@lru_cache(maxsize=256)
def _sha256(policy: Policy) -> bytes:
    """Cached, because every row of a release names its version."""
    return hashlib.sha256(policy.text()).digest()


class Policies:
    """The versions in order of their first instant, each named by its place in this order.

    Before the first version is effective its scope, periods and questions apply, and nobody is
    asked.
    """

    __slots__ = ("_effective", "_joint", "_material", "versions")

    def __init__(self, versions: Iterable[Policy]) -> None:
        self.versions: tuple[Policy, ...] = tuple(sorted(versions, key=lambda v: v.effective))
        if not self.versions:
            raise ValueError("at least one policy version is needed")
        self._effective = [version.effective for version in self.versions]
        newest: int | None = None
        # by count of versions: the newest material one
        self._material: list[int | None] = [None]
        for number, version in enumerate(self.versions):
            newest = number if version.material else newest
            self._material.append(newest)
        self._joint: dict[tuple[int, int], JointTerms] = {}

    def __getitem__(self, number: int) -> Policy:
        return self.versions[number]

    def __len__(self) -> int:
        return len(self.versions)

    def period(self, now: datetime) -> int:
        """Returns the number of versions' first instants up to ``now``: within a period the same
        versions are effective.
        """
        return bisect_right(self._effective, now)

    def number(self, now: datetime) -> int:
        """Returns the version that applies at ``now``: the newest effective one, or the first."""
        return max(0, self.period(now) - 1)

    def in_force(self, now: datetime) -> Policy:
        return self.versions[self.number(now)]

    def begun(self, now: datetime) -> bool:
        """Whether the first version is effective."""
        return now >= self._effective[0]

    def terms(self, since: int, number: int) -> JointTerms:
        """Returns the terms that every version from ``since`` to ``number`` allows."""
        joint = self._joint.get((since, number))
        if joint is None:
            first = min(since, number)
            joint = self._joint[since, number] = joint_terms(self.versions[first : number + 1])
        return joint

    def replacing_names(self, number: int) -> Policy | None:
        """Returns the first version up to ``number`` that replaces names; None if all leave them
        in.

        Turns taken under such a version may be in any later release, so one of them is enough.
        """
        return next(
            (
                version
                for version in self.versions[: number + 1]
                if version.names is NamesTerm.replaced
            ),
            None,
        )

    def leaves_out_rows(self, since: int, number: int) -> bool:
        """Whether a version from ``since`` to ``number`` leaves out rows with unusable tool
        results.
        """
        versions = self.versions[min(since, number) : number + 1]
        return any(version.tool_results is ToolResultsTerm.row_left_out for version in versions)

    def newest_material(self, now: datetime) -> int | None:
        return self._material[self.period(now)]


def not_yaml(problem: str, file: str, line: int) -> InputError:
    """Returns the error for a text that YAML's parser refuses at a line."""
    if "cannot start any token" in problem:
        return InputError(
            "is not YAML: a tab, or a sign that must stand in quotes, begins a word",
            "indent with spaces, and put such a value in quotes",
            file=file,
            line=line,
        )
    return InputError(
        f"is not YAML: {problem}",
        "close each bracket and quote, and indent with spaces; save it as UTF-8",
        file=file,
        line=line,
    )


def load(path: Path) -> Policy:
    """Loads the policy file at ``path`` strictly; InputError names file, line, key and fix."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read: {(error.strerror or 'unknown').lower()}",
            "name a YAML file that can be read",
            file=str(path),
        ) from error
    return parse(text, str(path))


def parse(text: bytes, file: str) -> Policy:
    """Parses a policy file's text like `load`; ``file`` is its name in errors."""
    import yaml

    if len(text) > POLICY_BYTES_MAX:
        raise InputError(f"larger than {POLICY_BYTES_MAX} bytes: not a policy file", file=file)
    try:
        _check_depth(text, file)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise not_yaml(problem, file, mark.line + 1 if mark else 0) from error
    lines: dict[str, int] = {}
    value = _NodeValues(lines, file).value(node, "")
    policy = from_document(value, file=file, lines=lines)
    ends = policy.notice_ends
    if policy.material and ends is not None and ends <= policy.effective:
        raise InputError(
            f"`{policy.decide_by}` is before `effective`",
            "a material version leaves people at least its first day to decide, or has no "
            "`decide_by`",
            file=file,
            line=lines.get("decide_by", 0),
            key="decide_by",
        )
    return policy


def _check_depth(text: bytes, file: str) -> None:
    """Raises InputError for text nested deeper than any policy: composing it would exhaust the
    stack.
    """
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
            event, yaml.CollectionEndEvent
        )
        if depth > DEPTH_MAX:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise InputError(
                f"is nested deeper than {DEPTH_MAX} levels",
                "a policy has four at most",
                file=file,
                line=line,
            )


@cache
def preset_text(name: str) -> str:
    return (files("licet.policy") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")


def schema_text() -> str:
    """Returns the JSON Schema (2020-12) of the policy file, for editors; `load` is stricter."""
    return (files("licet.policy") / "policy.schema.json").read_text(encoding="utf-8").rstrip()


@cache
def _preset_document(name: str) -> dict[str, Any]:
    import yaml

    return cast("dict[str, Any]", yaml.load(preset_text(name), Loader=yaml.CSafeLoader))


@cache
def preset(name: str) -> Policy:
    """Returns the preset ``name``; InputError for an unknown one."""
    if name not in PRESETS:
        raise InputError(
            f"`{name}` is not a preset", f"there are {', '.join(PRESETS)}", key="policy"
        )
    return from_document(_preset_document(name), file=f"{name}.yaml")


def extend(changes: Mapping[str, Any]) -> Policy:
    """Applies ``changes`` to the preset that ``extends`` names, key by key at every depth."""
    overrides = {key: value for key, value in changes.items() if key != "extends"}
    if "extends" not in changes:
        return from_document(overrides)
    name = changes["extends"]
    preset(name)
    return from_document(_merge(_preset_document(name), overrides))


def from_document(
    value: object, *, file: str = "", lines: Mapping[str, int] | None = None
) -> Policy:
    """Decodes the policy from a plain value; InputError names the key and the fix."""
    fields = _FieldReader(value, file, lines or {}, "", KEYS)
    policy = fields.text("policy")
    version = fields.text("version")
    effective = fields.instant("effective")
    decide_by = fields.day("decide_by")
    material = fields.flag("material")
    scope = fields.inner("scope", ("plans", "surfaces"))
    keep = _read_keep(fields)
    terms: dict[str, Any] = {
        key: type(term)(fields.one_of(key, tuple(type(term)), default=term))
        for key, term in _DEFAULTS.items()
    }
    return Policy(
        policy=policy,
        version=version,
        effective=effective,
        decide_by=decide_by,
        material=material,
        plans=scope.names("plans"),
        surfaces=scope.names("surfaces"),
        questions=fields.questions("choice"),
        reach=Reach(fields.one_of("reach", tuple(Reach))),
        keep=keep,
        origins=fields.names("origins"),
        min_age=fields.age("min_age"),
        recipients=fields.names("recipients", empty=True),
        regions=fields.regions("regions"),
        **terms,
    )


def _read_keep(fields: _FieldReader) -> Keep:
    keep = fields.inner("keep", KEEP_KEYS)
    keys = [rule.key.rpartition(".") for rule in RULES]
    groups = {
        group: keep.inner(group, tuple(key for other, _, key in keys if other == group))
        for group in dict.fromkeys(group for group, _, _ in keys if group)
    }
    periods = [groups.get(group, keep).period(key) for group, _, key in keys]
    return Keep(tuple(zip(RULES, periods, strict=True)))


class _FieldReader:
    """Takes the known keys of a mapping. Reports unknown ones first: a missing key is often
    misspelt.
    """

    def __init__(
        self, value: object, file: str, lines: Mapping[str, int], at: str, keys: tuple[str, ...]
    ) -> None:
        self._file, self._lines, self._at = file, lines, at
        if not isinstance(value, Mapping):
            raise self._error("", "is not a mapping of keys", "write `key: value` lines")
        self._value = value
        for key in value:
            if key not in keys:
                raise self._error(
                    str(key), "is not a key of a policy", f"keys here are {', '.join(keys)}"
                )

    def _error(self, key: str, message: str, mend: str) -> InputError:
        """Returns an error at the key's line, or at its mapping's if the key is missing."""
        full = f"{self._at}.{key}" if self._at and key else self._at or key
        line = self._lines.get(full) or self._lines.get(self._at) or (1 if self._lines else 0)
        return InputError(message, mend, file=self._file, line=line, key=full)

    def _take(self, key: str, mend: str) -> Any:  # noqa: ANN401 what a YAML file may hold
        if key not in self._value:
            raise self._error(key, "is missing", mend)
        return self._value[key]

    def inner(self, key: str, keys: tuple[str, ...]) -> _FieldReader:
        value = self._take(key, "write a mapping")
        return _FieldReader(
            value, self._file, self._lines, f"{self._at}.{key}" if self._at else key, keys
        )

    def text(self, key: str) -> str:
        value = self._take(key, 'write a name, in quotes if it looks like a date: "2025-08-28"')
        if not isinstance(value, str) or not value.strip():
            raise self._error(key, f"`{value}` is not text", 'write it in quotes: "2025-08-28"')
        return value

    def flag(self, key: str) -> bool:
        value = self._take(key, "write true or false")
        if not isinstance(value, bool):
            raise self._error(key, f"`{value}` is neither true nor false", "write true or false")
        return value

    def one_of(self, key: str, words: tuple[str, ...], *, default: str = "") -> str:
        if default and key not in self._value:
            return default
        value = self._take(key, f"write {' or '.join(words)}")
        if value not in words:
            raise self._error(
                key, f"`{value}` is not one of {', '.join(words)}", f"write {' or '.join(words)}"
            )
        return cast("str", value)

    def names(self, key: str, *, empty: bool = False) -> frozenset[str]:
        value = self._value.get(key, []) if empty else self._take(key, "write a list: [a, b]")
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self._error(key, f"`{value}` is not a list of names", "write a list: [a, b]")
        if not value and not empty:
            raise self._error(key, "is an empty list", "name at least one")
        if len(set(value)) != len(value):
            raise self._error(key, "names something twice", "name each once")
        return frozenset(value)

    def questions(self, key: str) -> tuple[Question, ...]:
        """Reads a list of questions; a mapping without a name is the question `training`."""
        value = self._take(key, "write a list: [{question: training, covers: [improve_models]}]")
        if not isinstance(value, list):
            return (
                Question(question=TRAINING, covers=self.inner(key, ("covers",)).names("covers")),
            )
        if not value:
            raise self._error(key, "asks nothing", "ask at least one question")
        found = tuple(self._question(f"{key}[{place}]", item) for place, item in enumerate(value))
        names = [question.question for question in found]
        purposes = [purpose for question in found for purpose in sorted(question.covers)]
        for field, names_given, mend in (
            ("question", names, "ask each question once"),
            ("purpose", purposes, "a purpose belongs to one question at most"),
        ):
            twice = next((name for name in names_given if names_given.count(name) > 1), None)
            if twice is not None:
                raise self._error(key, f"has the {field} `{twice}` twice", mend)
        return found

    def _question(self, at: str, item: object) -> Question:
        fields = _FieldReader(item, self._file, self._lines, at, ("question", "covers"))
        question = fields.text("question")
        if QUESTION.fullmatch(question) is None:
            raise fields._error(
                "question",
                f"`{question}` is no name of a question",
                f"it must match {QUESTION.pattern}",
            )
        return Question(question=question, covers=fields.names("covers"))

    def regions(self, key: str) -> tuple[RegionTerms, ...]:
        """Reads the terms of regions, in the order of their codes; empty if the key is missing."""
        if key not in self._value:
            return ()
        value = self._value[key]
        if not isinstance(value, Mapping) or not value or len(value) > REGIONS_MAX:
            raise self._error(
                key, "is not a mapping of regions", "write `DE: {min_age: 16}`, or leave it out"
            )
        return tuple(
            self._region(f"{key}.{name}", name, terms) for name, terms in sorted(value.items())
        )

    def _region(self, at: str, name: str, terms: object) -> RegionTerms:
        if REGION.fullmatch(name) is None or name[:2] not in COUNTRIES:
            raise self._error(
                at,
                f"`{name}` is no code of ISO 3166",
                "write a country as DE, or a part of one as US-CA",
            )
        fields = _FieldReader(terms, self._file, self._lines, at, REGION_KEYS)
        if not fields._value:
            raise fields._error("", "says nothing", f"give one of {', '.join(REGION_KEYS)}")
        return RegionTerms(
            region=name,
            min_age=fields.age("min_age") if "min_age" in fields._value else UNSET,
            languages=fields.ordered(
                "languages", LANGUAGE, "is not a language tag", "write it as de or pt-BR"
            ),
            authority=fields.text("authority") if "authority" in fields._value else None,
        )

    def ordered(self, key: str, shape: re.Pattern[str], wrong: str, mend: str) -> tuple[str, ...]:
        """Reads a list of names in the file's order; empty if the key is missing."""
        if key not in self._value:
            return ()
        self.names(key)
        found: list[str] = self._value[key]
        for name in found:
            if shape.fullmatch(name) is None:
                raise self._error(key, f"`{name}` {wrong}", mend)
        return tuple(found)

    def period(self, key: str) -> Period:
        value = self._take(key, "write a period: P30D or P5Y")
        try:
            return parse_period(value if isinstance(value, str) else repr(value))
        except ValueError as error:
            raise self._error(
                key, str(error), "periods have one unit: days D, weeks W, months M or years Y"
            ) from None

    def instant(self, key: str) -> datetime:
        value = self._take(key, "write a day: 2025-08-28")
        try:
            return instant(value)
        except ValueError as error:
            raise self._error(key, str(error), "write a day that exists") from None

    def day(self, key: str) -> date | None:
        value = self._value.get(key)
        if isinstance(value, str):
            try:
                value = date.fromisoformat(value)
            except ValueError:
                raise self._error(
                    key, f"`{value}` is not a day", "write a day that exists: 2025-09-28"
                ) from None
        if isinstance(value, datetime) or not isinstance(value, date | None):
            raise self._error(
                key, f"`{value}` is not a day", "write a day without a time: 2025-09-28"
            )
        return value

    def age(self, key: str) -> int | None:
        value = self._value.get(key)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= AGE_MAX
        ):
            raise self._error(
                key, f"`{value}` is not an age", "write whole years, or null where age is not asked"
            )
        return value


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        below = under.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = _merge(cast("Mapping[str, Any]", below), value) if both else value
    return result


class _NodeValues:
    """Converts composed YAML nodes to plain values; records each key's line and refuses duplicates.

    Aliases are refused too: a policy's meaning must be readable where it is written.
    """

    def __init__(self, lines: dict[str, int], file: str) -> None:
        self._lines, self._file = lines, file
        self._seen: set[int] = set()

    def value(self, node: yaml.Node | None, at: str) -> object:
        import yaml

        if node is None:
            return None
        if id(node) in self._seen:
            raise self._error(node, at, "uses an alias", "write the value out")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, at, place) for place, item in enumerate(node.value)]
        try:
            return yaml.SafeLoader("").construct_object(node)
        except ValueError:  # an impossible date, such as 30 February
            return node.value
        # AttributeError: PyYAML's, for a tag that the text does not fit
        except (yaml.YAMLError, AttributeError):
            raise self._error(
                node, at, f"has the tag `{node.tag}`", "write it without a tag"
            ) from None

    def _item(self, node: yaml.Node, at: str, place: int) -> object:
        """Converts a list's item; keys of a mapping in it are named by its place."""
        import yaml

        inside = f"{at}[{place}]"
        self._lines[inside] = node.start_mark.line + 1
        return self.value(node, inside if isinstance(node, yaml.MappingNode) else at)

    def _mapping(self, node: yaml.MappingNode, at: str) -> dict[str, object]:
        import yaml

        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(
                    key_node, at, "holds a key that is not a name", "write `key: value` lines"
                )
            key = str(key_node.value)
            full = f"{at}.{key}" if at else key
            if key in result:
                raise self._error(key_node, full, "is given twice", "keep one")
            self._lines[full] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, full)
        return result

    def _error(self, node: yaml.Node, key: str, message: str, mend: str) -> InputError:
        return InputError(message, mend, file=self._file, line=node.start_mark.line + 1, key=key)
