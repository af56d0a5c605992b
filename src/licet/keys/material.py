"""Keys: root (provider) > epoch > bucket > account > segment, each wrapping the next with
AES-256-GCM.

Content can only be reached with a key. Epoch keys exist only inside the provider, never in the
database, its WAL or its backups. A wrapped key is nonce (12) || ciphertext (32) || tag (16), bound
by its associated data to the place it belongs to, so that one that was moved elsewhere cannot be
unwrapped. An account's segment keys are in pages of `SLOTS_PER_PAGE`; a destroyed slot is all
zeros.

An account has two keys, wrapped as one: `AccountKeys`. The first wraps its segment keys and is
replaced by a rotation (`erasure.key_rotation`). The second seals what belongs to the account itself
and yields its log keys: it stays the same as long as the account has keys, so that a pseudonym and
a commitment survive every rotation, and is destroyed with them.

A key in memory is a `KeyMaterial`: neither `repr` nor a traceback that prints locals reveals it.

The file provider keeps epoch keys as files of mode 0600. It cannot promise that a deleted file is
gone from flash, copy-on-write or snapshotted media; anyone who can read the folder can read
everything that is not erased.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from licet.errors import BrokenError, BusyError, RefusedError
from licet.masked import Masked
from licet.store.files import sync

WRONG_KEY_HINT = (
    "where nothing can be opened, the keys are those of another installation: put back the keys "
    "of this one, by default the folder `keys` of its data folder"
)
KEY_BYTES = 32
SILENT = "key_provider_silent"
NONCE_BYTES = 12
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16
SLOTS_PER_PAGE = 32
# of at most 65,536; the fewer there are, the more accounts share one bucket key and its rewrapping
BUCKETS = 1024
EMPTY_PAGE = bytes(WRAPPED_BYTES * SLOTS_PER_PAGE)
EMPTY_SLOT = bytes(WRAPPED_BYTES)
ACCOUNT_KEYS_BYTES = NONCE_BYTES + 2 * KEY_BYTES + 16
DESTROYED_KEYS = bytes(ACCOUNT_KEYS_BYTES)

Random = Callable[[int], bytes]


class KeyMaterial(Masked, bytes):
    """Key material, with a masked repr. Slices and concatenations are plain bytes: make none
    outside this module.
    """

    __slots__ = ()
    __str__ = Masked.__repr__


class AccountKeys(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """The two keys of an account: ``slots`` wraps its segment keys, ``own`` seals what belongs to
    the account itself.
    """

    slots: KeyMaterial
    own: KeyMaterial


class KeyProvider(Protocol):
    """Keeps epoch keys where no backup of the database contains them."""

    def newest(self, after: int = 0) -> int:
        """The newest epoch; creates one if there is none above ``after``; durable before it is
        returned.
        """

    def wrap(self, epoch: int, key: KeyMaterial, place: bytes) -> bytes:
        """Wraps ``key`` under the epoch's key, bound to ``place``; never creates an epoch."""

    def unwrap(self, epoch: int, wrapped: bytes, place: bytes) -> KeyMaterial:
        """Returns the key passed to `wrap`; BrokenError if it cannot be unwrapped, BusyError if the
        provider is unreachable.
        """

    def destroy(self, epoch: int) -> None:
        """Destroys the epoch's key if it exists: nothing wrapped under it can be unwrapped any
        more.
        """


class FileProvider:
    """Epoch keys as files in a folder of their own."""

    def __init__(self, folder: Path, random: Random = os.urandom) -> None:
        self._folder, self._random = folder, random

    def newest(self, after: int = 0) -> int:
        epochs = self._epochs()
        if epochs and epochs[-1] > after:
            return epochs[-1]
        _make_folder(self._folder)
        _write_once(self._path(after + 1), self._random(KEY_BYTES))
        return self._epochs()[-1]

    def has(self, epoch: int) -> bool:
        """Whether the key of an epoch is in the folder."""
        return self._path(epoch).is_file()

    def wrap(self, epoch: int, key: KeyMaterial, place: bytes) -> bytes:
        return seal(self._key(epoch), key, b"epoch" + place, self._random)

    def unwrap(self, epoch: int, wrapped: bytes, place: bytes) -> KeyMaterial:
        return KeyMaterial(unseal(self._key(epoch), wrapped, b"epoch" + place))

    def destroy(self, epoch: int) -> None:
        self._path(epoch).unlink(missing_ok=True)
        sync(self._folder)

    def _epochs(self) -> list[int]:
        return sorted(int(p.stem.removeprefix("epoch-")) for p in self._folder.glob("epoch-*.key"))

    def _path(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:06}.key"

    def _key(self, epoch: int) -> KeyMaterial:
        """Reads the key each time: a cached key would outlive its file in every running process."""
        try:
            key = KeyMaterial(self._path(epoch).read_bytes())
        except FileNotFoundError as error:
            raise BrokenError(f"the key of epoch `{epoch}` is not in the key folder") from error
        except OSError as error:
            raise BusyError(
                f"the key of epoch `{epoch}` cannot be read: {error.strerror}"
            ) from error
        if len(key) != KEY_BYTES:
            raise BrokenError(
                f"the key of epoch `{epoch}` has `{len(key)}` bytes instead of {KEY_BYTES}"
            )
        return key


def seal(key: bytes, plain: bytes, place: bytes, random: Random = os.urandom) -> bytes:
    """nonce || AES-256-GCM of ``plain``, bound to ``place``."""
    nonce = random(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, place)


def seal_each(
    items: Iterable[tuple[bytes, bytes, bytes]], random: Random = os.urandom
) -> Iterator[bytes]:
    """Seals each (key, plain bytes, place), in order; consecutive equal keys share one key
    schedule.
    """
    last, cipher = b"", None
    for key, plain, place in items:
        if cipher is None or key is not last:
            last, cipher = key, AESGCM(key)
        nonce = random(NONCE_BYTES)
        yield nonce + cipher.encrypt(nonce, plain, place)


def unseal(key: bytes, sealed: bytes, place: bytes) -> bytes:
    """Returns the bytes passed to `seal`; BrokenError, which reveals none of them, if they cannot
    be opened.
    """
    return next(unseal_each([(key, sealed, place)]))


def unseal_each(items: Iterable[tuple[bytes, bytes, bytes]]) -> Iterator[bytes]:
    """Unseals each (key, sealed bytes, place), in order; consecutive equal keys share one key
    schedule, most of the work on a short text.
    """
    last, cipher = b"", None
    try:
        for key, sealed, place in items:
            if cipher is None or key is not last:
                last, cipher = key, AESGCM(key)
            yield cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
    except (InvalidTag, ValueError) as error:
        raise BrokenError(
            "sealed bytes cannot be opened: wrong key, wrong place, or damage",
            WRONG_KEY_HINT,
        ) from error


def block_place(account: UUID, conversation: UUID, segment: int, first_turn: int) -> bytes:
    """The prefix of the associated data of a block's content; its turns' sizes follow. The version
    byte is never reused.
    """
    return b"k1" + account.bytes + conversation.bytes + _TURN.pack(segment, first_turn)


def safety_place(account: UUID, conversation: UUID, segment: int, turn: int) -> bytes:
    """The associated data of a turn in a safety copy. The version byte is never reused."""
    return b"yt1" + account.bytes + conversation.bytes + _TURN.pack(segment, turn)


_TURN = struct.Struct(">II")


def found_names_place(account: UUID, conversation: UUID, segment: int) -> bytes:
    """The associated data of the places of names in a segment's turns. The version byte is never
    reused.
    """
    return b"n1" + account.bytes + conversation.bytes + segment.to_bytes(4, "big")


def slot_place(account: UUID, slot: int) -> bytes:
    return b"s1" + account.bytes + slot.to_bytes(4, "big")


def account_place(account: UUID) -> bytes:
    """The associated data of content sealed for the account itself."""
    return b"a1" + account.bytes


def request_place(request: UUID, step: int) -> bytes:
    """The associated data of a text written with a step of a person's request."""
    return b"r1" + request.bytes + step.to_bytes(4, "big")


def inbox_place(item: str, step: int) -> bytes:
    """The associated data of a text that staff wrote with a step of an inbox item."""
    return b"i1" + item.encode() + b"\0" + step.to_bytes(4, "big")


def account_keys_place(account: UUID) -> bytes:
    return b"a2" + account.bytes


def bucket_place(bucket: int) -> bytes:
    return b"b1" + bucket.to_bytes(4, "big")


def bucket_of(account: UUID) -> int:
    return account.int % BUCKETS


def wrap_account_keys(
    bucket_key: KeyMaterial, account: UUID, keys: AccountKeys, random: Random = os.urandom
) -> bytes:
    """Wraps both keys of an account as one, so that they are always under the same bucket key."""
    return seal(bucket_key, KeyMaterial(keys.slots + keys.own), account_keys_place(account), random)


def unwrap_account_keys(bucket_key: KeyMaterial, account: UUID, wrapped: bytes) -> AccountKeys:
    """Returns the keys passed to `wrap_account_keys`; RefusedError if they were destroyed."""
    if not any(wrapped):
        raise RefusedError("the account was erased together with its keys", because="erased")
    both = KeyMaterial(unseal(bucket_key, wrapped, account_keys_place(account)))
    return AccountKeys(slots=KeyMaterial(both[:KEY_BYTES]), own=KeyMaterial(both[KEY_BYTES:]))


def read_slot(page: bytes, account: UUID, account_key: bytes, slot: int) -> KeyMaterial | None:
    """Returns the segment key in ``slot`` of its page, or None if it was destroyed."""
    start = slot % SLOTS_PER_PAGE * WRAPPED_BYTES
    return unwrap_slot(page[start : start + WRAPPED_BYTES], account, account_key, slot)


def unwrap_slot(wrapped: bytes, account: UUID, account_key: bytes, slot: int) -> KeyMaterial | None:
    """Returns the segment key in a slot's bytes, or None if it was destroyed."""
    return (
        None
        if wrapped == EMPTY_SLOT
        else KeyMaterial(unseal(account_key, wrapped, slot_place(account, slot)))
    )


def unseal_slots(
    account_key: bytes, account: UUID, slots: bytes, wrapped: bytes
) -> list[bytes | None]:
    """Unwraps ``slots`` (four bytes each) of an account from their concatenated bytes, with one key
    schedule.

    Returns unmasked bytes, for loops over thousands of rows.
    """
    cipher, place = AESGCM(account_key), b"s1" + account.bytes
    opened: list[bytes | None] = []
    try:
        for at, start in zip(
            range(0, len(slots), 4), range(0, len(wrapped), WRAPPED_BYTES), strict=True
        ):
            begin, end = start + NONCE_BYTES, start + WRAPPED_BYTES
            nonce, sealed = wrapped[start:begin], wrapped[begin:end]
            if not any(nonce) and wrapped[start:end] == EMPTY_SLOT:
                opened.append(None)
            else:
                opened.append(cipher.decrypt(nonce, sealed, place + slots[at : at + 4]))
    except (InvalidTag, ValueError) as error:
        raise BrokenError(
            "sealed bytes cannot be opened: wrong key, wrong place, or damage",
            WRONG_KEY_HINT,
        ) from error
    return opened


def rewrap_page(
    page: bytes,
    number: int,
    account: UUID,
    old: KeyMaterial,
    new: KeyMaterial,
    random: Random = os.urandom,
) -> bytes:
    """Rewraps an account's page ``number`` under another key; destroyed slots stay destroyed."""
    for slot in range(number * SLOTS_PER_PAGE, (number + 1) * SLOTS_PER_PAGE):
        key = read_slot(page, account, old, slot)
        if key is not None:
            page = write_slot(page, slot, seal(new, key, slot_place(account, slot), random))
    return page


def write_slot(page: bytes, slot: int, wrapped: bytes) -> bytes:
    """Returns the page with ``wrapped`` in ``slot``."""
    start = slot % SLOTS_PER_PAGE * WRAPPED_BYTES
    return page[:start] + wrapped + page[start + WRAPPED_BYTES :]


def _write_once(path: Path, content: bytes) -> None:
    """Writes a new file durably; keeps one that another writer created first."""
    # a unique name: after a crash, the same process number (as in a container) may meet its draft
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".draft")
    draft = Path(name)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(draft, path)  # unlike a rename, never replaces
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    sync(path.parent)


def _make_folder(folder: Path) -> None:
    """Creates ``folder`` and its parents, each durable in its parent: a lost entry would lose every
    key.
    """
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync(folder.parent)
