"""An archive of an account's receipts with everything needed to verify them offline, for ever.

    receipts/001.json ..  the receipt of each choice, oldest first; with its proof once it is in the log
    receipts/README.txt   how to check them, line by line
    notices/<sha256>.json policies/<sha256>.json   everything that receipts refer to by hash
    vkeys.txt             the public keys of the logs that prove them; worth comparing with a copy from elsewhere
    verifier.py           the verifier; it needs Python and the package `cryptography`

Promise: it contains no data about anybody else, and verifying it needs no service.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from licet.consent import notice
from licet.errors import RefusedError
from licet.proof import documents
from licet.proof.receipt import Receipt
from licet.store.connect import transaction
from licet.vault import policy_versions
from licet.vault.installation import Installation
from licet.verifier import bundle

_HEAD = """These are the receipts of your choices, oldest first. Anybody can check them, without asking anybody:

  1. Install Python 3.11 or newer, and its package cryptography:  python -m pip install cryptography
  2. In this folder, run the line below each receipt. `proved` means: we signed this, and it stands in our public log.
     `not proved` means that it is not in the log yet: fetch it again. `contradicted` means that something is wrong.

The key after --key is what you believe. It is in this file for convenience: compare it with one that you or somebody
you trust wrote down from elsewhere, as a log's owner who wanted to deceive you would hand you another.
"""


def receipt_files(installation: Installation, account: UUID) -> list[tuple[str, bytes]]:
    """Returns (name, content) of each file; none if the account's key, which receipts need, was
    destroyed.
    """
    try:
        issued = documents.receipts(installation, account)
    except RefusedError as error:
        if error.because != "erased":
            raise
        return []
    if not issued:
        return []
    names = [f"receipts/{number:03}.json" for number in range(1, len(issued) + 1)]
    keys = [documents.receipt_key(installation, receipt).vkey for receipt in issued]
    lines = [_HEAD]
    for name, key, receipt in zip(names, keys, issued, strict=True):
        lines.append(f"{_describe(receipt)}\n  python verifier.py receipt {name} --key {key}\n")
    return [
        *((name, receipt.encode()) for name, receipt in zip(names, issued, strict=True)),
        ("receipts/README.txt", "\n".join(lines).encode()),
        *_referenced_texts(installation, issued),
        (documents.KEYS_FILE, "".join(f"{key}\n" for key in dict.fromkeys(keys)).encode()),
        ("verifier.py", bundle.source()),
    ]


def zip_receipts(installation: Installation, account: UUID) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in receipt_files(installation, account):
            made.writestr(name, content)
    return out.getvalue()


def _describe(receipt: Receipt) -> str:
    event = cast("dict[str, Any]", receipt.payload["record"])["events"][0]
    answer = "yes" if event["allow"] else "no"
    waits = "" if receipt.proof else "; not yet in the log, fetch it again in a minute"
    to = f" to `{event['question']}`" if event["question"] else ""
    of = f", for one {event['scope']}" if event["of"] else ""
    return (
        f"{event['event_time']}: you said {answer}{to}{of} "
        f"({event['event_state'].removeprefix('dpv:')}){waits}"
    )


def _referenced_texts(
    installation: Installation, issued: Sequence[Receipt]
) -> list[tuple[str, bytes]]:
    records = [cast("dict[str, Any]", receipt.payload["record"]) for receipt in issued]
    wanted = {
        "notices": {record["privacy_notice"]["sha256"] for record in records},
        "policies": {record["policy"]["sha256"] for record in records},
    }
    found = []
    with transaction(installation.pool) as tx:
        for folder, texts in (
            ("notices", notice.texts_by_hash),
            ("policies", policy_versions.texts),
        ):
            named = texts(tx, [bytes.fromhex(sha256) for sha256 in wanted[folder] if sha256])
            found += [
                (f"{folder}/{sha256.hex()}.json", named[sha256].encode())
                for sha256 in sorted(named)
            ]
    return found
