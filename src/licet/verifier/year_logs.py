"""Selects the log and key for an artefact among the logs of several years.

A new log begins each year under the same public key; the key's name has the year.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from licet.verifier.files import Files, FilesUnder
from licet.verifier.keys import Trust, VerifierKey


def select_key(raw: bytes, keys: Sequence[Trust]) -> Trust:
    """The key whose log the bytes name, or the first one. This only selects a key; the check
    verifies with it.
    """
    return next((key for key in keys if key.origin.encode() in raw), keys[0])


def read_logs(
    places: Sequence[Files], keys: Sequence[Trust], origin: str | None = None
) -> list[tuple[Trust, Files]]:
    """The logs in some folders, each of which holds one log or one a year, with their keys.

    A log of another year than a key's is trusted with the same public key under the year's name.
    """
    found: list[tuple[Trust, Files]] = []
    for files in places:
        checkpoint = files.read("checkpoint")
        years = (
            [""]
            if checkpoint is not None
            else sorted(
                {
                    path.partition("/")[0]
                    for path in files.paths()
                    if re.fullmatch(r"[0-9]{4}/checkpoint", path, re.ASCII)
                }
            )
        )
        for year in years:
            log = FilesUnder(files, f"{year}/") if year else files
            origin_line = (
                (log.read("checkpoint") or b"").partition(b"\n")[0].decode("utf-8", "replace")
            )
            found.append((_trust_for(origin_line, keys, origin), log))
    return found


def _trust_for(origin_line: str, keys: Sequence[Trust], origin: str | None) -> Trust:
    for key in keys:
        if origin_line == key.origin:
            return key
    for key in keys:
        stem, _, year = key.key.name.rpartition("/")
        if (
            origin is None
            and re.fullmatch(re.escape(stem) + "/[0-9]{4}", origin_line, re.ASCII)
            and re.fullmatch("[0-9]{4}", year)
        ):
            material = bytes([key.key.kind]) + key.key.public
            ident = hashlib.sha256(origin_line.encode() + b"\n" + material).digest()[:4]
            return Trust(
                VerifierKey(origin_line, ident, key.key.kind, key.key.public),
                origin_line,
                key.witnesses,
                key.quorum,
            )
    return keys[0]
