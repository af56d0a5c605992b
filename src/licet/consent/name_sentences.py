"""A notice's sentences on names in a release: whether and in which languages they are sought."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from licet.consent import dark_patterns
from licet.consent.catalogue import Catalogue


class NameSearch(msgspec.Struct, frozen=True):
    """The installed name finders: the ``kinds`` that they find and their ``languages`` (ISO 639-1).

    ``others_stay``: names in other languages stay in; otherwise a conversation in another language
    is not used.
    """

    kinds: frozenset[str] = frozenset()
    languages: tuple[str, ...] = ()
    others_stay: bool = False


def removal_sentence(words: Catalogue, search: NameSearch) -> str:
    """The sentence on what de-identification removes: identifiers found by rules, and names."""
    parts = [words.say("removes.rules")]
    if search.kinds:
        languages = words.join_names(sorted(map(words.language_name, search.languages)))
        parts.append(
            words.say("removes.names", kinds=_kinds(words, search.kinds), languages=languages)
        )
    parts += filter(
        None, [other_languages_sentence(words, search), left_in_sentence(words, search.kinds)]
    )
    return words.join(*parts, words.say("removes.rest"))


def other_languages_sentence(words: Catalogue, search: NameSearch) -> str:
    """The sentence on languages without a name finder, for notices, manifests and cards; empty
    without any finder.
    """
    key = "removes.others_stay" if search.others_stay else "removes.others_unused"
    return words.say(key, kinds=_kinds(words, search.kinds)) if search.kinds else ""


def left_in_sentence(words: Catalogue, kinds: Collection[str]) -> str:
    """The sentence on kinds of names that stay in, for notices, manifests and cards; empty if none
    do.
    """
    unsought = dark_patterns.REMOVED - set(kinds)
    return words.say("removes.unsought", kinds=_kinds(words, unsought)) if unsought else ""


def _kinds(words: Catalogue, kinds: Collection[str]) -> str:
    # persons before places
    return words.join_names([words.say(f"removed.{kind}") for kind in sorted(kinds, reverse=True)])
