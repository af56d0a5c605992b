"""A small model trained on a release with the gate on: it learns, forgets nobody's withdrawal, and
says what it is from.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import msgspec
import pytest
from click.testing import CliRunner
from pyroaring import BitMap
from tests.installed import House
from tests.verifier.shipped import bare, run, saved, shipped

from licet.cli.command import main
from licet.curate import release_build
from licet.erasure import certificates
from licet.errors import BusyError, NotFoundError, RefusedError, UsageError
from licet.policy.period import rfc3339
from licet.proof import documents
from licet.service import verification
from licet.store.connect import Pool
from licet.train import cards, consumption, gate_files, lineage, local_runs, run_marks, statement
from licet.train.recipe import (
    MASKED,
    TokenizedRow,
    TrainingSettings,
    UnfitRow,
    make_example,
    tokenize_rows,
    vocabulary,
)
from licet.vault import commands as do
from licet.vault.ids import Prefix, parse
from licet.verifier import Verdict

SMALL = TrainingSettings(
    steps=24, batch_rows=8, tokens_max=48, width=32, layers=1, heads=2, vocabulary=400
)
FRUITS = ("apple", "pear", "plum", "quince", "medlar", "cherry")


def town(pool: Pool, folder: Path) -> House:
    house = House(pool, folder)
    for n in range(20):
        name = f"p{n}"
        house.open(name, allow=True)
        for chat in (f"{name}-a", f"{name}-b"):
            fruit = FRUITS[n % len(FRUITS)]
            house.talk(
                name,
                chat,
                f"what grows in bed {n} of {chat}?",
                f"In that bed grows the {fruit} tree, {n} years old.",
            )
    house.passes(1)
    release_build.build_release(house.installation, name="october", purpose="improve_models")
    return house


class Trained:
    """One run for all tests that only look at it; somebody whose rows were used withdraws while it
    goes on.
    """

    def __init__(self, pool: Pool, folder: Path) -> None:
        # which are made
        self.house, self.out = town(pool, folder / "data"), folder / "models" / "small"
        self.steps: list[tuple[int, list[int]]] = []
        self.gone = ""
        self.made = local_runs.sft(
            self.house.installation, "october", self.out, settings=SMALL, on_step=self.heard
        )
        vkey, self.pem = lineage.public_keys(self.house.installation)
        self.keys = (vkey, gate_files.signer(self.house.installation).verifier.vkey)

    def heard(self, step: int, ordinals: Sequence[int]) -> None:
        self.steps.append((step, list(ordinals)))
        if step == SMALL.steps // 2:
            used = {ordinal for _, some in self.steps for ordinal in some}
            self.gone = next(name for name in self.house.accounts if self.ordinals(name) <= used)
            self.house.choose(self.gone, False)

    def ordinals(self, name: str) -> set[int]:
        return {
            row[0]
            for row in self.house.query(
                "SELECT ordinal FROM release_rows JOIN releases USING (release_id) WHERE "
                "account_id = %s AND name = 'october'",
                self.house.accounts[name],
            )
        }


@pytest.fixture(scope="module")
def trained(
    worker_pool: Pool, worker_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    from tests.conftest import empty_tables

    empty_tables(worker_dsn)
    return Trained(worker_pool, tmp_path_factory.mktemp("trained"))


# Learning


def test_it_learns_the_loss_of_people_who_are_not_in_training_falls(trained: Trained) -> None:
    seen = trained.made.trained
    assert seen.parameters < 1_000_000
    assert seen.held_out_before is not None
    assert seen.held_out_after is not None
    assert seen.held_out_after < 0.8 * seen.held_out_before
    assert trained.made.held_out_people >= 1
    assert seen.held_out_rows + seen.rows + seen.unfit == 40


def test_a_small_model_has_the_shape_that_its_settings_say(trained: Trained) -> None:
    """And room for 512 tokens, or for the longest row where that is more."""
    made = json.loads((trained.out / "config.json").read_text("utf-8"))
    shape = (
        made["hidden_size"],
        made["intermediate_size"],
        made["num_hidden_layers"],
        made["num_attention_heads"],
    )
    assert shape == (SMALL.width, SMALL.width * 8 // 3, SMALL.layers, SMALL.heads)
    assert (made["num_key_value_heads"], made["max_position_embeddings"]) == (SMALL.heads, 512)
    assert made["tie_word_embeddings"] is True


def test_the_software_of_a_run_is_what_is_installed_of_it() -> None:
    assert local_runs.list_versions(["pytest", "no-such-library"]) == {
        "licet": version("licet"),
        "pytest": version("pytest"),
    }


def test_nobody_who_is_held_out_is_consumed(trained: Trained) -> None:
    learnt = consumption.read_record(trained.out / consumption.FILE).ordinals
    people = [trained.ordinals(name) for name in trained.house.accounts]
    assert all(mine <= set(learnt) or not mine & set(learnt) for mine in people)
    assert sum(not mine & set(learnt) for mine in people) == trained.made.held_out_people


def test_who_withdraws_during_the_run_is_in_no_later_step(trained: Trained) -> None:
    gone, half = trained.ordinals(trained.gone), SMALL.steps // 2
    before = {o for step, ordinals in trained.steps if step <= half for o in ordinals}
    after = {o for step, ordinals in trained.steps if step > half for o in ordinals}
    assert len(trained.steps) == SMALL.steps + 1
    assert gone <= before
    assert not gone & after


def test_the_loss_counts_the_assistant_s_words_alone() -> None:
    tokenizer = vocabulary(["how are you", "very well"], 300)
    row: Any = {
        "messages": [
            {"role": "user", "content": "how are you"}, {"role": "assistant", "content": "very well"},
            {"role": "user", "content": "good"}, {"role": "assistant", "content": "yes"},
        ],
        "ordinal": 3, "row_id": "",
    }  # fmt: skip
    made = make_example(tokenizer, row, 500)
    assert isinstance(made, TokenizedRow)
    counted = [token for token in made.labels.tolist() if token != MASKED]
    assert tokenizer.decode(counted) == "very well<|end|>yes<|end|>"
    assert make_example(tokenizer, row, 4) is UnfitRow.long


def template_of(name: str) -> Any:
    import trl

    tokenizer = vocabulary(["how are you", "very well, thank you", "yes"], 400)
    tokenizer.chat_template = (
        Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja"
    ).read_text("utf-8")
    tokenizer.bos_token = "<|pad|>"
    return tokenizer


ALTERNATING: Any = (
    {"role": "user", "content": "how are you"}, {"role": "assistant", "content": "very well"},
    {"role": "user", "content": "good"}, {"role": "assistant", "content": "yes"},
)  # fmt: skip
CALLED: Any = {
    "id": "c",
    "type": "function",
    "function": {"name": "look", "arguments": '{"at": "sky"}'},
}
WITH_TOOLS: Any = (
    {"role": "user", "content": "how"}, {"role": "assistant", "content": "", "tool_calls": [CALLED]},
    {"role": "tool", "content": "blue", "tool_call_id": "c"}, {"role": "assistant", "content": "blue"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("template", "learnt"),
    [
        ("gemma", "very well<end_of_turn>\nyes<end_of_turn>\n"),
        ("qwen3", "<think>\n\n</think>\n\nyes<|im_end|>\n"),
        ("llama3_1", "very well<|eot_id|>yes<|eot_id|>"),
    ],
)
def test_a_row_is_read_by_templates_that_demand_alternation_and_by_those_that_think(
    template: str, learnt: str
) -> None:
    """Two messages of one side in a row ended a run of Gemma's, and Qwen3 writes an answer
    otherwise once another follows.
    """
    tokenizer = template_of(template)
    twice = [*ALTERNATING[:2], {"role": "user", "content": "so"}, *ALTERNATING[2:]]
    for said in (ALTERNATING, twice):
        made = make_example(tokenizer, {"messages": list(said), "ordinal": 3, "row_id": ""}, 500)
        assert isinstance(made, TokenizedRow)
        assert (
            tokenizer.decode([token for token in made.labels.tolist() if token != MASKED]) == learnt
        )


def test_what_a_template_does_not_take_is_counted_and_ends_no_run() -> None:
    rows: Any = [
        {"messages": list(said), "ordinal": n, "row_id": ""}
        for n, said in enumerate((WITH_TOOLS, ALTERNATING))
    ]
    silent: Any = {"messages": [ALTERNATING[0]], "ordinal": 2, "row_id": ""}
    made, unfit = tokenize_rows(template_of("gemma"), [*rows, silent], 500)
    assert ([one.ordinal for one in made], unfit) == (
        [1],
        {UnfitRow.template: 1, UnfitRow.silent: 1},
    )
    made, unfit = tokenize_rows(template_of("qwen3"), rows, 500)
    assert ([one.ordinal for one in made], unfit.total()) == ([0, 1], 0)
    own = vocabulary(["blue"], 300)
    (learnt, _), _ = tokenize_rows(own, rows, 500)
    assert '<|assistant|>\nlook {"at": "sky"}<|end|><|tool|>blue<|end|>' in own.decode(
        learnt.tokens.tolist()
    )


@pytest.mark.parametrize(
    "refused", ["add_generation_prompt and messages|length > 1", "messages|length > 3"]
)
def test_a_template_that_refuses_a_part_of_a_conversation_does_not_take_it(refused: str) -> None:
    """It writes an answer otherwise where it is asked for one, so that only the last answer could
    be learnt.
    """
    tokenizer = vocabulary(["how are you", "very well", "good", "yes"], 300)
    tokenizer.chat_template = (
        "{% if "
        + refused
        + " %}{{ raise_exception('no') }}{% endif %}{% if add_generation_prompt %}>{% endif %}"
        "{% for message in messages %}{{ message.content }}{% endfor %}"
    )
    row: Any = {"messages": list(ALTERNATING), "ordinal": 3, "row_id": ""}
    assert make_example(tokenizer, row, 500) is UnfitRow.template


def test_a_row_is_learnt_from_where_one_token_of_an_answer_follows_another_token() -> None:
    tokenizer = vocabulary(["q", "a"], 300)
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    asked, said = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
    made = make_example(
        tokenizer, cast("Any", {"messages": [asked, said], "ordinal": 3, "row_id": ""}), 500
    )
    assert isinstance(made, TokenizedRow)
    assert (len(made.tokens), made.labels.tolist()[0]) == (2, MASKED)
    alone = make_example(
        tokenizer, cast("Any", {"messages": [said], "ordinal": 3, "row_id": ""}), 500
    )
    assert alone is UnfitRow.silent, "nothing stands before its first token"


def test_a_base_of_one_s_own_goes_on_learning(trained: Trained, tmp_path: Path) -> None:
    settings = TrainingSettings(steps=2, batch_rows=4, tokens_max=48, learning_rate=1e-3)
    made = local_runs.sft(
        trained.house.installation,
        "october",
        tmp_path / "next",
        base=trained.out,
        settings=settings,
    )
    assert made.trained.held_out_before == pytest.approx(
        trained.made.trained.held_out_after, rel=1e-3
    )
    signed = (tmp_path / "next" / statement.FILE).read_bytes()
    content = statement.verify(signed, lineage.signing_key(trained.house.installation)[0])
    sources = {
        one["name"] for one in content["predicate"]["buildDefinition"]["resolvedDependencies"]
    }
    assert sources == {"release", "base", "recipe", "gate-first"}
    assert "base_model: small" in (tmp_path / "next" / cards.CARD_FILE).read_text("utf-8")


def test_a_release_for_the_safety_classifiers_makes_no_language_model(
    trained: Trained, tmp_path: Path
) -> None:
    release_build.build_release(
        trained.house.installation, name="safety", purpose="safety_classifiers"
    )
    with pytest.raises(RefusedError, match="safety_classifiers"):
        local_runs.sft(trained.house.installation, "safety", tmp_path / "out")
    with pytest.raises(UsageError, match="not the folder of a model"):
        local_runs.sft(trained.house.installation, "october", tmp_path / "out", base=tmp_path)


# From the model to people, and back


def test_a_model_holds_what_it_promises_offline_with_and_without_its_release(
    trained: Trained,
) -> None:
    release = trained.house.installation.config.releases / "october"
    for folder in (None, release):
        assert verification.verify(trained.out, trained.keys, release=folder).broken == ()


def test_no_word_of_anybody_s_is_beside_the_weights(trained: Trained) -> None:
    for name in (
        cards.CARD_FILE,
        cards.BOM_FILE,
        statement.FILE,
        statement.SIGNATURE_FILE,
        consumption.FILE,
    ):
        data = (trained.out / name).read_bytes().lower()
        assert not any(fruit.encode() in data for fruit in FRUITS), name


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", consumption.FILE, cards.CARD_FILE, statement.FILE, "release.json", "new"],
)
def test_a_model_s_folder_that_was_changed_is_found_out(
    trained: Trained, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(trained.out, folder)
    data = (folder / name).read_bytes() if name != "new" else b""
    changed = data.replace(b'"sig":"', b'"sig":"AAAA') if name == statement.FILE else data + b" "
    (folder / name).write_bytes(changed)
    assert verification.verify(folder, trained.keys).broken


def test_a_model_is_believed_by_the_keys_that_one_was_given_alone(trained: Trained) -> None:
    for key, prints in zip(trained.keys, ("licet train gate-key", "licet models key"), strict=True):
        found = verification.verify(trained.out, (key,))
        assert (found.answer, found.exit_code, found.broken) == (Verdict.unproved, 3, ())
        assert prints in found.lacks[0][1]
    other = statement.signer(trained.keys[0].split("+")[0], b"7" * 32).verifier.vkey
    assert verification.verify(trained.out, (other, trained.keys[1])).broken


def test_a_person_and_a_conversation_find_the_models_that_learnt_from_them(
    trained: Trained,
) -> None:
    installation = trained.house.installation
    learnt = set(consumption.read_record(trained.out / consumption.FILE).ordinals)
    for name in trained.house.accounts:
        mine = trained.ordinals(name)
        rows = [
            one.rows
            for one in lineage.which_models(installation, name)
            if one.model == trained.made.model
        ]
        assert rows == ([len(mine)] if mine <= learnt else [])
    chat = trained.house.chats[f"{trained.gone}-a"]
    assert trained.made.model in [
        one.model for one in lineage.which_models(installation, f"conv_{chat.hex}")
    ]
    with pytest.raises(NotFoundError):
        lineage.which_models(installation, "conv_" + "0" * 32)


def test_a_model_is_affected_by_what_is_withdrawn_or_erased_after_it_until_it_is_retired(
    trained: Trained,
) -> None:
    house, model = trained.house, trained.made.model
    house.passes(1)

    def found(since: bool = False) -> list[lineage.Affected]:
        at = house.clock() if since else None
        return [
            one for one in lineage.models_affected(house.installation, at) if one.model == model
        ]

    learnt = set(consumption.read_record(trained.out / consumption.FILE).ordinals)
    (before,) = found()
    assert (before.withdrawn, before.people, before.erased) == (2, 1, 0)
    assert found(since=True) == []
    who = next(n for n in house.accounts if trained.ordinals(n) <= learnt and n != trained.gone)
    house.about(do.Delete, who, f"{who}-a")
    (after,) = found(since=True)
    assert (after.withdrawn, after.people, after.erased) == (1, 1, 0)
    certificates.advance_erasures(house.installation, at_once=True)
    assert found()[0].erased == 1
    assert [lineage.affected_by_model(house.installation, parse(Prefix.model, model))] == found()
    # what was consumed before stays as it was
    assert verification.verify(trained.out, trained.keys).broken == ()
    retired = lineage.retire(
        house.installation, model, actor="user:ana", reason="its weights are deleted"
    )
    assert (retired.retired_at is not None, retired.retired_by) == (True, "user:ana")
    again = lineage.retire(house.installation, model, actor="user:bo", reason="once more")
    assert again == retired, "a repetition changes nothing"
    assert found() == []
    kept = lineage.affected_by_model(house.installation, parse(Prefix.model, model))
    assert kept is not None and kept.erased == 1, "of one model it is told although that is retired"


def test_a_model_is_on_record_once_and_a_changed_one_is_not_taken(
    trained: Trained, tmp_path: Path
) -> None:
    assert lineage.record(trained.house.installation, trained.out).model == trained.made.model
    assert [one.name for one in lineage.list_models(trained.house.installation)].count("small") == 1
    shutil.copytree(trained.out, tmp_path / "copy")
    (tmp_path / "copy" / "config.json").write_bytes(b"{}")
    with pytest.raises(RefusedError, match=r"config\.json"):
        lineage.record(trained.house.installation, tmp_path / "copy")


def test_a_model_of_a_release_that_is_another_one_here_is_not_taken(trained: Trained) -> None:
    """The same id with another manifest: rows that the record numbers would be other people's."""
    change = "UPDATE releases SET manifest_sha256 = %s WHERE name = 'october' RETURNING 1"
    ((was,),) = trained.house.query("SELECT manifest_sha256 FROM releases WHERE name = 'october'")
    trained.house.query(change, bytes(32))
    try:
        with pytest.raises(RefusedError, match="is not the one that the model names"):
            lineage.record(trained.house.installation, trained.out)
    finally:
        trained.house.query(change, was)
    assert lineage.record(trained.house.installation, trained.out).model == trained.made.model


def test_the_bill_of_materials_says_what_the_model_is_made_of(trained: Trained) -> None:
    made = json.loads((trained.out / cards.BOM_FILE).read_text("utf-8"))
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.7")
    model = made["metadata"]["component"]
    assert (model["type"], model["modelCard"]["modelParameters"]["datasets"]) == (
        "machine-learning-model",
        [{"ref": "release"}],
    )
    (release,) = [
        one
        for one in made["components"]
        if one["bom-ref" if "bom-ref" in one else "name"] == "release"
    ]
    assert release["data"][0]["classification"].startswith("personal data")
    assert (
        rfc3339(lineage.list_models(trained.house.installation)[-1].finished_at)
        == made["metadata"]["timestamp"]
    )


def test_the_commands_answer_as_the_verbs_do(trained: Trained, worker_dsn: str) -> None:
    run = CliRunner(env={"LICET_DATABASE_URL": worker_dsn})

    def told(*words: str) -> tuple[int, str]:
        done = run.invoke(main, [*words])
        return done.exit_code, done.stdout

    data = ("--data", str(trained.house.installation.config.data))
    code, models = told("models", "list", *data, "--json")
    assert (code, trained.made.model in [one["model"] for one in json.loads(models)]) == (0, True)
    code, found = told("models", "trace", trained.gone, *data, "--json")
    assert (code, trained.made.model in [one["model"] for one in json.loads(found)]) == (0, True)
    assert told("models", "affected", *data, "--json")[0] in (0, 1)
    assert told("models", "key", *data) == (0, trained.keys[0] + "\n")
    assert told("models", "key", "--pem", *data) == (0, trained.pem)
    keys = ("--key", trained.keys[0], "--key", trained.keys[1])
    code, checked = told("verify", "model", str(trained.out), *keys, "--json")
    assert (code, json.loads(checked)["answer"], json.loads(checked)["broken"]) == (
        4,
        "consistent",
        [],
    )
    assert (
        told(
            "export",
            "release",
            "october",
            "--format",
            "trl",
            "--to",
            "broker",
            "--out",
            "nowhere",
            *data,
        )[0]
        == 1
    )
    assert told("export", "list", *data) == (0, "nothing was exported\n")


@pytest.mark.parametrize(
    ("ordinal", "with_release", "promise"),
    [
        (60_000, False, "is not in the release"),
        (45_000, True, "is not in the release"),
        (None, False, "was not withdrawn before"),
    ],
)
def test_a_record_that_its_own_signer_made_false_is_found_out(
    trained: Trained, tmp_path: Path, ordinal: int | None, with_release: bool, promise: str
) -> None:
    folder = tmp_path / "forged"
    shutil.copytree(trained.out, folder)
    gone = min(trained.ordinals(trained.gone)) if ordinal is None else ordinal
    record = consumption.read_record(folder / consumption.FILE)
    last = next(frame for frame in reversed(record.frames) if isinstance(frame, consumption.Steps))
    assert last.number > 0
    body = (
        consumption.FORMAT
        + (folder / consumption.FILE)
        .read_bytes()
        .partition(b"\n")[0]
        .removeprefix(consumption.FORMAT)
        + b"\n"
    )
    for frame in record.frames:
        if isinstance(frame, consumption.GateState):
            body += consumption.encode_frame(
                consumption.encode_gate_state(frame.signed, frame.added)
            )
        else:
            rows = frame.ordinals | BitMap([gone] if frame is last else [])
            body += consumption.encode_frame(
                consumption.encode_steps(frame.number, frame.first, frame.last, rows)
            )
    (folder / consumption.FILE).write_bytes(body)
    key, seed = lineage.signing_key(trained.house.installation)
    content = statement.verify((folder / statement.FILE).read_bytes(), key)
    for one in content["predicate"]["runDetails"]["byproducts"]:
        if one["name"] == consumption.FILE:
            one["digest"]["sha256"] = sha256(body).hexdigest()
    (folder / statement.FILE).write_bytes(statement.sign_statement(content, key, seed))
    release = trained.house.installation.config.releases / "october" if with_release else None
    broken = [what for _, what in verification.verify(folder, trained.keys, release=release).broken]
    assert [what for what in broken if promise in what], broken


def lying_about(folder: Path, trained: Trained, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the statement, and signs it anew with the models' own key."""
    key, seed = lineage.signing_key(trained.house.installation)
    content = statement.verify((folder / statement.FILE).read_bytes(), key)
    change(content)
    (folder / statement.FILE).write_bytes(statement.sign_statement(content, key, seed))


def source_of(content: dict[str, Any], name: str) -> dict[str, Any]:
    predicate = content["predicate"]
    named = [
        *predicate["buildDefinition"]["resolvedDependencies"],
        *predicate["runDetails"]["byproducts"],
    ]
    found: dict[str, Any] = next(one for one in named if one["name"] == name)
    return found


MODEL_LIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a file that is not there": lambda said: said["subject"].append(
        {"name": "more.bin", "digest": {"sha256": "0" * 64}}
    ),
    "a file that is not named": lambda said: said["subject"].pop(),
    "another hash of the weights": lambda said: said["subject"][0]["digest"].update(
        sha256="0" * 64
    ),
    "another release": lambda said: source_of(said, "release")["digest"].update(sha256="0" * 64),
    "no release": lambda said: source_of(said, "release").update(name="other"),
    "another first state": lambda said: source_of(said, "gate-first")["annotations"].update(
        number=7
    ),
    "a later end of the last state": lambda said: source_of(said, "gate-last")[
        "annotations"
    ].update(until="2031-01-01T00:00:00Z"),
    "no last state": lambda said: source_of(said, "gate-last").update(name="results"),
    "a number that is a word": lambda said: source_of(said, "gate-last")["annotations"].update(
        rows=True
    ),
    "another type": lambda said: said.update(predicateType="https://slsa.dev/provenance/v2"),
    "a field that has no level": lambda said: said.update(more=1),
}


@pytest.mark.parametrize("lie", MODEL_LIES.values(), ids=MODEL_LIES)
def test_a_statement_that_the_models_key_signed_falsely_is_contradicted_by_the_one_file(
    trained: Trained, tmp_path: Path, lie: Callable[[dict[str, Any]], object]
) -> None:
    folder = tmp_path / "lying"
    shutil.copytree(trained.out, folder)
    keys = [shipped().read_key(key) for key in trained.keys]
    assert shipped().check_model(shipped().FolderFiles(folder), keys).answer == "consistent"
    lying_about(folder, trained, lie)
    assert shipped().check_model(shipped().FolderFiles(folder), keys).answer == "contradicted"


def test_a_stranger_verifies_a_model_with_the_one_file_and_nothing_else(
    trained: Trained, tmp_path: Path
) -> None:
    """With its release and the log of that, which is then proved; the model itself is in no log."""
    house, file, python = trained.house, saved(tmp_path), bare(tmp_path / "python")
    release = house.installation.config.releases / "october"
    keys = [word for key in trained.keys for word in ("--key", key)]
    done = run(file, "model", trained.out, *keys, "--json", python=python)
    found = json.loads(done.stdout)
    assert (done.returncode, found["answer"], found["findings"], found["lacks"]) == (
        4,
        "consistent",
        [],
        [],
    )
    assert not any("proved" in levels.values() for levels in found["fields"].values())
    documents.append(house.installation)
    documents.publish(house.installation, tmp_path / "log")
    log, key = tmp_path / "log", documents.key(house.installation).vkey
    call = ("model", trained.out, *keys, "--release", release, "--log", log, "--key", key, "--json")
    done = run(file, *call, python=python)
    found = json.loads(done.stdout)
    assert (done.returncode, found["answer"]) == (4, "consistent"), done.stdout
    assert {part["what"]: part["answer"] for part in found["parts"]}["release"] == "proved"
    assert run(file, "model", trained.out, "--key", key, python=python).returncode == 3
    (tmp_path / "lying").mkdir()
    shutil.copytree(release, tmp_path / "lying" / "october")
    other = tmp_path / "lying" / "october" / "manifest.json"
    other.write_bytes(other.read_bytes().replace(b'"name":"october"', b'"name":"octobre"'))
    call = ("model", trained.out, *keys, "--release", other.parent)
    assert run(file, *call, python=python).returncode == 1


# A run that fails


def test_where_torch_is_missing_the_command_names_what_installs_it_and_leaves_no_folder(
    trained: Trained, worker_dsn: str, tmp_path: Path
) -> None:
    without = "import sys; sys.modules['torch'] = None; from licet.cli import main; main()"
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            without,
            "train",
            "sft",
            "october",
            "--out",
            str(tmp_path / "model"),
        ],
        env={
            **os.environ,
            "LICET_DATABASE_URL": worker_dsn,
            "LICET_DATA": str(trained.house.installation.config.data),
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 64, ran.stderr
    assert "error: `torch` is not installed\nhint: `./run setup train` installs it" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_gives_its_place_back_and_keeps_what_it_consumed_beside(
    trained: Trained, tmp_path: Path
) -> None:
    out, fails_at = tmp_path / "model", [1]

    def heard(step: int, _ordinals: Sequence[int]) -> None:
        if step >= fails_at[0]:
            raise BusyError("the power went")

    for times in (1, 2):
        with pytest.raises(BusyError, match="the power went"):
            local_runs.sft(
                trained.house.installation, "october", out, settings=SMALL, on_step=heard
            )
        assert not out.exists()
        assert consumption.read_record(
            tmp_path / f"model.failed-{times}" / consumption.FILE
        ).ordinals
    fails_at[0] = SMALL.steps + 1
    assert (
        local_runs.sft(
            trained.house.installation, "october", out, settings=SMALL, on_step=heard
        ).folder
        == out
    )


def test_a_run_that_consumed_nothing_leaves_nothing(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no word of the assistant's is within the tokens"):
        local_runs.sft(
            trained.house.installation,
            "october",
            tmp_path / "model",
            base=trained.out,
            settings=msgspec.structs.replace(SMALL, tokens_max=8),
        )
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from licet.config import Configuration
from licet.train import local_runs
from licet.train.recipe import TrainingSettings
from licet.vault.installation import open_installation
settings = TrainingSettings(steps=24, batch_rows=8, tokens_max=48, width=32, layers=1, heads=2, vocabulary=400)
def heard(step, ordinals):
    if step >= 2:
        os.kill(os.getpid(), signal.SIGKILL)
with open_installation(Configuration.from_environment(os.environ, Path(sys.argv[1]))) as installation:
    local_runs.sft(installation, "october", Path(sys.argv[2]), settings=settings, on_step=heard)
"""


def test_a_run_that_was_killed_is_named_and_the_same_command_begins_again(
    trained: Trained, worker_dsn: str, tmp_path: Path
) -> None:
    data, out = trained.house.installation.config.data, tmp_path / "model"
    run = CliRunner(env={"LICET_DATABASE_URL": worker_dsn})
    lists = [("models", "list", "--data", str(data)), ("status", "--data", str(data))]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(data), str(out)],
        env={**os.environ, "LICET_DATABASE_URL": worker_dsn},
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert (killed.returncode, (out / statement.FILE).exists()) == (-signal.SIGKILL, False), (
        killed.stderr
    )
    for words in lists:
        assert f"{out}: on october since" in run.invoke(main, words).stdout

    def left() -> list[run_marks.UnfinishedRun]:  # other tests' runs leave some, too
        return [one for one in run_marks.list_unfinished(data) if one.folder.parent == tmp_path]

    (named,) = left()
    assert (named.folder, named.is_running) == (out, False)
    living: list[bool] = []
    local_runs.sft(
        trained.house.installation,
        "october",
        out,
        settings=SMALL,
        on_step=lambda *_: living.append(any(one.is_running for one in left())),
    )
    assert (out / statement.FILE).exists() and all(living)
    aside = tmp_path / "model.failed-1"
    assert consumption.parse((aside / consumption.FILE).read_bytes())[0].ordinals, (
        "what it used stays on record"
    )
    assert [one.folder for one in left()] == [aside]
    shutil.rmtree(aside)
    for words in lists:
        assert str(tmp_path) not in run.invoke(main, words).stdout.replace(str(data), "")


def test_a_folder_that_no_run_left_is_not_touched(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").write_text("kept")
    with pytest.raises(UsageError, match="already exists"):
        local_runs.sft(trained.house.installation, "october", tmp_path / "model", settings=SMALL)
    with (
        run_marks.mark_running(
            trained.house.installation.config.data,
            uuid4(),
            run_marks.RunMark(
                folder=str(tmp_path / "model"), release="october", started_at=trained.house.clock()
            ),
        ),
        pytest.raises(UsageError, match="another run is writing"),
    ):
        local_runs.sft(trained.house.installation, "october", tmp_path / "model", settings=SMALL)
    assert (tmp_path / "model" / "mine").read_text() == "kept"
