"""A build's order, its result, and the two errors that show examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from licet.errors import RefusedError
from licet.policy.file import Policies
from licet.release.changed_words import ChangedPlace, ChangedShare, describe_unusual
from licet.release.manifest import (
    ReleaseManifest,
)
from licet.release.registry import Release


class BuildResult(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed release and its folder. ``lock_seconds``: how long endings had to wait.

    ``resumed_from``: the first part written after a resumption, None without one.
    ``whole_because``: why the named base was not used.
    """

    folder: Path
    manifest: ReleaseManifest
    lock_seconds: float
    resumed_from: int | None = None
    whole_because: str = ""


class DecidedAs(msgspec.Struct, frozen=True, kw_only=True):
    """The journal position, time and policy versions of a release's decision."""

    position: int
    now: datetime
    policies: Policies


class BuildOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to build. ``folder`` must not exist, unless an unfinished build of the same name left
    it: that build is resumed, or discarded with ``afresh``. ``accepts_changes`` seals it although
    unusually many words were replaced. ``base``: the release whose unchanged rows are reused, with
    its folder.
    """

    name: str
    purpose: str
    folder: Path
    software: str
    afresh: bool = False
    accepts_changes: bool = False
    base: tuple[Path, Release] | None = None


class DamageError(RefusedError):
    """An unusual share of words was replaced: the shares, and samples of the places."""

    def __init__(self, shares: Sequence[ChangedShare], samples: Sequence[ChangedPlace]) -> None:
        super().__init__(
            "more words were replaced than is usual: nothing is sealed\n"
            + describe_unusual(shares, samples),
            "look at the places; if they are right, run the same command with `--accept-changes`, "
            "which the manifest"
            " records; otherwise report them and set LICET_CURATE__NAMES=off, where the policy "
            "allows it",
            because="damage",
            details={"shares": msgspec.to_builtins(shares), "places": msgspec.to_builtins(samples)},
        )
        self.shares, self.samples = tuple(shares), tuple(samples)


class UnreadLanguagesError(RefusedError):
    """Conversations are in languages that are not searched, by language, and the policy stops."""

    def __init__(self, conversations: Mapping[str, int]) -> None:
        each = ", ".join(
            f"{count:,} in `{language}`" for language, count in sorted(conversations.items())
        )
        super().__init__(
            f"nothing looks for names in the language of some conversations: {each}; "
            "nothing is sealed",
            "the policy says `unread_languages: build stopped`; under a version that does "
            "not, they are left out",
            because="unread_language",
            details={"conversations": dict(sorted(conversations.items()))},
        )
