"""Recipients' answers to recalls, signed with keys of their own.

A recipient creates a key pair, and the operator registers the public key under the recipient's
name. With it anybody can verify in a certificate that the answer is the recipient's and not the
operator's. An answer is a compact JWS, as the log's statements are:

    typ `licet-recall-answer+jws`, payload {"at":time,"erasure":"era_..","handout":"hand_..","recipient":name,
                                            "type":"licet-recall-answer","v":1}

Without a registered key an answer is recorded unsigned, and certificates say so.
"""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from licet.errors import BrokenError, RefusedError, UsageError
from licet.ledger import jws
from licet.ledger.note import SignatureType, Signer, Verifier
from licet.policy.period import rfc3339
from licet.store.connect import Transaction, transaction
from licet.undecodable import UNDECODABLE
from licet.vault.installation import Installation

VERSION, TYPE, JWS_TYPE = 1, "licet-recall-answer", "licet-recall-answer+jws"
RECIPIENT = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
ANSWER_BYTES_MAX = 4_096


class RecallAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recipient's statement that it deleted what was recalled from a handout for an erasure."""

    v: int
    type: str
    erasure: str
    handout: str
    recipient: str
    at: str


def sign(signer: Signer, erasure: str, handout: str, now: datetime) -> str:
    """Signs a recipient's answer as a JWS. It needs no installation."""
    answer = RecallAnswer(
        v=VERSION,
        type=TYPE,
        erasure=erasure,
        handout=handout,
        recipient=signer.name,
        at=rfc3339(now),
    )
    return jws.sign(msgspec.to_builtins(answer), signer.seed, JWS_TYPE)


def register(installation: Installation, vkey: str) -> Verifier:
    """Registers a recipient's public key, whose name is the recipient's; replaces an earlier
    one.
    """
    key = Verifier.parse(vkey.strip())
    if key.type is not SignatureType.ed25519 or RECIPIENT.fullmatch(key.name) is None:
        raise UsageError(
            f"`{key.name}` is no key of a recipient",
            "`licet recall key FILE --name NAME` makes one",
        )
    with transaction(installation.pool) as tx:
        tx.execute(
            """INSERT INTO recipient_keys (recipient, vkey, registered_at) VALUES (%s, %s, %s)
               ON CONFLICT (recipient) DO UPDATE
                 SET (vkey, registered_at) = (excluded.vkey, excluded.registered_at)""",
            [key.name, key.vkey, installation.clock()],
        )
    return key


def check(tx: Transaction, signed: str, erasure: str, handout: str, recipient: str) -> None:
    """RefusedError unless the recipient's registered key signed this answer."""
    row = tx.execute("SELECT vkey FROM recipient_keys WHERE recipient = %s", [recipient]).fetchone()
    if row is None:
        raise RefusedError(
            f"no key of `{recipient}` is registered",
            "`licet recall trust VKEY` registers it",
            because="no_key",
        )
    if len(signed) > ANSWER_BYTES_MAX:
        raise RefusedError(f"an answer has at most {ANSWER_BYTES_MAX} bytes", because="too_large")
    try:
        payload = jws.verify(signed, Verifier.parse(row[0]).public, JWS_TYPE)
        answer = msgspec.json.decode(payload, type=RecallAnswer)
    except (BrokenError, *UNDECODABLE):
        raise RefusedError(
            f"`{recipient}` did not sign this answer with the registered key", because="unsigned"
        ) from None
    if (answer.v, answer.type, answer.erasure, answer.handout, answer.recipient) != (
        VERSION,
        TYPE,
        erasure,
        handout,
        recipient,
    ):
        raise RefusedError(
            "the answer is about another recall",
            "the recipient signs each recall",
            because="another",
        )
