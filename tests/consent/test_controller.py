"""Who is responsible is asked for, stands in every receipt, and nobody else is served before it is
stated.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from licet import doctor
from licet.cli.install import SEVERAL
from licet.config import Configuration, Web
from licet.consent import controller, operator_answers
from licet.consent.controller import Controller
from licet.errors import InputError, RefusedError
from licet.proof import documents
from licet.proof.receipt import NOT_STATED, RIGHTS
from licet.vault.installation import Installation
from licet.web import serve

from ..forking import FORKED, STARTED
from ..installed import House

LICET = STARTED
STATED = Controller(
    name='Example "& Sons" Ltd: data',
    address="1 Example Street, Dublin",
    contact="privacy@example.org",
    jurisdictions=("IE", "NO"),
    storage_locations=("IE",),
    withdrawal_url="https://example.org/privacy",
    joint_controllers=("Labs GmbH, privacy@labs.example", "Third Ltd"),
    representative=False,
    dpo="Dana, dpo@example.org",
    papers={
        "licensed_data": False,
        "service_description": "A helper: it answers\nquestions.",
        "continuous_training": True,
    },
)
OPTIONS = [
    "--controller-name", "Example Ltd", "--controller-address", "1 Example Street, Dublin", "--controller-contact",
    "privacy@example.org", "--controller-jurisdiction", "IE", "--controller-jurisdiction", "NO", "--controller-storage", "IE",
]  # fmt: skip


@pytest.fixture
def house(house: House) -> House:
    house.open("ana", allow=True)
    return house


def licet(data: Path, dsn: str, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LICET_DATABASE_URL": dsn, "LICET_DATA": str(data)}
    return subprocess.run(
        [FORKED, *words], env=environment, capture_output=True, text=True, timeout=600, **more
    )


def receipt(house: House) -> dict[str, Any]:
    return documents.receipts(house.installation, house.accounts["ana"])[-1].payload


def nulls(value: object, path: str = "") -> Iterator[str]:
    """Where a document states nothing: null, an empty text or an empty list."""
    if value is None or value == "" or value == []:
        yield path
    for key, inner in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value if isinstance(value, list) else ())
    ):
        yield from nulls(inner, f"{path}/{key}")


# What a receipt says


def test_a_receipt_of_a_fresh_installation_states_no_null_of_who_is_responsible(
    house: House,
) -> None:
    record = receipt(house)["record"]
    assert [place for place in nulls(record["parties"]) if place] == []
    (one, other), places = record["processes"], ("jurisdiction", "privacy_rights")
    for process in (one, other):
        assert {p.split("/")[1] for p in nulls(process)} <= {"recipient_third_parties"}, (
            "to nobody: an empty list"
        )
        assert process["storage_locations"] == [NOT_STATED]
        assert "privacy settings" in process["withdrawal_method"]
    assert record["parties"][0]["party_name"] == NOT_STATED
    assert [list(nulls(record[place])) for place in places] == [[], []]


def test_what_the_operator_states_stands_in_every_receipt(house: House) -> None:
    controller.write(house.installation.config.controller, STATED)
    record = receipt(house)["record"]
    party, process = record["parties"][0], record["processes"][0]
    assert (party["party_name"], party["party_address"]) == (STATED.name, STATED.address)
    assert (party["party_contact"], record["jurisdiction"]) == (STATED.contact, ["IE", "NO"])
    assert (process["storage_locations"], process["withdrawal_method"]) == (
        ["IE"],
        STATED.withdrawal_url,
    )


def test_a_receipt_says_that_special_categories_may_occur_and_names_every_right(
    house: House,
) -> None:
    record = receipt(house)["record"]
    for process in record["processes"]:
        (information,) = process["pii_information"]
        assert (information["special_pii_category"], information["sensitive_pii_category"]) == (
            "may occur",
            "may occur",
        )
    named = {
        "withdraw": "A7-3",
        "access": "A15",
        "rectify": "A16",
        "erase": "A17",
        "restrict": "A18",
        "move": "A20",
    }
    assert set(RIGHTS) == {*named.values(), "A21", "A77"}
    assert record["privacy_rights"] == [f"eu-gdpr:{right}" for right in RIGHTS]


def test_a_permission_is_taken_back_on_the_settings_page_unless_the_operator_says_elsewhere(
    house: House,
) -> None:
    installation = house.installation
    at = Installation(
        config=Configuration(
            data=installation.config.data, web=Web(url="https://licet.example.org/")
        ),
        pool=installation.pool,
        keyring=installation.keyring,
        clock=installation.clock,
    )
    assert documents.controller(at).withdrawal_url == "https://licet.example.org/settings"
    controller.write(installation.config.controller, STATED)
    assert documents.controller(at).withdrawal_url == STATED.withdrawal_url


# The file


def test_the_file_reads_as_it_was_written_and_an_empty_one_says_what_is_missing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "controller.yaml"
    assert controller.read_controller(file) == Controller()
    controller.write(file, STATED)
    assert controller.read_controller(file) == STATED
    assert STATED.missing == ()
    controller.write(file, Controller())
    assert controller.read_controller(file) == Controller()
    assert Controller().missing == (
        "name",
        "address",
        "contact",
        "jurisdictions",
        "storage_locations",
    )
    assert all(meaning in file.read_text() for meaning in controller.MEANING.values())
    assert all(f"  {key}:" in file.read_text() for key in operator_answers.ASKED)


def test_what_nobody_answered_is_unanswered_and_a_no_is_an_answer() -> None:
    assert Controller().unanswered == (
        *controller.PARTIES,
        *(f"papers.{key}" for key in operator_answers.ASKED),
    )
    left = set(operator_answers.ASKED) - set(STATED.papers)
    assert set(STATED.unanswered) == {f"papers.{key}" for key in left}
    empty = controller.validate(Controller(papers={"licensed_data": "  "}, representative=" "))
    assert (dict(empty.papers), empty.representative) == ({}, None)
    assert (
        controller.validate(
            Controller(representative="No", joint_controllers=("no",))
        ).joint_controllers
        is False
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nmae: Example Ltd", "nmae"),
        ("- name", "Expected `object`"),
        ("jurisdictions: [Ireland]", "key `jurisdictions`: `Ireland` is not a country code"),
        ("storage_locations: ie", "Expected `array`"),
        ("withdrawal_url: our page", "key `withdrawal_url`: `our page` is not a URL"),
        (
            "contact: nobody",
            "key `contact`: `nobody` is neither an e-mail address nor a URL",
        ),
        ("name: " + "x" * 501, "key `name`: is longer than 500"),
        ("name: [", "cannot be read"),
        ("dpo: yes", "key `dpo`: `yes` names nobody"),
        ("papers: {licenced_data: no}", "key `papers.licenced_data`: unknown key"),
        ("papers: {benefits: " + "x" * 4001 + "}", "key `papers.benefits`: has 4001 characters"),
        ("papers: {benefits: 3}", "cannot be read"),
    ],
)
def test_a_mistake_in_the_file_names_the_place_and_the_mend(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "controller.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        controller.read_controller(file)
    assert words in caught.value.message
    assert str(file) in caught.value.message
    assert caught.value.hint


# The commands


def test_init_writes_what_its_options_state(dsn: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = licet(data, dsn, "init", *OPTIONS)
    assert done.returncode == 0, done.stderr
    assert "missing" not in done.stdout
    stated = controller.read_controller(data / "controller.yaml")
    assert (stated.name, stated.jurisdictions, stated.missing) == ("Example Ltd", ("IE", "NO"), ())
    assert controller_finding(data, dsn)["state"] == "well"
    papers = controller_finding(data, dsn, "papers")
    assert (papers["state"], "joint_controllers the first" in papers["seen"]) == ("warning", True)
    answers = dict.fromkeys(operator_answers.ASKED, False)
    controller.write(data / "controller.yaml", msgspec.structs.replace(STATED, papers=answers))
    assert controller_finding(data, dsn, "papers")["state"] == "well"


def test_init_without_options_leaves_a_file_to_fill_in_and_the_doctor_fails_until_it_is(
    dsn: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    done = licet(data, dsn, "init", stdin=subprocess.DEVNULL)
    assert (
        f"fill in name, address, contact, jurisdictions, storage_locations in {data}" in done.stdout
    )
    found = controller_finding(data, dsn)
    assert (found["state"], str(data / "controller.yaml") in found["mend"]) == ("broken", True)
    controller.write(data / "controller.yaml", STATED)
    assert controller_finding(data, dsn)["state"] == "well"


def controller_finding(data: Path, dsn: str, what: str = "controller") -> dict[str, str]:
    done = licet(data, dsn, "doctor", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == (1 if any(one["state"] == "broken" for one in found) else 0)
    return next(one for one in found if one["what"] == what)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (OPTIONS[:2], "the controller is not complete: address, contact, jurisdictions"),
        ([*OPTIONS, "--controller-jurisdiction", "Eire"], "`Eire` is not a country code"),
    ],
)
def test_init_refuses_half_a_statement_and_makes_nothing(
    dsn: str, tmp_path: Path, options: list[str], words: str
) -> None:
    done = licet(tmp_path / "data", dsn, "init", *options)
    assert (done.returncode, words in done.stderr) == (64, True), done.stderr
    assert not (tmp_path / "data").exists()


def test_init_asks_at_a_terminal_and_asks_again_for_a_wrong_answer(
    dsn: str, tmp_path: Path
) -> None:
    main, side = pty.openpty()
    environment = {**os.environ, "LICET_DATABASE_URL": dsn, "LICET_DATA": str(tmp_path / "data")}
    with subprocess.Popen(
        [*LICET, "init"], env=environment, stdin=side, stdout=side, stderr=side
    ) as asking:
        os.close(side)
        os.write(
            main,
            b"Example Ltd\n1 Example Street\nprivacy@example.org\nIreland\nie\nIE NO\n\n\nno\n\nDana, dpo@example.org\n",
        )
        said = b""
        while chunk := _read(main):
            said += chunk
        assert asking.wait(600) == 0, said
    os.close(main)
    assert said.count(b"is not a country code") == 2
    stated = controller.read_controller(tmp_path / "data" / "controller.yaml")
    assert (stated.name, stated.jurisdictions, stated.missing) == (
        "Example Ltd",
        ("IE", "NO"),
        ("storage_locations",),
    )
    assert (stated.joint_controllers, stated.representative, stated.dpo) == (
        False,
        None,
        "Dana, dpo@example.org",
    )


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side was closed
        return b""


def test_every_key_of_the_file_has_its_option() -> None:
    from licet.cli.command import main

    command = main.get_command(None, "init")  # type: ignore[arg-type]  # no context
    assert command is not None
    options = {option for parameter in command.params for option in parameter.opts}
    assert {
        f"--controller-{SEVERAL.get(key, key).replace('_', '-')}"
        for key in Controller.__struct_fields__
        if key != "papers"
    } <= options


# Serving


def at_url(house: House, url: str | None) -> Installation:
    installation = house.installation
    config = Configuration(data=installation.config.data, web=Web(url=url))
    return Installation(
        config=config,
        pool=installation.pool,
        keyring=installation.keyring,
        clock=installation.clock,
    )


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", None),
        ("192.0.2.7", None),
        ("::", None),
        ("127.0.0.1", "https://privacy.example.org"),
    ],
)
def test_nobody_else_is_served_before_it_is_stated(
    house: House, host: str, url: str | None
) -> None:
    at = at_url(house, url)
    with pytest.raises(RefusedError, match="who is responsible") as caught:
        serve.serve(at, host, 1, lambda _line: pytest.fail("it says that it serves"))
    assert str(at.config.controller) in caught.value.hint
    controller.write(at.config.controller, STATED)
    serve.stated(at, host)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", None), ("localhost", "http://localhost:8787"), ("::1", "http://127.0.0.1:8787")],
)
def test_this_machine_alone_is_served_without_it(house: House, host: str, url: str | None) -> None:
    at = at_url(house, url)
    serve.stated(at, host)
    assert any(
        one.what == "controller" and one.state is doctor.FindingState.broken
        for one in doctor.examine(at)
    )
