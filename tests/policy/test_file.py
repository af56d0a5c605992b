"""The policy file: what is wrong is told with file, line, key and mend; what it means has one
hash.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from licet.errors import InputError
from licet.policy.file import (
    POLICY_BYTES_MAX,
    Policies,
    Question,
    Reach,
    extend,
    from_document,
    load,
    preset,
    preset_text,
)
from licet.policy.period import Period, Unit, instant, parse_period

# The literal document of spec/v2/policy.md.
ARTICLE = """\
policy: article-2025
version: "2025-08-28"
effective: 2025-08-28          # from the first instant of that day, UTC
decide_by: 2025-09-28          # the last day on which an existing account may still put it off, inclusive
material: true                 # false: an editorial change, which asks nobody anything
scope:
  plans: [free, pro, max]      # any other plan (work, gov, education, ...) is out of scope
  surfaces: [app, cli]         # any other way in (api, bedrock, vertex, ...) is out of scope
choice:                        # the questions; each is answered by itself, and a purpose belongs to one question at most
  - {question: training, covers: [improve_models, safety_classifiers]}
reach: conversation            # conversation: a resumed conversation counts whole; turn: only turns taken under the grant
keep:
  opted_in: P5Y
  opted_out: P30D
  incognito: P30D
  deleted: P30D                # at most this long after a deletion
  flagged: P2Y                 # the safety copy of flagged content
  flag_score: P7Y              # the score alone, without content
  feedback: {opted_in: P5Y, opted_out: P30D}
origins: [typed, upload, assistant]   # raw connector and tool output never counts
min_age: null                  # null: not asked; 18: unknown counts as below, and the notice asks
recipients: []                 # to whom a release may be handed; nobody
"""
ARTICLE_SHA256 = "42a37da79868db52b368d2158d3af6411bf005265927769799677b65e0df9426"
STRICT_SHA256 = "17bdbe6158df7bda8f67e11d9a9b57ebf71b58d4a71ec3f0b44b8b0bf321a87b"
STRICT_ASKS = [
    {"question": "models", "covers": ["improve_models"]},
    {"question": "safety", "covers": ["safety_classifiers"]},
]
SHORT = "choice: {covers: [improve_models, safety_classifiers]}\n"
LISTED = "".join(ARTICLE.partition("choice:")[1:]).partition("reach:")[0]
TWO = (
    "  - {question: models, covers: [improve_models]}\n  - {question: safety, covers: "
    "[safety_classifiers]}\n"
)


MOMENTS = st.integers(0, 7_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_preset_article_2025_is_the_document_of_the_page(tmp_path: Path) -> None:
    assert yaml.safe_load(preset_text("article-2025")) == yaml.safe_load(ARTICLE)
    assert load(written(tmp_path, ARTICLE)) == preset("article-2025")


def test_the_preset_strict_differs_in_reach_age_deletion_and_two_questions_alone() -> None:
    article, strict = yaml.safe_load(ARTICLE), yaml.safe_load(preset_text("strict"))
    keep = dict(article["keep"], deleted="P1D")
    assert strict == dict(
        article, policy="strict", reach="turn", min_age=18, keep=keep, choice=STRICT_ASKS
    )


def test_the_older_form_is_one_question_named_training_and_its_hash_is_as_it_was(
    tmp_path: Path,
) -> None:
    """`ARTICLE_SHA256` was the hash before questions had names: what had been agreed to, and
    signed, stays the same.
    """
    older = load(written(tmp_path, ARTICLE.replace(LISTED, SHORT)))
    assert older == preset("article-2025")
    assert older.questions == (
        Question(question="training", covers=frozenset({"improve_models", "safety_classifiers"})),
    )
    assert older.document()["choice"] == {"covers": ["improve_models", "safety_classifiers"]}
    assert older.sha256().hex() == ARTICLE_SHA256


def test_the_name_of_a_question_ends_where_its_line_does() -> None:
    document = dict(
        preset("strict").document(), choice=[{"question": "training\n", "covers": ["ads"]}]
    )
    with pytest.raises(InputError, match="is no name of a question"):
        from_document(document)


def test_questions_stand_in_the_order_of_the_file_and_each_covers_its_own(tmp_path: Path) -> None:
    policy = load(written(tmp_path, ARTICLE.replace(LISTED, "choice:\n" + TWO)))
    assert policy.asks == ("models", "safety")
    assert [policy.question_of(p) for p in ("improve_models", "safety_classifiers", "ads")] == [
        "models",
        "safety",
        None,
    ]
    assert policy.covers == {"improve_models", "safety_classifiers"}
    assert policy.document()["choice"] == STRICT_ASKS
    turned = load(
        written(
            tmp_path, ARTICLE.replace(LISTED, "choice:\n" + "".join(reversed(TWO.splitlines(True))))
        )
    )
    assert turned.asks == ("safety", "models")
    assert turned.sha256() == policy.sha256(), "which is asked first allows nothing"


@pytest.mark.parametrize("name", ["article-2025", "strict"])
def test_a_preset_written_out_reads_as_the_same_policy(name: str, tmp_path: Path) -> None:
    document = preset(name).document()
    assert from_document(document) == preset(name)
    assert load(written(tmp_path, yaml.safe_dump(document, sort_keys=False))) == preset(name)


def test_the_hash_of_a_meaning_is_these_bytes() -> None:
    assert preset("article-2025").sha256().hex() == ARTICLE_SHA256
    assert preset("strict").sha256().hex() == STRICT_SHA256


def test_neither_comments_nor_order_nor_spelling_count_in_the_hash(tmp_path: Path) -> None:
    document = yaml.safe_load(ARTICLE)
    reverse = {key: document[key] for key in reversed(document)}
    reverse["scope"] = {"surfaces": ["cli", "app"], "plans": ["max", "pro", "free"]}
    reverse["effective"], reverse["decide_by"] = "2025-08-28T02:00:00+02:00", "2025-09-28"
    other = load(
        written(tmp_path, "# another comment\n" + yaml.safe_dump(reverse, sort_keys=False))
    )
    assert other.sha256().hex() == ARTICLE_SHA256
    del document["recipients"], document["min_age"]
    assert from_document(document).sha256().hex() == ARTICLE_SHA256


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("policy: article-2025", "policy: other"),
        ('version: "2025-08-28"', 'version: "2"'),
        ("effective: 2025-08-28", "effective: 2025-08-27"),
        ("decide_by: 2025-09-28", "decide_by: null"),
        ("material: true", "material: false"),
        ("plans: [free, pro, max]", "plans: [free, pro]"),
        ("surfaces: [app, cli]", "surfaces: [app, cli, api]"),
        ("covers: [improve_models, safety_classifiers]", "covers: [improve_models]"),
        ("question: training", "question: models"),
        ("  - {question: training, covers: [improve_models, safety_classifiers]}\n", TWO),
        (
            "[improve_models, safety_classifiers]}",
            "[improve_models, safety_classifiers]}\n  - {question: b, covers: [ads]}",
        ),
        ("reach: conversation", "reach: turn"),
        ("opted_out: P30D\n  incog", "opted_out: P31D\n  incog"),
        ("flag_score: P7Y", "flag_score: P8Y"),
        ("{opted_in: P5Y, opted_out: P30D}", "{opted_in: P5Y, opted_out: P1M}"),
        ("origins: [typed, upload, assistant]", "origins: [typed]"),
        ("min_age: null", "min_age: 18"),
        ("recipients: []", "recipients: [acme]"),
    ],
)
def test_every_key_counts_in_the_hash(line: str, instead: str, tmp_path: Path) -> None:
    assert ARTICLE.count(line) == 1
    assert load(written(tmp_path, ARTICLE.replace(line, instead))).sha256().hex() != ARTICLE_SHA256


ASKED = "  - {question: training, covers: [improve_models, safety_classifiers]}"
LIST, MAPPING = "write a list: [a, b]", "write `key: value` lines"
DAY, UNITS = "write a day that exists", "periods have one unit"
AGE = "write whole years, or null"
QUOTES, PERIOD = "write it in quotes", "is not a period: write P30D"


@pytest.mark.parametrize(
    ("right", "wrong", "line", "key", "told", "mend"),
    [
        ("policy: article-2025\n", "", 1, "policy", "is missing", "write a name"),
        ("policy: article-2025", "policy: 7", 1, "policy", "`7` is not text", QUOTES),
        ("policy: article-2025", "policy: ' '", 1, "policy", "is not text", QUOTES),
        (
            'version: "2025-08-28"',
            "version: 2025-08-28",
            2,
            "version",
            "`2025-08-28` is not text",
            QUOTES,
        ),
        (
            "effective: 2025-08-28",
            "effective: 2025-02-30",
            3,
            "effective",
            "`2025-02-30` is not a time",
            DAY,
        ),
        ("effective: 2025-08-28", "effective: soon", 3, "effective", "`soon` is not a time", DAY),
        (
            "effective: 2025-08-28",
            "effective: 2025-08-28 09:00:00",
            3,
            "effective",
            "has no offset",
            DAY,
        ),
        ("effective: 2025-08-28", "effective:", 3, "effective", "`None` is not a time", DAY),
        (
            "decide_by: 2025-09-28",
            "decide_by: 2025-09-31",
            4,
            "decide_by",
            "`2025-09-31` is not a day",
            DAY,
        ),
        (
            "decide_by: 2025-09-28",
            "decide_by: 28",
            4,
            "decide_by",
            "`28` is not a day",
            "without a time",
        ),
        (
            "decide_by: 2025-09-28",
            "decide_by: 2025-09-28T09:00:00Z",
            4,
            "decide_by",
            "is not a day",
            "without a time",
        ),
        (
            "decide_by: 2025-09-28",
            "decide_by: 2025-08-27",
            4,
            "decide_by",
            "is before `effective`",
            "at least its first",
        ),
        (
            "material: true",
            "material: 1",
            5,
            "material",
            "`1` is neither true nor false",
            "write true or false",
        ),
        ("material: true ", "# ", 1, "material", "is missing", "write true or false"),
        (
            "scope:\n",
            "scope: free\nchoices:\n",
            7,
            "choices",
            "is not a key of a policy",
            "keys here are policy, version",
        ),
        (
            "plans: [free, pro, max]",
            "plans: free",
            7,
            "scope.plans",
            "`free` is not a list of names",
            LIST,
        ),
        (
            "plans: [free, pro, max]",
            "plans: [free, 1]",
            7,
            "scope.plans",
            "is not a list of names",
            LIST,
        ),
        (
            "plans: [free, pro, max]",
            "plans: []",
            7,
            "scope.plans",
            "is an empty list",
            "name at least one",
        ),
        (
            "plans: [free, pro, max]",
            "plans: [pro, pro]",
            7,
            "scope.plans",
            "names something twice",
            "name each once",
        ),
        (
            "plans: [free, pro, max]",
            "plan: [free]",
            7,
            "scope.plan",
            "is not a key",
            "keys here are plans, surfaces",
        ),
        ("  plans: [free, pro, max]", "  # nothing", 6, "scope.plans", "is missing", LIST),
        (
            "covers:",
            "cover:",
            10,
            "choice[0].cover",
            "is not a key of a policy",
            "keys here are question, covers",
        ),
        (ASKED, "  covers: []", 10, "choice.covers", "is an empty list", "name at least one"),
        (
            ASKED,
            "  cover: [ads]",
            10,
            "choice.cover",
            "is not a key of a policy",
            "keys here are covers",
        ),
        (ASKED, "  []", 9, "choice", "asks nothing", "ask at least one question"),
        (ASKED, "  training", 9, "choice", "is not a mapping", MAPPING),
        (ASKED, "  - training", 10, "choice[0]", "is not a mapping", MAPPING),
        (ASKED, "  - {covers: [ads]}", 10, "choice[0].question", "is missing", "write a name"),
        (ASKED, "  - {question: training}", 10, "choice[0].covers", "is missing", LIST),
        (
            ASKED,
            "  - question: a\n    covers: []",
            11,
            "choice[0].covers",
            "is an empty list",
            "name at least one",
        ),
        (
            ASKED,
            f"{ASKED}\n  - {{question: b, covers: []}}",
            11,
            "choice[1].covers",
            "is an empty list",
            "name at",
        ),
        (
            ASKED,
            f"  - {{question: b, covers: []}}\n{ASKED}",
            10,
            "choice[0].covers",
            "is an empty list",
            "name at",
        ),
        (ASKED, f"{ASKED}\n  - b", 11, "choice[1]", "is not a mapping", MAPPING),
        (
            "[improve_models, safety",
            "[safety_classifiers, safety",
            10,
            "choice[0].covers",
            "twice",
            "name each once",
        ),
        (
            "training,",
            "Training,",
            10,
            "choice[0].question",
            "is no name of a question",
            "it must match",
        ),
        (
            "training,",
            "a-b,",
            10,
            "choice[0].question",
            "is no name of a question",
            "it must match",
        ),
        (
            "training,",
            f"{'a' * 33},",
            10,
            "choice[0].question",
            "is no name of a question",
            "it must match",
        ),
        ("training,", "7,", 10, "choice[0].question", "`7` is not text", QUOTES),
        (
            ASKED,
            f"{ASKED}\n  - {{question: training, covers: [ads]}}",
            9,
            "choice",
            "the question `training`",
            "once",
        ),
        (
            ASKED,
            f"{ASKED}\n  - {{question: b, covers: [ads, improve_models]}}",
            9,
            "choice",
            "has the purpose `improve_models` twice",
            "belongs to one question at most",
        ),
        (
            "reach: conversation",
            "reach: chat",
            11,
            "reach",
            "`chat` is not one of",
            "write conversation or turn",
        ),
        (
            "reach: conversation",
            "reach: [turn]",
            11,
            "reach",
            "is not one of",
            "write conversation or turn",
        ),
        (
            "  opted_in: P5Y",
            "  opted_in: 5 years",
            13,
            "keep.opted_in",
            f"`5 years` {PERIOD}",
            UNITS,
        ),
        ("  opted_in: P5Y", "  opted_in: 30", 13, "keep.opted_in", f"`30` {PERIOD}", UNITS),
        ("  opted_in: P5Y", "  opted_in: P5", 13, "keep.opted_in", f"`P5` {PERIOD}", UNITS),
        ("  opted_in: P5Y", "  opted_in: PT5H", 13, "keep.opted_in", f"`PT5H` {PERIOD}", UNITS),
        (
            "  opted_in: P5Y",
            "  opted_in: P0D",
            13,
            "keep.opted_in",
            "`P0D` is no time at all",
            UNITS,
        ),
        (
            "  opted_in: P5Y",
            "  opted_in: P101Y",
            13,
            "keep.opted_in",
            "`P101Y` is longer than 100 years",
            UNITS,
        ),
        (
            "flagged: P2Y",
            "flagged: P2Y\n  flagged: P3Y",
            18,
            "keep.flagged",
            "is given twice",
            "keep one",
        ),
        (
            "deleted: P30D",
            "erased: P30D",
            16,
            "keep.erased",
            "is not a key",
            "keys here are opted_in, opted_out",
        ),
        (
            "feedback: {opted_in: P5Y, opted_out: P30D}",
            "feedback: P5Y",
            19,
            "keep.feedback",
            "is not a mapping",
            MAPPING,
        ),
        (", opted_out: P30D}", "}", 19, "keep.feedback.opted_out", "is missing", "write a period"),
        (
            ", opted_out: P30D}",
            ", opted_out: P9H}",
            19,
            "keep.feedback.opted_out",
            f"`P9H` {PERIOD}",
            UNITS,
        ),
        (
            "origins: [typed, upload, assistant]",
            "origins: typed",
            20,
            "origins",
            "is not a list of names",
            LIST,
        ),
        ("min_age: null", "min_age: eighteen", 21, "min_age", "`eighteen` is not an age", AGE),
        ("min_age: null", "min_age: 0", 21, "min_age", "`0` is not an age", AGE),
        ("min_age: null", "min_age: 151", 21, "min_age", "`151` is not an age", AGE),
        ("min_age: null", "min_age: true", 21, "min_age", "`True` is not an age", AGE),
        ("min_age: null", "min_age: 17.5", 21, "min_age", "`17.5` is not an age", AGE),
        ("min_age: null", "min_age: !odd 3", 21, "min_age", "has the tag `!odd`", "without a tag"),
        ("min_age: null", "min_age: !!timestamp 3", 21, "min_age", "has the tag", "without a tag"),
        *[
            ("recipients: []", f"recipients: []\nregions: {written}", 23, key, told, mend)
            for written, key, told, mend in (
                (
                    "{XX: {min_age: 16}}",
                    "regions.XX",
                    "`XX` is no code of ISO 3166",
                    "DE, or a part of one as US-CA",
                ),
                (
                    "{de: {min_age: 16}}",
                    "regions.de",
                    "`de` is no code of ISO 3166",
                    "DE, or a part of one as US-CA",
                ),
                (
                    "{DE-BAVARIA: {min_age: 16}}",
                    "regions.DE-BAVARIA",
                    "is no code of ISO 3166",
                    "write a country",
                ),
                ("{DE: {min_age: 0}}", "regions.DE.min_age", "`0` is not an age", AGE),
                (
                    "{DE: {age: 16}}",
                    "regions.DE.age",
                    "is not a key",
                    "keys here are min_age, languages, authority",
                ),
                ("{DE: {}}", "regions.DE", "says nothing", "give one of min_age"),
                ("{DE: 16}", "regions.DE", "is not a mapping", "key: value"),
                (
                    "{DE: {languages: [Deutsch]}}",
                    "regions.DE.languages",
                    "`Deutsch` is not a language tag",
                    "pt-BR",
                ),
                ("{DE: {authority: 5}}", "regions.DE.authority", "`5` is not text", "quotes"),
                ("[DE]", "regions", "is not a mapping of regions", "DE: {min_age: 16}"),
                ("{}", "regions", "is not a mapping of regions", "DE: {min_age: 16}"),
            )
        ],
        (
            "recipients: []",
            "recipients: acme",
            22,
            "recipients",
            "`acme` is not a list of names",
            LIST,
        ),
        (
            "recipients: []",
            "recipients: &a [*a]",
            22,
            "recipients",
            "uses an alias",
            "write the value out",
        ),
        (
            "recipients: []",
            "third_parties: [acme]",
            22,
            "third_parties",
            "is not a key of a policy",
            "keys here are",
        ),
        ("recipients: []", "? [a]\n: 1", 22, "", "holds a key that is not a name", MAPPING),
    ],
)
def test_a_mistake_is_told_with_its_file_line_key_and_mend(
    tmp_path: Path, right: str, wrong: str, line: int, key: str, told: str, mend: str
) -> None:
    assert ARTICLE.count(right) == 1
    path = written(tmp_path, ARTICLE.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        load(path)
    assert (caught.value.file, caught.value.line, caught.value.key) == (str(path), line, key)
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert told in caught.value.message
    assert mend in caught.value.hint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not a mapping of keys"),
        ("- policy", "is not a mapping of keys"),
        ("policy: [,]", "policy.yaml:1: is not YAML"),
        ("a:\n\tb: 1", "policy.yaml:2: is not YAML"),
        (
            ARTICLE + "---\npolicy: another\n",
            "policy.yaml:23: is not YAML: but found another document",
        ),
        (b"policy: \x00", "is not YAML"),
        (b"policy: caf\xe9", "is not YAML"),
        ("policy: " + "[" * 5000, "is not YAML"),
        ("# " + "x" * POLICY_BYTES_MAX, f"larger than {POLICY_BYTES_MAX} bytes"),
    ],
)
def test_what_is_no_policy_at_all_is_an_error_that_names_the_file(
    tmp_path: Path, text: str | bytes, told: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(path) in caught.value.message
    assert told in caught.value.message


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.yaml"):
        with pytest.raises(InputError, match="cannot be read"):
            load(path)


def test_an_editorial_version_needs_no_day_to_decide_by(tmp_path: Path) -> None:
    text = ARTICLE.replace("decide_by: 2025-09-28", "decide_by: 2025-01-01").replace(
        "material: true", "material: false"
    )
    assert load(written(tmp_path, text)).decide_by == date(2025, 1, 1)


def test_extending_a_preset_lays_keys_over_it_at_every_depth() -> None:
    changed = extend(
        {"extends": "strict", "keep": {"feedback": {"opted_in": "P1Y"}}, "origins": ["typed"]}
    )
    strict = preset("strict").document()
    feedback = {"opted_in": "P1Y", "opted_out": "P30D"}
    expected = dict(strict, keep=dict(strict["keep"], feedback=feedback), origins=["typed"])
    assert changed.document() == expected
    asked = extend({"extends": "strict", "choice": [{"question": "models", "covers": ["ads"]}]})
    assert [(one.question, one.covers) for one in asked.questions] == [("models", {"ads"})], (
        "a list is replaced"
    )
    assert preset("strict").reach is Reach.turn
    with pytest.raises(InputError, match="`lax` is not a preset"):
        extend({"extends": "lax"})


def test_a_term_is_what_the_file_says_and_a_reach_must_be_said() -> None:
    document = preset("strict").document()
    later = {"tool_results": "row left out", "version": "2", "effective": "2026-01-01"}
    policies = Policies([preset("strict"), from_document({**document, **later})])
    assert policies.leaves_out_rows(0, 1)
    assert policies.leaves_out_rows(1, 1)
    assert not policies.leaves_out_rows(0, 0)
    del document["reach"]
    with pytest.raises(InputError, match="reach"):
        from_document(document)


def test_the_version_in_force_is_the_newest_effective_one_and_before_any_the_first() -> None:
    later = extend(
        {
            "extends": "strict",
            "version": "b",
            "effective": "2026-01-10T12:00:00Z",
            "material": False,
        }
    )
    policies = Policies([later, preset("strict")])
    noon = datetime(2026, 1, 10, 12, tzinfo=UTC)
    first = datetime(2025, 8, 28, tzinfo=UTC)
    at = [first - timedelta.resolution, first, noon - timedelta.resolution, noon]
    assert [policies.number(moment) for moment in at] == [0, 0, 0, 1]
    assert [policies.begun(moment) for moment in at] == [False, True, True, True]
    assert [policies.newest_material(moment) for moment in at] == [None, 0, 0, 0]
    with pytest.raises(ValueError, match="at least one policy version"):
        Policies([])


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("P5Y", "2028-02-29T12:00:00Z", "2033-02-28T12:00:00Z"),
        ("P4Y", "2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z"),
        ("P1Y", "2028-02-28T00:00:00Z", "2029-02-28T00:00:00Z"),
        ("P12M", "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"),
        ("P1M", "2025-01-31T23:59:59Z", "2025-02-28T23:59:59Z"),
        ("P1M", "2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("P13M", "2025-12-31T00:00:00Z", "2027-01-31T00:00:00Z"),
        ("P6M", "2025-08-31T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("P30D", "2028-02-29T00:00:00Z", "2028-03-30T00:00:00Z"),
        ("P2W", "2025-12-25T06:00:00Z", "2026-01-08T06:00:00Z"),
    ],
)
def test_a_period_ends_on_the_calendar(period: str, start: str, end: str) -> None:
    assert parse_period(period).after(instant(start)) == instant(end)


@given(st.integers(1, 36_500), MOMENTS)
def test_days_are_86_400_seconds_each(count: int, start: datetime) -> None:
    assert (parse_period(f"P{count}D").after(start) - start).total_seconds() == count * 86_400


@given(st.integers(1, 99), st.sampled_from(Unit))
def test_a_period_reads_back_as_written(count: int, unit: Unit) -> None:
    assert parse_period(str(Period(count, unit))) == Period(count, unit)


@given(
    st.builds(Period, st.integers(1, 99), st.sampled_from(Unit)),
    st.builds(Period, st.integers(1, 99), st.sampled_from(Unit)),
    MOMENTS,
)
def test_a_period_that_may_not_exceed_another_never_ends_later(
    one: Period, other: Period, start: datetime
) -> None:
    if not one.may_exceed(other):
        assert one.after(start) <= other.after(start)


def test_a_year_is_twelve_months_and_a_week_seven_days() -> None:
    for one, other in (("P5Y", "P60M"), ("P2W", "P14D")):
        assert not parse_period(one).may_exceed(parse_period(other))
        assert not parse_period(other).may_exceed(parse_period(one))


@pytest.mark.parametrize(
    ("one", "other", "exceeds"),
    [
        ("P366D", "P1Y", True),
        ("P365D", "P1Y", False),
        ("P1Y", "P366D", False),
        ("P1Y", "P365D", True),
        ("P29D", "P1M", True),
        ("P28D", "P1M", False),
        ("P1M", "P31D", False),
        ("P1M", "P30D", True),
        ("P8D", "P1W", True),
        ("P7D", "P1W", False),
        ("P1W", "P7D", False),
        ("P1W", "P6D", True),
    ],
)
def test_periods_of_two_units_are_compared_by_the_longest_and_shortest_they_can_be(
    one: str, other: str, exceeds: bool
) -> None:
    assert parse_period(one).may_exceed(parse_period(other)) is exceeds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PD",
        "P1",
        "1D",
        "P1H",
        "PT1H",
        "P1Y1M",
        "P-1D",
        "P1.5D",
        " P1D",
        "P1D ",
        "p1d",
        "P1234567D",
    ],
)
def test_what_is_not_a_period_is_an_error_with_the_mend(text: str) -> None:
    with pytest.raises(ValueError, match="is not a period: write P30D, P2W, P6M or P5Y"):
        parse_period(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("P0D", "no time at all"),
        ("P0Y", "no time at all"),
        ("P101Y", "longer than"),
        ("P1300M", "longer than"),
        ("P36601D", "longer than"),
    ],
)
def test_a_period_has_bounds(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_period(text)


@pytest.mark.parametrize(
    "value", ["2025-09-01T09:00:00", "2025-09-01 09:00", NOON.replace(tzinfo=None)]
)
def test_a_time_without_an_offset_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match="has no offset: write 2025-09-01T09:00:00Z"):
        instant(value)


@pytest.mark.parametrize(
    "value", ["2025-02-30", "2025-13-01", "now", "", 7, None, True, "2025-09-01T25:00:00Z"]
)
def test_what_is_not_a_time_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        instant(value)


@pytest.mark.parametrize(
    "value",
    [
        "2025-09-01",
        date(2025, 9, 1),
        "2025-09-01T00:00:00Z",
        "2025-09-01T02:00:00+02:00",
        "2025-08-31T20:00:00-04:00",
    ],
)
def test_the_same_instant_may_be_written_in_many_ways(value: object) -> None:
    assert instant(value) == datetime(2025, 9, 1, tzinfo=UTC)
    assert instant(value).utcoffset() == timedelta(0)
