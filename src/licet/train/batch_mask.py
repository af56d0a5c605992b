"""Masks withdrawn rows in prefetched batches, in the training process just before the step.

A batch is a list of rows with `ordinal`, or a mapping of tensors, lists and arrays with one
`ordinal` per row, or per token if sequences are packed (a tensor in the shape of `input_ids`; -1
for a token of no row). Nothing is dropped: the numbers of rows, tokens, batches and steps do not
change.

In a list, a withdrawn row is replaced by a usable row of the same batch, chosen by a fixed rule, or
by one without messages. In tensors, changed in place, its tokens become padding (`pad`), its labels
-100 and everything else of it zero; the attention mask is unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

from licet.errors import BrokenError, UsageError
from licet.train.dataset import ORDINAL, hash_ordinal
from licet.train.gate import HandOff, RowGate, Used

MASKED = -100
NO_ROW = -1
# positions of tokens, without content
_STAYS = ("attention_mask", "position_ids", "seq_lengths", "cu_seq_lens")


class MaskedBatches:
    """A loader whose batches are checked as they are returned: ``for batch in
    MaskedBatches(DataLoader(...), gate)``.

    ``used`` is called with the rows of each step; steps count from ``step``, which a resumed run
    sets.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        gate: RowGate,
        *,
        used: Used | None = None,
        step: int = 0,
        pad: int = 0,
        ordinal: str = ORDINAL,
    ) -> None:
        self.loader, self.step = loader, step
        self._hand_off, self._pad, self._ordinal = HandOff(gate, used), pad, ordinal

    def __len__(self) -> int:
        assert isinstance(self.loader, Sized)
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            handed, _ = mask_batch(
                batch, self._hand_off, self.step, pad=self._pad, ordinal=self._ordinal
            )
            self.step += 1
            yield handed


def mask_batch(
    batch: Any,  # noqa: ANN401 any loader's
    hand_off: HandOff,
    step: int,
    *,
    pad: int = 0,
    ordinal: str = ORDINAL,
) -> tuple[Any, bool]:
    """Masks the rows of ``batch`` that may not be used in ``step``; also returns whether any is
    left.
    """
    if isinstance(batch, Mapping):
        if ordinal not in batch:
            raise UsageError(f"the batch has no `{ordinal}`, so its rows cannot be checked")
        return _mask_tensors(dict(batch), hand_off, step, pad, ordinal)
    try:
        ordinals = [row[ordinal] for row in batch]
    except (KeyError, TypeError, IndexError):
        raise UsageError(
            f"a batch is a list of rows with `{ordinal}`, or a mapping of tensors with it"
        ) from None
    return _mask_rows(batch, ordinals, hand_off, step, ordinal)


def _mask_rows(
    batch: list[Any], ordinals: list[int], hand_off: HandOff, step: int, name: str
) -> tuple[list[Any], bool]:
    gone = hand_off(step, ordinals)
    if not gone:
        return batch, True
    refused = {ordinals[place] for place in gone}
    usable = [row for row in batch if row[name] not in refused and row[name] != NO_ROW]
    result = list(batch)
    for place in gone:
        blank = {"messages": [], "row_id": "", name: NO_ROW}
        result[place] = usable[hash_ordinal(ordinals[place]) % len(usable)] if usable else blank
    return result, bool(usable)


def _mask_tensors(
    batch: dict[str, Any], hand_off: HandOff, step: int, pad: int, name: str
) -> tuple[dict[str, Any], bool]:
    import torch

    ordinals = torch.as_tensor(batch[name])
    distinct = ordinals.tolist() if ordinals.dim() == 1 else ordinals.unique().tolist()
    gone = hand_off(step, distinct)
    if not gone:
        return batch, True
    refused = torch.isin(ordinals.cpu(), torch.tensor([distinct[place] for place in gone]))
    no_row = ordinals.cpu() == NO_ROW
    for key, value in batch.items():
        if key != name and not key.endswith(_STAYS):
            batch[key] = _blank_places(key, value, refused, refused | no_row, pad)
    batch[name] = torch.where(refused.to(ordinals.device), NO_ROW, ordinals)
    return batch, not bool((refused | no_row).all())


def _blank_places(key: str, value: Any, refused: Any, empty_places: Any, pad: int) -> Any:  # noqa: ANN401 a tensor or a list
    """``value`` without the content of the ``refused`` tokens or rows; a row with only places in
    ``empty_places`` is emptied. A tensor of pairs has its rows twice, one after another.
    """
    import numpy as np
    import torch

    rows = refused.shape[0]
    if isinstance(value, torch.Tensor):
        if value.dim() == 0:
            return value
        if value.shape[0] % rows:
            raise BrokenError(f"`{key}` has `{value.shape[0]}` rows for `{rows}` ordinals")
        if (
            key.endswith("shift_labels") and refused.dim() > 1
        ):  # the label of the token before is the first one of the row
            refused = refused | torch.cat(
                [refused[..., 1:], torch.zeros_like(refused[..., :1])], -1
            )
        places = refused.repeat(value.shape[0] // rows, *[1] * (refused.dim() - 1))
        if refused.dim() > 1 and value.shape[: refused.dim()] != places.shape:
            places = empty_places.flatten(1).all(1).repeat(value.shape[0] // rows)
        value[places.to(value.device)] = (
            pad if key.endswith("input_ids") else MASKED if key.endswith("labels") else 0
        )
        return value
    if value is None or isinstance(value, int | float):
        return value
    empty = (empty_places.flatten(1).all(1) if refused.dim() > 1 else refused).tolist()
    if isinstance(value, list) and len(value) == rows:
        return [_empty(item) if gone else item for item, gone in zip(value, empty, strict=True)]
    if isinstance(value, np.ndarray) and value.ndim and len(value) == rows:
        fill = _empty(value[0]) if value.dtype == object else np.zeros((), value.dtype)
        return np.array(
            [fill if gone else item for item, gone in zip(value, empty, strict=True)], value.dtype
        )
    raise BrokenError(
        f"`{key}` is a `{type(value).__name__}` for `{rows}` rows, of which one was withdrawn"
    )


def _empty(value: Any) -> Any:  # noqa: ANN401 whatever a row holds
    return type(value)() if isinstance(value, str | bytes | list | tuple | dict) else None
