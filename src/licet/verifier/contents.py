"""Checks a manifest's contents against the rows, as far as proofs show them.

Recounted from the proofs: accounts, and turns by origin, surface and plan, where a value in rows of
fewer than `ACCOUNTS_MIN` accounts counts as `other`. The rest is in sealed rows: only sums, order
and bounds are checked.
"""

from __future__ import annotations

import re
from typing import Any

from licet.verifier.answer import ContradictionError
from licet.verifier.manifest import MANIFEST, PROOFS

ACCOUNTS_MIN, BYTES_PER_TOKEN, OTHER = 10, 4, "other"
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,63}", re.ASCII)
OF_ROWS, OF_TURNS = ("kinds", "languages"), ("origins", "surfaces", "plans")


def check_contents(manifest: dict[str, Any]) -> None:
    """Compares the contents with the manifest's own counts; older manifests have no contents."""
    contents, rows, turns = (
        manifest.get("contents"),
        manifest["rows"],
        manifest["counts"]["included"],
    )
    if contents is None:
        return
    sums = [(name, rows) for name in OF_ROWS if name in contents] + [
        (name, turns) for name in OF_TURNS
    ]
    for name, total in sums:
        if sum(contents[name].values()) != total:
            raise ContradictionError(MANIFEST, f"its `{name}` add up to what is in it")
    if sum(contents["models"].values()) > turns or contents["tokens"] != -(
        -contents["bytes"] // BYTES_PER_TOKEN
    ):
        raise ContradictionError(MANIFEST, "its tokens and models follow from what is in it")
    if contents.get("gapped", 0) > rows:
        raise ContradictionError(MANIFEST, "no more of its rows have gaps than there are")
    if not all(
        _VALUE.fullmatch(value)
        for name in (*OF_ROWS, *OF_TURNS, "models")
        for value in contents.get(name, ())
    ):
        raise ContradictionError(MANIFEST, "what its contents name is a name")
    months = [contents["first_month"], contents["last_month"]]
    if not rows:
        fits = months == [None, None]
    else:
        fits = all(isinstance(month, str) and _MONTH.fullmatch(month) for month in months)
        fits = fits and months == sorted(months) and months[1] <= manifest["built_at"][:7]
    if not fits or (
        contents["accounts"] is not None and not ACCOUNTS_MIN <= contents["accounts"] <= rows
    ):
        raise ContradictionError(MANIFEST, "its months and accounts can be")


class RowContents:
    def __init__(self) -> None:
        self.accounts = set[str]()
        self.turns: dict[tuple[str, str], int] = {}
        self.of: dict[tuple[str, str], set[str]] = {}

    def take(self, row: dict[str, Any]) -> None:
        self.accounts.add(row["who"])
        for source in row["sources"]:
            plan, surface, _ = row["marks"][source["mark"]]
            for origin, count in source["turns"].items():
                for key in (("origins", origin), ("surfaces", surface), ("plans", plan)):
                    self.turns[key] = self.turns.get(key, 0) + count
                    self.of.setdefault(key, set()).add(row["who"])

    def check(self, manifest: dict[str, Any]) -> None:
        contents = manifest.get("contents")
        if contents is None:
            return
        named: dict[str, dict[str, int]] = {name: {} for name in OF_TURNS}
        for (name, value), count in self.turns.items():
            shown = value if len(self.of[name, value]) >= ACCOUNTS_MIN else OTHER
            named[name][shown] = named[name].get(shown, 0) + count
        for name, counts in named.items():
            if contents[name] != counts:
                raise ContradictionError(
                    PROOFS["rows"], f"its turns by `{name}` are as many as the manifest says"
                )
        accounts = len(self.accounts)
        if contents["accounts"] != (accounts if accounts >= ACCOUNTS_MIN else None):
            raise ContradictionError(
                PROOFS["rows"], "its accounts are as many as the manifest says"
            )
