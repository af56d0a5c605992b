"""What a release contains is counted as its rows are sealed, and no value is named that few
accounts have.
"""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from licet import verifier
from licet.curate import release_build
from licet.errors import BrokenError
from licet.policy.period import instant
from licet.proof import documents
from licet.release import card, catalog, contents, manifest
from licet.release.contents import ContentTally, RowFigures
from licet.release.manifest import ACCOUNTS_MIN, ReleaseContents

from ..installed import House

TOPICS = (
    "baking bread with rye and honey",
    "the moons of Jupiter",
    "repairing an old bicycle chain",
    "tax on a small garden shop",
    "knitting a blue winter hat",
    "sorting a list of trains by departure",
    "why cats sleep all afternoon",
    "a wedding speech in four minutes",
    "planting beans beside tomatoes",
    "learning to whistle at forty",
)


def figures(
    account: int,
    language: str = "en",
    surface: str = "app",
    text_bytes: int = 10,
    *,
    gapped: bool = False,
) -> RowFigures:
    profile = contents.build_profile(
        {
            "kinds": {"chat": 1},
            "languages": {language: 1},
            "origins": {"typed": 1, "assistant": 1},
            "surfaces": {surface: 2},
            "plans": {"pro": 2},
            "models": {"aurora-2": 1},
        }
    )
    return RowFigures(
        account,
        contents.month(instant("2026-03-05")),
        contents.month(instant("2026-04-05")),
        text_bytes,
        profile,
        gapped,
    )


def counted(rows: list[RowFigures], gone: set[int] | None = None) -> ReleaseContents:
    tally = ContentTally()
    for row in rows:
        tally.add(row)
    return tally.contents(gone or set())


def test_a_value_is_named_if_rows_of_enough_accounts_have_it() -> None:
    most = [figures(account) for account in range(ACCOUNTS_MIN)]
    few = [
        figures(account, "is", "cli", gapped=account == 3) for account in range(ACCOUNTS_MIN - 1)
    ] * 3
    told = counted(most + few)
    assert told.languages == {"en": 10, "other": 27}
    assert told.surfaces == {"app": 20, "other": 54}
    assert told.plans == {"pro": 74}
    assert (told.accounts, told.bytes, told.tokens, told.gapped) == (10, 370, 93, 3)
    assert (told.first_month, told.last_month) == ("2026-03", "2026-04")


def test_a_row_that_goes_takes_its_figures_along_and_may_hide_a_value() -> None:
    rows = [figures(account, text_bytes=3) for account in range(ACCOUNTS_MIN)]
    assert counted(rows).models == {"aurora-2": 10}
    left = counted(rows, {4})
    assert (left.models, left.accounts, left.bytes, left.tokens) == ({"other": 9}, None, 27, 7)
    nothing = counted(rows, set(range(ACCOUNTS_MIN)))
    assert (nothing.kinds, nothing.first_month, nothing.bytes) == ({}, None, 0)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("claude-3.5", "claude-3.5"),
        ("org/model:7b", "org/model:7b"),
        ("", "not_stated"),
        ("my cat's model", "other"),
        ("x" * 65, "other"),
        ("\u0430bc", "other"),
    ],
)
def test_a_model_is_named_only_by_what_looks_like_a_name(stated: str, told: str) -> None:
    assert contents.public_model_name(stated) == told


def test_a_release_says_what_its_rows_contain_and_the_verifier_counts_it_again(
    house: House,
) -> None:
    for number, topic in enumerate(TOPICS):
        house.open(f"p{number}", allow=True)
        house.talk(
            f"p{number}",
            f"c{number}",
            f"Please tell me about {topic}.",
            f"There is much to say about {topic}.",
        )
    installation = house.installation
    built = release_build.build_release(installation, name="spring", purpose="improve_models")
    documents.append(installation)
    told = built.manifest.contents
    assert isinstance(told, ReleaseContents)
    turns = house.query("SELECT origin, count(*) FROM turns GROUP BY origin")
    assert told.origins == dict(turns)
    assert told.accounts == ACCOUNTS_MIN
    assert told.kinds == Counter({"chat": built.manifest.rows})
    assert sum(told.surfaces.values()) == built.manifest.counts.included
    assert told.bytes == sum(
        len(message["content"].encode())
        for row in catalog.open_release(installation, "spring")
        for message in row["messages"]
    )
    assert "## What the rows contain" in card.render(built.manifest)
    assert f"{told.tokens:,} tokens" in card.render(built.manifest)
    key = documents.key(installation)
    log = verifier.FolderFiles(
        documents.place(installation).folder / str(installation.clock().year)
    )
    report = verifier.check_release(
        verifier.FolderFiles(built.folder), verifier.trust(key.vkey), log
    )
    assert report.answer is verifier.Verdict.proved, report.findings


def test_a_manifest_of_before_it_was_counted_still_reads(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "c1", "How do I bake bread at home?", "Mix flour, water and salt, and wait.")
    built = release_build.build_release(
        house.installation, name="spring", purpose="improve_models"
    ).manifest
    before = msgspec.structs.replace(built, contents=msgspec.UNSET)
    assert manifest.decode(manifest.encode(before)) == before
    assert "What the rows contain" not in card.render(before)
    told = built.contents
    assert isinstance(told, ReleaseContents)
    with pytest.raises(BrokenError, match="do not reconcile"):
        msgspec.structs.replace(
            built, contents=msgspec.structs.replace(told, tokens=told.tokens + 1)
        )
