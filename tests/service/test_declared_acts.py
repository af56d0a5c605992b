"""What the declarations of staff acts say of themselves."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from licet.errors import UsageError
from licet.ledger import note
from licet.service.inbox_acts import list_acts
from licet.service.inbox_sources import ItemKind
from licet.service.policy_changes import _check_days
from licet.service.staff_verbs import VERBS
from licet.service.verification import verify

DAY = date(2026, 5, 1)


def test_a_form_warns_of_what_cannot_be_taken_back_and_of_nothing_else() -> None:
    assert {verb.name for verb in VERBS if verb.destroys} == {
        "answer_request",
        "destroy_epochs",
        "end_staff",
        "free_conversation",
        "refuse_request",
        "remove_webhook",
        "retire_model",
        "revoke_api_key",
        "rotate_webhook",
    }
    acts = {f"{kind} {act.name}" for kind in ItemKind for act in list_acts(kind) if act.destroys}
    assert acts == {
        "flag overturn",
        "hold end",
        "model retire",
        "request answer",
        "request refuse",
        "sweep approve",
    }


@pytest.mark.parametrize("days", [(DAY, None), (None, DAY), (DAY, DAY)])
def test_a_policy_in_a_file_of_one_s_own_has_its_own_days(
    days: tuple[date | None, date | None],
) -> None:
    with pytest.raises(UsageError, match="its own days"):
        _check_days(Path("own.yaml"), *days, DAY - timedelta(days=1))
    _check_days(Path("own.yaml"), None, None, DAY)


def test_the_log_of_another_program_is_refused_with_what_to_name(tmp_path: Path) -> None:
    signer = note.Signer("example.org/other", note.SignatureType.ed25519, bytes(32))
    (tmp_path / "checkpoint").write_bytes(note.sign("example.org/other\n0\nroot\n", signer))
    with pytest.raises(UsageError, match="no log of ours") as refused:
        verify(tmp_path, (signer.verifier.vkey,))
    assert refused.value.hint == "name the folder of a year's log"
