"""What the routes of policy proposals take and answer."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from licet.masked import Masked
from licet.policy.file import POLICY_BYTES_MAX
from licet.service.policy_proposals import REASON_CHARACTERS_MAX, ProposalSeen


class NewProposal(Masked, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy file as its text."""

    text: Annotated[str, Meta(min_length=1, max_length=POLICY_BYTES_MAX)]


class ProposalEnd(Masked, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a proposal is withdrawn."""

    reason: Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)] = ""


class ProposalApproval(
    Masked, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Why a proposal is applied, and which plan was read."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAX)]
    plan_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Proposals(Masked, msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[ProposalSeen, ...]
