"""Every key provider keeps the same promises, held against the real thing; losing one loses
nothing.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from licet.config import Configuration, Keys
from licet.erasure import key_rotation
from licet.erasure.key_rotation import Rotation
from licet.errors import BrokenError, BusyError, LicetError, UsageError
from licet.keys.keyring import CACHE_SECONDS_MAX, Keyring
from licet.keys.material import KEY_BYTES, FileProvider, KeyMaterial, KeyProvider
from licet.keys.openbao import BaoProvider
from licet.keys.pkcs11 import Pkcs11Provider
from licet.keys.providers import provider as configured
from licet.store.connect import Pool, transaction

from ..needs import P11_KIT_CLIENT
from ..vault.model import sound
from ..vault.test_rotate import WINDOW, House
from ..waiting import wait_until
from . import bao, softhsm
from .bao import Bao, needed
from .softhsm import SOFTHSM

KEY = KeyMaterial(bytes(range(KEY_BYTES)))
Answer = TypeVar("Answer")
PLACE = b"b1\x00\x00\x00\x05"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    with bao.running(tmp_path_factory.mktemp("bao")) as started:
        yield started


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pkcs11Provider]:
    """A token of SoftHSM2; its library reads where its files are once in a process."""
    needed("pkcs11", "the package python-pkcs11")
    if not SOFTHSM.exists() or not shutil.which("softhsm2-util"):
        if os.environ.get("CI") == "true":
            pytest.fail("softhsm2 is not installed")
        pytest.skip("softhsm2 is not installed")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n"
    )
    (folder / "pin").write_text("1234\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    init = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "licet",
        "--pin",
        "1234",
        "--so-pin",
        "5678",
    ]
    subprocess.run(init, check=True, capture_output=True)
    return lambda name: Pkcs11Provider(SOFTHSM, "licet", folder / "pin", name=name)


@pytest.fixture(params=["file", "bao", "pkcs11"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], KeyProvider]:
    """Makes the same provider again and again, each with nothing in memory."""
    name = f"licet-{secrets.token_hex(4)}"
    match request.param:
        case "file":
            return lambda: FileProvider(tmp_path / "keys")
        case "bao":
            server: Bao = request.getfixturevalue("server")
            return lambda: server.provider(name)
        case _:
            token = request.getfixturevalue("token")
            return lambda: token(name)


def test_what_one_wraps_another_unwraps_in_its_place_and_epoch_alone(
    made: Callable[[], KeyProvider],
) -> None:
    key = KeyMaterial(os.urandom(KEY_BYTES))
    first = made().newest()
    wrapped = made().wrap(first, key, PLACE)
    assert made().unwrap(first, wrapped, PLACE) == key
    second = made().newest(after=first)
    damaged = wrapped[:-3] + bytes([wrapped[-3] ^ 1]) + wrapped[-2:]
    for epoch, sealed, place in (
        (first, wrapped, PLACE + b"!"),
        (second, wrapped, PLACE),
        (first, damaged, PLACE),
    ):
        with pytest.raises(BrokenError, match="cannot be opened"):
            made().unwrap(epoch, sealed, place)


def test_an_epoch_is_newest_once_it_is_made_and_is_not_made_twice(
    made: Callable[[], KeyProvider],
) -> None:
    assert [
        made().newest(),
        made().newest(),
        made().newest(after=1),
        made().newest(after=1),
        made().newest(),
    ] == [
        1,
        1,
        2,
        2,
        2,
    ]
    assert made().newest(after=6) == 7


def test_a_destroyed_epoch_opens_nothing_and_others_do(made: Callable[[], KeyProvider]) -> None:
    key = KeyMaterial(os.urandom(KEY_BYTES))
    wrapped = {epoch: made().wrap(made().newest(after=epoch - 1), key, PLACE) for epoch in (1, 2)}
    made().destroy(1)
    made().destroy(1)
    with pytest.raises(BrokenError, match="epoch `1` is not in"):
        made().unwrap(1, wrapped[1], PLACE)
    with pytest.raises(LicetError):  # to OpenBao it is a key that the token may not make
        made().wrap(1, key, PLACE)
    assert made().unwrap(2, wrapped[2], PLACE) == key
    assert made().newest() == 2


def test_no_error_of_a_provider_shows_a_key_even_with_locals(
    made: Callable[[], KeyProvider],
) -> None:
    key = KeyMaterial(os.urandom(KEY_BYTES))
    provider = made()
    wrapped = provider.wrap(provider.newest(), key, PLACE)
    provider.newest(after=1)
    provider.destroy(1)
    for act in (lambda: provider.wrap(1, key, PLACE), lambda: provider.unwrap(2, wrapped, PLACE)):
        with pytest.raises(LicetError) as caught:
            act()
        assert_hidden(caught.value, key)


def assert_hidden(error: BaseException, key: bytes) -> None:
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    shown = (repr(bytes(key))[2:-1], key.hex(), base64.b64encode(key).decode())
    assert not [each for each in shown if each in text]


# Rotation over each


def test_a_rotation_over_each_provider_keeps_what_lives_and_destroys_the_epoch_before(
    pool: Pool, tmp_path: Path, made: Callable[[], KeyProvider]
) -> None:
    house = House(pool, tmp_path / "unused", made())
    said = house.say(house.account())
    house.say(house.accounts[0])
    house.delete(said)
    house.sweep()
    assert house.rotate().accounts_rekeyed == 1
    house.now += WINDOW
    assert house.destroy_due() == [1]
    house.provider = made()
    assert house.contents() == 2


# OpenBao away


def test_a_killed_server_stops_unsealing_within_a_minute_and_loses_nothing(
    pool: Pool, tmp_path: Path, server: Bao
) -> None:
    """Turns are said all the while: each is kept and answered, or refused; those that were kept
    open afterwards.
    """
    name = f"licet-{secrets.token_hex(4)}"
    seconds = [0.0]
    house = House(pool, tmp_path / "unused", server.provider(name))
    house.keyring = Keyring(server.provider(name), monotonic=lambda: seconds[0])
    ana = house.account()
    house.say(ana)
    outcomes: list[str] = []
    ended = threading.Event()

    def speak() -> None:
        while not ended.is_set():
            seconds[0] += CACHE_SECONDS_MAX / 4
            try:
                house.say(ana)
                outcomes.append("kept")
            except BusyError:
                outcomes.append("busy")
                ended.wait(0.01)

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        wait_until(lambda: outcomes.count("kept") > 5)
        server.kill()
        wait_until(lambda: outcomes[-3:] == ["busy"] * 3)
        with pytest.raises(BusyError, match="does not answer"):
            house.rotate()
        server.start()
        wait_until(lambda: outcomes[-3:] == ["kept"] * 3)
    finally:
        ended.set()
        speaker.join()
    house.rotate()
    with transaction(pool) as tx:
        (turns,) = tx.execute("SELECT count(*) FROM turns").fetchone() or (0,)
        assert turns == outcomes.count("kept") + 1
        assert len(sound(tx, Keyring(server.provider(name)))) == 2 * turns


def test_a_rotation_that_lost_its_provider_goes_on_when_it_is_back(
    pool: Pool, tmp_path: Path, server: Bao
) -> None:
    name = f"licet-{secrets.token_hex(4)}"
    house = House(pool, tmp_path / "unused", server.provider(name))
    for _ in range(3):
        house.say(house.account())
    house.delete(house.said[0])
    house.sweep()
    with pytest.raises(BusyError):
        house.rotate(seen=lambda _: server.kill())
    server.start()
    done = house.rotate()
    assert (done.resumed, done.buckets) == (True, 2)
    assert house.contents() == 4


def test_a_sealed_server_and_a_refused_token_are_busy_until_they_are_mended(server: Bao) -> None:
    name = f"licet-{secrets.token_hex(4)}"
    key, provider = KeyMaterial(os.urandom(KEY_BYTES)), server.provider(name)
    wrapped = provider.wrap(provider.newest(), key, PLACE)
    server.seal()
    try:
        with pytest.raises(BusyError, match="does not answer: `VaultDown`"):
            provider.unwrap(1, wrapped, PLACE)
    finally:
        server.unseal()
    wait_until(lambda: opens(provider, wrapped))
    good = server.token_file.read_text()
    for bad, said in (("s.wrong", "refused the token"), (None, "token file cannot be read")):
        server.token_file.write_text(bad) if bad else server.token_file.unlink()
        try:
            with pytest.raises(BusyError, match=said) as caught:
                provider.wrap(1, key, PLACE)
            assert_hidden(caught.value, key)
        finally:
            server.token_file.write_text(good)
    assert provider.unwrap(1, wrapped, PLACE) == key


def opens(provider: KeyProvider, wrapped: bytes) -> bool:
    try:
        return bool(provider.unwrap(1, wrapped, PLACE))
    except BusyError:
        return False


def test_the_documented_policy_makes_no_key_by_wrapping_and_reads_none(server: Bao) -> None:
    name = f"licet-{secrets.token_hex(4)}"
    provider = server.provider(name)
    with pytest.raises(LicetError):
        provider.wrap(9, KeyMaterial(bytes(KEY_BYTES)), PLACE)
    assert provider.newest() == 1
    read = server.root.secrets.transit.read_key(f"{name}-000001")["data"]
    assert (read["exportable"], read["allow_plaintext_backup"], read["type"]) == (
        False,
        False,
        "aes256-gcm96",
    )


# PKCS#11 away


def test_a_token_with_another_pin_or_none_is_busy(
    token: Callable[[str], Pkcs11Provider], tmp_path: Path
) -> None:
    pin = tmp_path / "pin"
    pin.write_text(secrets.token_hex(4))
    for provider, said in (
        (Pkcs11Provider(SOFTHSM, "licet", pin), "PinIncorrect"),
        (Pkcs11Provider(SOFTHSM, "other", pin), "NoSuchToken"),
        (Pkcs11Provider(SOFTHSM, "licet", tmp_path / "none"), "pin file"),
    ):
        with pytest.raises(BusyError, match=said) as caught:
            provider.newest()
        assert_hidden(caught.value, pin.read_bytes())


# Which provider


def test_the_configuration_names_the_provider_and_every_setting_it_needs(tmp_path: Path) -> None:
    def chosen(**keys: object) -> KeyProvider:
        return configured(Configuration(data=tmp_path, key_chain=Keys(**keys)))  # type: ignore[arg-type]  # settings by their names

    needed("hvac", "the package hvac")
    assert isinstance(chosen(), FileProvider)
    assert isinstance(
        chosen(provider="bao", address="https://bao.example", token_file=tmp_path), BaoProvider
    )
    for keys, said in (
        ({"provider": "vault"}, "unknown key provider `vault`"),
        ({"provider": "bao"}, "LICET_KEYS__ADDRESS"),
        ({"provider": "bao", "address": "https://bao.example"}, "LICET_KEYS__TOKEN_FILE"),
        (
            {"provider": "bao", "address": "http://bao.example", "token_file": tmp_path},
            "not an https URL",
        ),
        ({"provider": "pkcs11"}, "LICET_KEYS__MODULE"),
    ):
        with pytest.raises(UsageError, match=said):
            chosen(**keys)


def test_a_provider_that_is_another_one_is_found_out_before_anything_is_made_in_it(
    pool: Pool, tmp_path: Path
) -> None:
    house = House(pool, tmp_path / "keys")
    house.say(house.account())
    stranger = FileProvider(tmp_path / "other")
    stranger.newest()
    with pytest.raises(BrokenError):
        key_rotation.rotate(pool, Keyring(stranger), Rotation.daily, house.clock)
    assert stranger.newest() == 1
    house.rotate()
    assert house.contents() == 2


# A token that hangs


@pytest.fixture
def distant_token(tmp_path: Path) -> Iterator[softhsm.DistantToken]:
    with softhsm.running(tmp_path) as token:
        os.environ["P11_KIT_SERVER_ADDRESS"] = token.address
        yield token


def once_answered(ask: Callable[[], Answer]) -> Answer:
    """What ``ask`` answers once the token is not busy: on a busy machine a token that runs may take
    longer than it is given.
    """
    answers: list[Answer] = []

    def is_answered() -> bool:
        with contextlib.suppress(BusyError):
            answers.append(ask())
        return bool(answers)

    wait_until(is_answered, "the token answers")
    return answers[0]


def test_a_token_that_hangs_holds_nobody_up_and_goes_on_when_it_is_back(
    distant_token: softhsm.DistantToken,
) -> None:
    token = distant_token
    provider = Pkcs11Provider(Path(P11_KIT_CLIENT), softhsm.LABEL, token.pin)
    epoch = once_answered(provider.newest)
    wrapped = once_answered(lambda: provider.wrap(epoch, KEY, b"place"))
    pids = token.pids
    for each in pids:
        os.kill(each, signal.SIGSTOP)
    try:
        for _ in range(3):  # the first one waits, the others are refused
            with pytest.raises(BusyError, match="does not answer") as refused:
                provider.unwrap(epoch, wrapped, b"place")
            assert refused.value.because == "key_provider_silent"
        with pytest.raises(BusyError):
            provider.probe()
        assert provider.circuit.is_failing
    finally:
        for each in pids:
            os.kill(each, signal.SIGCONT)

    def is_back() -> bool:
        with contextlib.suppress(BusyError):
            provider.probe()
        return not provider.circuit.is_failing

    wait_until(is_back, "the token answers")
    assert once_answered(lambda: provider.unwrap(epoch, wrapped, b"place")) == KEY
