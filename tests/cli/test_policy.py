"""A change of policy as counsel makes it: `diff`, `plan`, `apply`, and the schema that an editor
checks the file with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from licet.cli.command import main
from licet.errors import BusyError
from licet.policy.file import schema_text
from licet.policy.period import instant, parse_period
from licet.policy.state import TurnRole
from licet.service import policy_changes
from licet.store.connect import Pool
from licet.vault import commands as do
from licet.vault.policy_plan import PLAN_DAYS_MAX
from licet.vault.simulated_clock import SimulatedClock, save

from ..installed import House
from ..terms import preset_text

NOW = instant("2025-09-20")
FIRST_DAY = instant("2025-10-01")


class Counsel:
    """A house of people, and the command on its folder, on the clock of the house."""

    def __init__(self, house: House, folder: Path, dsn: str) -> None:
        self.house, self.folder = house, folder
        self.environment = {"LICET_DATABASE_URL": dsn, "LICET_DATA": str(folder)}

    def run(self, *arguments: str | Path, code: int = 0) -> Result:
        save(self.folder, SimulatedClock(self.house.now))
        result = CliRunner(env=self.environment).invoke(main, ["policy", *map(str, arguments)])
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def refused(self, *arguments: str | Path) -> tuple[str, str]:
        """The error and the hint of a command that changes nothing, versions least of all."""
        before = self.house.dump()
        lines = self.run(*arguments, code=1).stderr.splitlines()
        assert self.house.dump() == before
        error, hint = [line for line in lines if not line.startswith("(simulated")]
        assert error.startswith("error: ") and hint.startswith("hint: ")
        return error.removeprefix("error: "), hint.removeprefix("hint: ")

    def file(self, name: str = "new", **changes: Any) -> Path:
        """A version of `article-2025` from the first day of October on; ``keep`` and ``scope`` are
        laid over.
        """
        document = yaml.safe_load(preset_text("article-2025"))
        document |= {
            "version": name,
            "effective": FIRST_DAY.date(),
            "decide_by": None,
            "material": False,
        }
        for key, value in changes.items():
            document[key] = {**document[key], **value} if isinstance(value, dict) else value
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return path

    def shortened(self, file: Path) -> Any:
        """The version applied and stored dates shortened, by a plan that was just drawn."""
        plan = self.json("plan", file, "--shorten-stored", code=2)["plan_sha256"]
        return self.json("apply", file, "--shorten-stored", "--plan", plan)

    def versions(self) -> list[str]:
        return [
            version
            for (version,) in self.house.query("SELECT version FROM policies ORDER BY number")
        ]

    def dates(self) -> dict[str, list[Any]]:
        """What is stored of each chat: the dates of its segments."""
        names = {conversation: chat for chat, conversation in self.house.chats.items()}
        found: dict[str, list[Any]] = {chat: [] for chat in names.values()}
        rows = self.house.query(
            "SELECT conversation_id, keep_until FROM segments ORDER BY conversation_id, segment"
        )
        for conversation, until in rows:
            found[names[conversation]].append(until)
        return found


@pytest.fixture
def counsel(pool: Pool, dsn: str, tmp_path: Path) -> Iterator[Counsel]:
    """Ana allows, Ben refuses, Max of plan `max` allows; each has written, and Ben's chat is due on
    the first day.
    """
    house = House(pool, tmp_path, at=instant("2025-08-29"))
    for name, plan, allow in (("ana", "pro", True), ("ben", "pro", False), ("max", "max", True)):
        house.open(name, plan=plan, allow=allow)
    house.passes(3)
    for name in house.accounts:
        house.talk(name, f"{name}-1")
    house.say("ana", "ana-1", "what the tool says", TurnRole.tool, origin="connector")
    house.now = NOW
    house.talk("ana", "ana-2")
    counsel = Counsel(house, tmp_path, dsn)
    counsel.run("proposals")  # the first opening makes the secret of the log
    yield counsel


def test_a_plan_exits_2_with_changes_and_0_without_and_changes_nothing_but_the_plan_it_keeps(
    counsel: Counsel,
) -> None:
    same = counsel.folder / "same.yaml"
    same.write_text(
        "# the terms in force, with a comment\n" + preset_text("article-2025"), encoding="utf-8"
    )
    before = counsel.house.dump()
    assert "the two versions mean the same" in counsel.run("plan", same).stdout.lower()
    assert counsel.json("plan", same)["plan"]["changes"] == []
    text = counsel.run("plan", counsel.file(scope={"plans": ["free", "pro"]}), code=2).stdout
    after = counsel.house.dump()
    assert before.pop("policy_plans") != after.pop("policy_plans")
    assert after == before
    for told in (
        "  - scope.plans: max -> nothing",
        "The new version narrows `scope.plans` (drops max)",
        "  - 1 permissions for `training` end, of any scope",
        "  - 2 stored turns leave improve_models (6 -> 4)",
        "  - 1 stored segments get a nearer date, because their permission ends",
        "nothing was changed",
    ):
        assert told in text, text


def test_a_plan_says_by_question_who_is_asked_what_and_what_ends(counsel: Counsel) -> None:
    """Who answered the one question is asked both new ones, and its permissions end: no answer is
    carried over.
    """
    asks = [
        {"question": "models", "covers": ["improve_models"]},
        {"question": "safety", "covers": ["safety_classifiers"]},
    ]
    plan = counsel.json("plan", counsel.file(material=True, choice=asks), code=2)["plan"]
    assert plan["questions"] == {
        "models": {"asked": 3, "ended": 0},
        "safety": {"asked": 3, "ended": 0},
        "training": {"asked": 0, "ended": 2},
    }
    assert (plan["asked_again"], plan["grants_ended"], plan["nearer"]) == (3, 2, 3)


def test_a_plan_counts_turns_by_their_origin(counsel: Counsel) -> None:
    """Three segments stay permitted; what leaves is what the assistant said, and a tool's output
    never was in.
    """
    file = counsel.file(origins=["typed"])
    rows = counsel.json("plan", file, code=2)["plan"]["purposes"]["improve_models"]
    assert rows == {"before": 6, "after": 3, "entering": 0, "leaving": 3}


def test_a_plan_forecasts_the_sealed_bytes_that_stay(counsel: Counsel) -> None:
    plan = counsel.json("plan", counsel.file(scope={"plans": ["free", "pro"]}), code=2)["plan"]
    sizes = counsel.house.query(
        "SELECT account_id, sum(octet_length(sealed))::int FROM blocks GROUP BY 1"
    )
    total = sum(size for _, size in sizes)
    of_ben, of_max = (dict(sizes)[counsel.house.accounts[name]] for name in ("ben", "max"))
    assert plan["kept_before"] == dict.fromkeys(("now", "30 days", "a year"), total - of_ben) | {
        "5 years": 0
    }
    rest = total - of_ben - of_max
    assert plan["kept_after"] == {
        "now": total - of_ben,
        "30 days": rest,
        "a year": rest,
        "5 years": 0,
    }


def test_a_proposal_is_applied_by_somebody_else_with_its_plan_and_a_reason(
    counsel: Counsel,
) -> None:
    file = counsel.file(keep={"opted_in": "P3Y"})
    seen = counsel.json("propose", file, "--by", "ada")
    proposal, plan = seen["proposal"]["id"], seen["plan_sha256"]
    assert seen["proposal"]["proposed_by"] == "user:ada"
    assert counsel.json("propose", file, "--by", "eve")["proposal"]["id"] == proposal
    assert plan in counsel.run("plan-proposal", proposal).stdout
    assert f"{proposal}  open " in counsel.run("proposals").stdout
    own = counsel.run(
        "apply-proposal", proposal, "--plan", plan, "--reason", "-", "--by", "ADA", code=1
    )
    assert "whoever proposed a version does not apply it" in own.stderr
    unreasoned = counsel.run("apply-proposal", proposal, "--plan", plan, "--by", "ben", code=64)
    assert "--reason" in unreasoned.stderr
    assert counsel.versions() == ["2025-08-28"]
    told = counsel.run(
        "apply-proposal", proposal, "--plan", plan, "--reason", "the board", "--by", "ben"
    )
    assert "version new is applied" in told.stdout
    assert "not confirmed by a second identity" in told.stdout
    assert counsel.house.query("SELECT applied_by FROM policies WHERE number = 1") == [
        ("user:ben",)
    ]


def test_a_withdrawn_proposal_keeps_its_reason_and_is_not_applied(counsel: Counsel) -> None:
    seen = counsel.json("propose", counsel.file())
    proposal = seen["proposal"]["id"]
    ended = counsel.json("withdraw-proposal", proposal, "--reason", "the dates are wrong")
    assert (ended["state"], ended["reason"]) == ("withdrawn", "the dates are wrong")
    refused = counsel.run(
        "apply-proposal",
        proposal,
        "--plan",
        seen["plan_sha256"],
        "--reason",
        "-",
        "--by",
        "ben",
        code=1,
    )
    assert "was withdrawn by" in refused.stderr


def test_a_proposal_that_is_no_policy_is_refused_with_its_line(counsel: Counsel) -> None:
    file = counsel.folder / "wrong.yaml"
    file.write_text("policy: article-2025\nversion: [\n", encoding="utf-8")
    assert "policy.yaml:" in counsel.run("propose", file, code=64).stderr
    assert counsel.run("proposals").stdout.strip().endswith("no proposals")


def test_what_was_planned_is_applied_once_with_who_hash_and_day(counsel: Counsel) -> None:
    file = counsel.file(keep={"opted_in": "P3Y"})
    planned = counsel.json("plan", file, "--by", "counsel", code=2)
    applied = counsel.json("apply", file, "--by", "counsel")
    assert applied["sha256"] == planned["sha256"]
    assert (applied["number"], applied["version"], applied["effective"]) == (
        1,
        "new",
        "2025-10-01T00:00:00Z",
    )
    row = counsel.house.query(
        "SELECT encode(sha256, 'hex'), applied_by, applied_at FROM policies WHERE number = 1"
    )[0]
    assert row == (planned["sha256"], "user:counsel", NOW)
    assert (
        counsel.house.query(
            "SELECT payload FROM outbox WHERE entry = 'policy_applied' ORDER BY outbox_id"
        )[-1][0].count(row[0])
        == 1
    )
    assert (counsel.folder / "policy.yaml").read_text(encoding="utf-8") == file.read_text(
        encoding="utf-8"
    )
    counsel.run("apply", file, code=1)
    assert counsel.versions() == ["2025-08-28", "new"]


def test_apply_refuses_without_a_plan_of_this_very_text(counsel: Counsel) -> None:
    file = counsel.file(keep={"opted_in": "P3Y"})
    error, hint = counsel.refused("apply", file)
    assert "has no plan" in error and "licet policy plan" in hint
    counsel.run("plan", file, code=2)
    counsel.file(keep={"opted_in": "P2Y"})
    assert "it was changed or another was applied" in counsel.refused("apply", file)[0]
    counsel.file(keep={"opted_in": "P3Y"})
    counsel.run("apply", file)


def test_apply_refuses_a_plan_drawn_before_another_version_or_too_long_ago(
    counsel: Counsel,
) -> None:
    one = counsel.file("one", keep={"opted_in": "P3Y"})
    two = counsel.file(
        "two", keep={"opted_in": "P2Y"}, effective=FIRST_DAY.date() + timedelta(days=20)
    )
    counsel.run("plan", two, code=2)
    counsel.run("plan", one, code=2)
    counsel.run("apply", one)
    assert "another was applied after its plan" in counsel.refused("apply", two)[0]
    counsel.run("plan", two, code=2)
    counsel.house.passes(PLAN_DAYS_MAX)
    counsel.house.now += timedelta.resolution
    assert "older than 7 days" in counsel.refused("apply", two)[0]
    counsel.house.now -= timedelta.resolution
    counsel.run("apply", two)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"name": "2025-08-28", "keep": {"opted_in": "P3Y"}},
            "`2025-08-28` is already applied, and this file has",
        ),
        ({"effective": "2025-08-28"}, "`new` is not newer than `2025-08-28`"),
        ({"effective": "2025-09-19"}, "`new` would be effective in the past"),
        (
            {"keep": {"opted_in": "P6Y"}},
            "`new` widens what may be used or kept, or drops a question, but is not material",
        ),
        (
            {"origins": ["typed", "upload", "assistant", "connector"]},
            "widens what may be used or kept",
        ),
    ],
)
def test_neither_plan_nor_apply_takes_what_is_not_newer_or_widens_unasked(
    counsel: Counsel, changes: dict[str, Any], told: str
) -> None:
    file = counsel.file(**changes)
    for command in ("plan", "apply"):
        error, hint = counsel.refused(command, file)
        assert told in error and hint
    assert counsel.versions() == ["2025-08-28"]


# The deadline of the version in force


def dated(counsel: Counsel, decide_by: str) -> Path:
    path = counsel.folder / "dated.yaml"
    text = preset_text("article-2025").replace("decide_by: 2025-09-28", f"decide_by: {decide_by}")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("day", ["2025-10-08", "null"])
def test_the_version_in_force_is_amended_by_a_later_deadline_or_none(
    counsel: Counsel, day: str
) -> None:
    file = dated(counsel, day)
    counsel.house.now = instant("2025-09-30")
    counsel.house.open("old")
    plan = counsel.json("plan", file, code=2)["plan"]
    assert [change["key"] for change in plan["changes"]] == ["decide_by"]
    counsel.run("apply", file)
    assert counsel.versions() == ["2025-08-28"]
    counsel.run("apply", dated(counsel, "2025-09-28"), code=1)


def test_an_earlier_deadline_is_refused_and_the_error_says_why(counsel: Counsel) -> None:
    for command in ("plan", "apply"):
        error, hint = counsel.refused(command, dated(counsel, "2025-09-20"))
        assert error == (
            "version `2025-08-28` was applied with `2025-09-28` to decide by, but "
            "`2025-09-20` is earlier"
        )
        assert "told how long they may wait" in hint


def test_the_deadline_alone_can_be_amended(counsel: Counsel) -> None:
    file = dated(counsel, "2025-10-28")
    file.write_text(
        file.read_text("utf-8").replace("deleted: P30D", "deleted: P20D"), encoding="utf-8"
    )
    error, hint = counsel.refused("plan", file)
    assert "this file has a different meaning" in error
    assert "only `decide_by`" in hint


# What is stored


def test_a_version_changes_no_stored_date_but_shorten_stored_does_and_can_be_repeated(
    counsel: Counsel,
) -> None:
    file = counsel.file(keep={"opted_in": "P10D", "opted_out": "P7D"})
    house, before = counsel.house, counsel.dates()
    planned = counsel.json("plan", file, code=2)["plan"]
    assert counsel.json("apply", file)["shortened"] == 0
    assert counsel.dates() == before
    said = {
        "ana-1": instant("2025-09-01"),
        "ben-1": instant("2025-09-01"),
        "max-1": instant("2025-09-01"),
        "ana-2": NOW,
    }
    # Ben's lies there already
    assert counsel.shortened(file)["shortened"] == planned["shortened_on_request"] == 3
    for chat, last in said.items():
        period = parse_period("P7D" if chat == "ben-1" else "P10D")
        assert set(counsel.dates()[chat]) == {max(FIRST_DAY, period.after(last))}, chat
    again = counsel.json("plan", file, "--shorten-stored")
    assert again["dates"] == {"items": [], "next": None}, "which exits 0"
    assert (
        counsel.json("apply", file, "--shorten-stored", "--plan", again["plan_sha256"])["shortened"]
        == 0
    )
    told = house.query("SELECT account_id FROM outbox WHERE entry = 'shortened'")
    assert sorted(account for (account,) in told) == sorted(
        house.accounts[name] for name in ("ana", "max")
    )


def test_what_is_kept_out_or_withdrawn_comes_to_the_period_of_a_refusal(counsel: Counsel) -> None:
    file = counsel.file(keep={"opted_in": "P40D", "opted_out": "P7D"})
    counsel.house.about(do.Narrow, "ana", "ana-1")
    counsel.house.choose("max", False)
    counsel.shortened(file)
    for chat, until in {
        "ana-1": FIRST_DAY,
        "max-1": FIRST_DAY,
        "ana-2": parse_period("P40D").after(NOW),
    }.items():
        assert set(counsel.dates()[chat]) == {until}, chat


def test_what_was_shortened_is_erased_on_the_day_that_was_announced_and_not_before(
    counsel: Counsel,
) -> None:
    file = counsel.file(keep={"opted_in": "P10D", "opted_out": "P7D"})
    counsel.house.about(do.Hold, "max", "max-1", matter="case")
    counsel.shortened(file)
    for at, left in ((FIRST_DAY - timedelta.resolution, 4), (FIRST_DAY, 1)):
        counsel.house.now = at
        save(counsel.folder, SimulatedClock(at))
        swept = CliRunner(env=counsel.environment).invoke(main, ["sweep"])
        assert swept.exit_code == 0, swept.output
        assert (
            counsel.house.query("SELECT count(*) FROM segments WHERE erased_at IS NULL")[0][0]
            == left
        )
    kept = counsel.house.query("SELECT conversation_id FROM segments WHERE erased_at IS NULL")
    assert kept == [(counsel.house.chats["max-1"],)]


def test_a_shortening_is_listed_person_by_person_and_applied_by_the_plan_that_listed_it(
    counsel: Counsel,
) -> None:
    file, before = counsel.file(keep={"opted_in": "P10D", "opted_out": "P7D"}), counsel.dates()
    planned = counsel.json("plan", file, "--shorten-stored", "--limit", "2", code=2)
    sums, plan = planned["plan"]["shortening"], planned["plan_sha256"]
    assert (sums["accounts"], sums["conversations"], sums["segments"]) == (2, 3, 3)
    assert (sums["nearest"], sums["furthest"]) == ("2025-10-01T00:00:00Z", "2025-10-01T00:00:00Z")
    assert sums["due_at_first"] == 3
    listed = planned["dates"]["items"]
    more = counsel.json(
        "plan",
        file,
        "--shorten-stored",
        "--after",
        planned["dates"]["next"],
        "--plan",
        plan,
        code=2,
    )
    assert (len(listed), len(more["items"]), more["next"]) == (2, 1, None)
    assert counsel.dates() == before, "it was said, and not done"
    names = {f"conv_{conversation.hex}": chat for chat, conversation in counsel.house.chats.items()}
    said = {names[one["conversation"]]: one for one in listed + more["items"]}
    done = counsel.json("apply", file, "--shorten-stored", "--plan", plan)
    assert (done["shortened"], done["left_accounts"]) == (3, 0)
    for chat, (now,) in counsel.dates().items():
        assert now == (instant(said[chat]["becomes"]) if chat in said else before[chat][0]), chat
        assert chat not in said or [instant(said[chat]["keep_until"])] == before[chat]
    assert counsel.versions()[-1] == "new"


def test_the_plan_of_a_shortening_reads_as_what_it_does(counsel: Counsel) -> None:
    file = counsel.file(keep={"opted_in": "P10D", "opted_out": "P7D"})
    text = counsel.run("plan", file, code=2).stdout
    assert (
        "  ~ 3 stored segments get a nearer date only with --shorten-stored, which lists them"
        in text
    )
    text = counsel.run("plan", file, "--shorten-stored", code=2).stdout
    assert "only with --shorten-stored" not in text
    assert "stored segments get a nearer date by --shorten-stored: " in text
    assert "in 3 conversations of 2 accounts" in text
    ana = counsel.house.chats["ana-1"].hex
    assert (
        f"    conv_{ana} part 1, 3 turns: 2030-09-01T00:00:00Z -> 2025-10-01T00:00:00Z"
        in text.splitlines()
    )
    plan = counsel.json("plan", file, "--shorten-stored", code=2)["plan_sha256"]
    assert f"to shorten these dates and no others: --shorten-stored --plan {plan}" not in text, (
        "a plan is drawn anew"
    )


def test_a_shortening_without_its_own_plan_is_refused_and_nothing_is_applied(
    counsel: Counsel,
) -> None:
    file = counsel.file(keep={"opted_in": "P10D", "opted_out": "P7D"})
    without = counsel.json("plan", file, code=2)["plan_sha256"]
    error, hint = counsel.refused("apply", file, "--shorten-stored")
    assert error == "stored dates are shortened by the plan that showed them, which `--plan` names"
    assert hint == (
        "run `licet policy plan FILE --shorten-stored`, read it, and apply with the "
        "`--plan` that it prints"
    )
    assert (
        counsel.refused("apply", file, "--shorten-stored", "--plan", without)[0]
        == "that plan lists no stored dates"
    )
    old = counsel.json("plan", file, "--shorten-stored", code=2)["plan_sha256"]
    other = counsel.file("other", keep={"opted_in": "P20D", "opted_out": "P7D"})
    assert counsel.refused("apply", other, "--shorten-stored", "--plan", old)[0] == error, (
        "it was shown another change"
    )
    counsel.json("plan", file, "--shorten-stored", code=2)
    assert counsel.refused("apply", file, "--shorten-stored", "--plan", old)[0] == error, (
        "it was drawn again"
    )
    plan = counsel.json("plan", file, "--shorten-stored", code=2)["plan_sha256"]
    counsel.house.passes(PLAN_DAYS_MAX + 1)
    assert "older than" in counsel.refused("apply", file, "--shorten-stored", "--plan", plan)[0]
    counsel.run("plan", file, "--after", "x", code=64)
    counsel.run("plan", file, "--shorten-stored", "--after", "x", code=64)


def test_whoever_acts_after_the_plan_is_left_as_they_are_and_told_of(counsel: Counsel) -> None:
    file = counsel.file(keep={"opted_in": "P10D", "opted_out": "P7D"})
    plan = counsel.json("plan", file, "--shorten-stored", code=2)["plan_sha256"]
    counsel.house.passes(1)
    counsel.house.talk("max", "max-1")
    before = counsel.dates()
    done = counsel.run("apply", file, "--shorten-stored", "--plan", plan, code=1).stdout
    assert "2 stored segments shortened" in done
    assert (
        "1 account changed since the plan, and left as they are: plan the shortening again" in done
    )
    assert counsel.dates()["max-1"] == before["max-1"]
    assert set(counsel.dates()["ana-1"]) == {FIRST_DAY}
    assert counsel.shortened(file)["shortened"] == 1, "the next plan lists it"
    assert counsel.dates()["max-1"] != before["max-1"]


def test_a_shortening_that_was_stopped_goes_on_with_the_same_plan(
    counsel: Counsel, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = counsel.file(keep={"opted_in": "P10D", "opted_out": "P7D"})
    plan = counsel.json("plan", file, "--shorten-stored", code=2)["plan_sha256"]
    monkeypatch.setattr(policy_changes, "SHORTEN_ACCOUNTS_MAX", 1)
    shorten, done = policy_changes.shorten_batch, list[int]()

    def stopped(*given: Any, **more: Any) -> Any:
        if done and sum(done):
            raise BusyError("killed")
        batch = shorten(*given, **more)
        done.append(batch.segments)
        return batch

    monkeypatch.setattr(policy_changes, "shorten_batch", stopped)
    counsel.run("apply", file, "--shorten-stored", "--plan", plan, code=75)
    assert counsel.versions()[-1] == "new", "the version is applied, and a part is shortened"
    monkeypatch.setattr(policy_changes, "shorten_batch", shorten)
    again = counsel.json("apply", file, "--shorten-stored", "--plan", plan)
    assert (again["shortened"], again["left_accounts"]) == (3 - sum(done), 0)
    assert 0 < again["shortened"] < 3


# Files side by side


def test_diff_exits_2_with_changes_and_0_without(counsel: Counsel) -> None:
    one, two = (
        counsel.file("one"),
        counsel.file("two", scope={"plans": ["free", "max", "work"]}, material=True),
    )
    told = counsel.run("diff", one, two, code=2).stdout.splitlines()
    assert "+ scope.plans: nothing -> work" in told and "- scope.plans: pro -> nothing" in told
    assert "~ material: False -> True" in told
    assert told[-1].startswith("The new version widens `scope.plans` (adds work), and narrows")
    assert counsel.run("diff", one, one).stdout.strip() == "The two versions mean the same."


def test_the_schema_is_what_the_command_prints() -> None:
    assert json.loads(CliRunner().invoke(main, ["policy", "schema"]).stdout) == json.loads(
        schema_text()
    )
