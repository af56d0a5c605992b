"""Several releases as one data set: shares, budgets, filters, ranks, and resuming on another number
of them.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pyroaring import BitMap
from tests.installed import House

import licet
from licet.clock import utc_now
from licet.curate import release_build
from licet.errors import DeniedError, InputError, UsageError
from licet.release import manifest
from licet.store.connect import Pool
from licet.train import gate, gate_files, mix_plan
from licet.train.batch_mask import MaskedBatches
from licet.train.mix import RankBatches, ReleaseMix
from licet.train.mix_plan import SOURCE_BITS, MixedSource, MixState
from licet.train.remote import Keeper

from .extras import require

DE = (
    "Birnen", "Quitten", "Mispeln", "Nüsse", "Kirschen", "Trauben", "Schlehen", "Feigen", "Beeren", "Pflaumen", "Melonen",
    "Kürbisse",
)  # fmt: skip
EN = (
    "pears", "quinces", "medlars", "walnuts", "cherries", "grapes", "sloes", "figs", "berries", "plums", "melons",
    "pumpkins", "lemons", "oranges", "olives", "dates",
)  # fmt: skip
GERMAN = (
    "wann werden die {0} und die {1} im Garten hinter dem alten Haus endlich reif, und wer "
    "erntet {0} oder {1}"
)
ENGLISH = (
    "when will the {0} and the {1} in the garden behind the old house be ripe, and who "
    "picks "
    "{0} or {1}"
)


class Orchard:
    """An installation with the releases `autumn` and `winter`, and the gates of a machine."""

    def __init__(self, pool: Pool, dsn: str, folder: Path) -> None:
        self.house = House(pool, folder / "data", at=utc_now() - timedelta(days=1))
        self.gates = folder / "gates"
        for n in range(12):
            self.talks(
                f"a{n}",
                GERMAN.format(DE[n], DE[-n]) if n % 3 == 0 else ENGLISH.format(EN[n], EN[-n]),
            )
        release_build.build_release(
            self.house.installation, name="autumn", purpose="improve_models"
        )
        for n in range(8):
            self.talks(f"w{n}", ENGLISH.format(EN[-n - 1], EN[(n * 5 + 3) % 16]))
        release_build.build_release(
            self.house.installation, name="winter", purpose="improve_models"
        )
        self.installation = replace(self.house.installation, clock=utc_now)
        self.config = type(self.installation.config).from_environment(
            {"LICET_DATABASE_URL": dsn}, self.installation.config.data
        )
        self.key = gate_files.signer(self.installation).verifier.vkey
        self.publish()

    def talks(self, name: str, text: str) -> None:
        self.house.open(name, allow=True, split="train")
        self.house.talk(name, name, f"{name}: {text}?", f"{name} {text[::-1]}")

    def publish(self) -> None:
        for name in ("autumn", "winter"):
            promised, sha256 = manifest.read_manifest(self.installation.config.releases / name)
            Keeper(
                gate_files.LocalSource(self.installation),
                gate_files.signer(self.installation).verifier,
                self.gates,
                release=promised.release,
                manifest_sha256=sha256,
                clock=utc_now,
            ).poll()

    def mix(self, sources: Any = None, **more: Any) -> ReleaseMix:
        return licet.mix(
            sources or {"autumn": 0.5, "winter": 0.5},
            self.gates,
            self.key,
            config=self.config,
            **more,
        )

    def withdraws(self, *names: str) -> None:
        self.house.now = utc_now()
        for name in names:
            self.house.choose(name, False)
        self.publish()


@pytest.fixture
def orchard(pool: Pool, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orchard:
    monkeypatch.setattr(gate, "GLANCE_SECONDS", 0.0)  # what was published is seen at once
    return Orchard(pool, dsn, tmp_path)


def who(rows: Sequence[Any]) -> list[str]:
    """Whose row each is, with its release."""
    return [f"{row['release']} {row['messages'][0]['content'].split(':')[0]}" for row in rows]


def test_a_mix_keeps_to_its_weights_and_budget_and_reads_every_source_in_turn(
    orchard: Orchard,
) -> None:
    mix = orchard.mix(
        {"autumn": 0.25, "winter": 0.75}, tokens_of=lambda _: 10, tokens=160, epochs=1
    )
    assert mix.rows_of == {"autumn": 4, "winter": 12}
    found = who(mix[:])
    assert len(set(found)) == 16, "nobody is read twice within a pass"
    assert Counter(one.split()[0] for one in found[:8]) == {"autumn": 2, "winter": 6}
    whole = orchard.mix({"autumn": 0.5, "winter": 0.5}, tokens_of=lambda _: 10)
    assert whole.rows_of == {"autumn": 12, "winter": 12}, (
        "as many as the weights allow within one pass"
    )
    twice = orchard.mix({"autumn": 1.0}, tokens_of=lambda _: 10, epochs=2)
    assert set(Counter(who(twice[:])).values()) == {2}
    assert who(twice[:12]) != who(twice[12:]), "each pass has an order of its own"
    assert who(orchard.mix({"autumn": 1.0}, seed=2)[:]) != who(
        orchard.mix({"autumn": 1.0}, seed=3)[:]
    )


def test_a_row_of_a_mix_is_the_same_alone_in_a_slice_and_in_a_batch(orchard: Orchard) -> None:
    mix = orchard.mix(seed=1)
    assert [mix[3], mix[4]] == mix[3:5] == mix.__getitems__([3, 4])


def test_a_budget_that_takes_more_passes_than_are_allowed_says_how_many(orchard: Orchard) -> None:
    with pytest.raises(UsageError, match=r"takes `2.50` passes over it") as refused:
        orchard.mix({"autumn": 1.0}, tokens_of=lambda _: 10, tokens=300)
    assert "epochs=2.50" in refused.value.hint
    assert len(orchard.mix({"autumn": 1.0}, tokens_of=lambda _: 10, tokens=300, epochs=2.5)) == 30
    for sources, said in (({"autumn": 0.0}, "weight"), ({}, "1 to")):
        with pytest.raises(UsageError, match=said):
            licet.mix(sources, orchard.gates, orchard.key, config=orchard.config)
    folder = str(orchard.installation.config.releases / "autumn")
    with pytest.raises(UsageError, match="twice"):
        orchard.mix({"autumn": 1.0, folder: 1.0})
    assert who(orchard.mix({folder: 1.0})[:1])[0].startswith(folder)


def test_rows_are_chosen_by_their_labels_without_being_rewritten(orchard: Orchard) -> None:
    mix = orchard.mix({"autumn": 1.0}, where="language = 'de'")
    assert {one.split()[1] for one in who(mix[:])} == {"a0", "a3", "a6", "a9"}
    assert all(row["labels"]["language"] == "de" for row in mix[:])
    with pytest.raises(UsageError, match="no row of `autumn` may be used and matches"):
        orchard.mix({"autumn": 1.0}, where="language = 'fr'")
    with pytest.raises(UsageError, match="has the score `quality`"):
        orchard.mix({"autumn": 1.0}, where="quality > 0.6")
    rows = licet.load("autumn", where="language = 'de'", config=orchard.config)
    assert len(list(rows)) == 4
    assert (rows.yielded, rows.passed_over) == (4, 8)
    with pytest.raises(UsageError, match="filtered"):
        gate = licet.gate(
            "autumn", orchard.gates, orchard.key, data=orchard.installation.config.data
        )
        licet.load("autumn", where="language = 'de'", config=orchard.config, gate=gate)


def test_a_run_goes_on_on_other_ranks_repeats_no_row_and_skips_none_though_people_withdrew(
    orchard: Orchard,
) -> None:
    first = orchard.mix(tokens_of=lambda _: 10, where="split = 'train'")
    whole = who(first[:])
    one, other = (first.batches(2, rank=rank, ranks=2) for rank in (0, 1))
    steps = [(next(a), next(b)) for a, b in [(iter(one), iter(other))]] + [
        (list(one)[1], list(other)[1])
    ]
    before = [place for pair in steps for batch in pair for place in batch]
    assert before == list(range(8))
    kept = first.state(one.position(2))
    orchard.withdraws("a1", "w3")
    again = orchard.mix(tokens_of=lambda _: 99, where="split = 'train'", state=kept)
    assert (again.position, len(again)) == (8, len(first))
    shares = [list(again.batches(1, rank=rank, ranks=3)) for rank in range(3)]
    assert {len(share) for share in shares} == {(len(first) - 8) // 3}
    after = [place for step in zip(*shares, strict=True) for batch in step for place in batch]
    assert after == list(range(8, 8 + len(after))), (
        "the next position is the first, and none is left out"
    )
    assert len(first) - 8 - len(after) < 3
    now = who(again[:])
    gone = {place for place, name in enumerate(whole) if name.split()[1] in ("a1", "w3")}
    assert gone
    assert [name for place, name in enumerate(now) if place not in gone] == [
        name for place, name in enumerate(whole) if place not in gone
    ]
    assert not {name.split()[1] for name in now} & {"a1", "w3"}
    assert pickle.loads(pickle.dumps(again.gate)).gates.keys() == {"autumn", "winter"}


def test_who_stands_in_for_a_withdrawn_row_matches_the_filter_too(orchard: Orchard) -> None:
    mix = orchard.mix({"autumn": 1.0}, where="language = 'de'")
    orchard.withdraws("a0", "a3")
    assert {one.split()[1] for one in who(mix[:])} <= {"a6", "a9"}
    orchard.withdraws("a6", "a9")
    with pytest.raises(DeniedError):
        mix[:]


def test_a_withdrawal_after_the_read_is_masked_at_hand_off_in_its_own_release_alone(
    orchard: Orchard,
) -> None:
    mix = orchard.mix(tokens_of=lambda _: 10)
    read = [mix[start : start + 4] for start in range(0, 8, 4)]
    used: list[list[int]] = []
    gone = who(read[1])[0].split()[1]
    handed = iter(
        MaskedBatches(read, mix.gate, used=lambda _step, ordinals: used.append(list(ordinals)))
    )
    assert who(next(handed)) == who(read[0])
    orchard.withdraws(gone)
    assert gone not in {one.split()[1] for one in who(next(handed))}
    assert all(mix.gate.split(found).keys() <= {"autumn", "winter"} for found in used)
    by_release = mix.gate.split([3, (1 << SOURCE_BITS) | 3])
    assert by_release == {"autumn": [3], "winter": [3]}
    assert mix.gate.numbers == tuple(gate.number for gate in mix.gate.gates.values())
    assert mix.gate.check([-1, -1]) == []


@pytest.mark.parametrize(("batch", "rank", "ranks"), [(0, 0, 1), (1, -1, 2), (1, 2, 2), (1, 0, 0)])
def test_a_rank_that_is_none_of_the_ranks_and_a_batch_of_nothing_are_refused(
    batch: int, rank: int, ranks: int
) -> None:
    with pytest.raises(UsageError, match=r"cannot be|at least one row"):
        RankBatches(0, 100, batch, rank, ranks)


def test_a_state_of_another_mix_is_refused(orchard: Orchard) -> None:
    kept = orchard.mix(seed=1).state()
    for more in ({"seed": 2}, {"seed": 1, "epochs": 3.0}, {"seed": 1, "where": "words > 1"}):
        with pytest.raises(UsageError, match="of a mix with"):
            orchard.mix(state=kept, **more)
    with pytest.raises(UsageError, match="other sources"):
        orchard.mix({"winter": 0.5, "autumn": 0.5}, seed=1, state=kept)
    with pytest.raises(InputError, match="does not read"):
        orchard.mix(seed=1, state=kept[:-9])
    other = replace(
        (state := MixState.decode(kept)),
        sources=tuple(replace(one, release="00" * 16) for one in state.sources),
    )
    with pytest.raises(UsageError, match="another release"):
        orchard.mix(seed=1, state=other.encode())


def test_workers_of_a_loader_read_a_mix(orchard: Orchard) -> None:
    torch = require("torch")
    mix = orchard.mix(tokens_of=lambda _: 10)
    expected = [who(mix[start : start + 4]) for start in range(0, 24, 4)]
    mix.close()
    loader = torch.utils.data.DataLoader(
        mix, batch_sampler=mix.batches(4), num_workers=2, collate_fn=list
    )
    assert [who(batch) for batch in MaskedBatches(loader, mix.gate)] == expected


# The plan


def planned(*rows: int, weights: Sequence[float], **more: Any) -> MixState:
    sources = tuple(
        MixedSource(
            name=str(n),
            weight=weight,
            release=f"{n}",
            manifest_sha256="",
            tokens=10 * count,
            chosen=MixedSource.encode_ordinals(BitMap(range(count))),
        )
        for n, (count, weight) in enumerate(zip(rows, weights, strict=True))
    )
    return MixState(
        **(
            {"split": "", "where": "", "seed": 0, "tokens": None, "epochs": 1.0, "sources": sources}
            | more
        )
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(0.05, 5)), min_size=1, max_size=4),
    st.floats(0.3, 4),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 5),
)
def test_any_plan_keeps_to_its_shares_and_its_ranks_share_it(
    sources: list[tuple[int, float]], epochs: float, batch: int, ranks: int, later: int
) -> None:
    rows, weights = zip(*sources, strict=True)
    state = planned(*rows, weights=weights, epochs=epochs)
    mix_plan.check(state)
    counts, order = mix_plan.count_rows(state), mix_plan.position_order(state)
    assert list(mix_plan.position_order(state)) == list(order)
    assert Counter(one >> SOURCE_BITS for one in order) == {
        n: count for n, count in enumerate(counts) if count
    }
    for n, count in enumerate(rows):
        mine = [one & (2**SOURCE_BITS - 1) for one in order if one >> SOURCE_BITS == n]
        assert len(mine) <= epochs * count + 1
        for start in range(0, len(mine) - count + 1, count):
            assert sorted(mine[start : start + count]) == list(range(count)), (
                "a pass has each row once"
            )
    for length in range(0, len(order), 7):
        seen = Counter(one >> SOURCE_BITS for one in order[:length])
        assert all(
            abs(seen[n] - count * length / len(order)) <= len(counts)
            for n, count in enumerate(counts)
        )
    mine = [RankBatches(0, len(order), batch, rank, ranks) for rank in range(ranks)]
    steps = min(later, len(mine[0]))
    used = [place for rank in mine for found in list(rank)[:steps] for place in found]
    rest = [RankBatches(mine[0].position(steps), len(order), 1, rank, 2) for rank in range(2)]
    used += [place for rank in rest for found in rank for place in found]
    assert sorted(used) == list(range(len(used)))
    assert len(order) - len(used) < 2
