"""The figures of the classifier, as the papers have them that it follows."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from licet.errors import UsageError
from licet.misuse import card, models, ngrams, operating_points
from licet.misuse.classifier import _Fitted

from ..installed import House

AT = datetime(2026, 5, 1, tzinfo=UTC)


def test_a_rare_bucket_weighs_more_than_a_common_one_and_an_empty_one_most() -> None:
    counts = csr_matrix([[2.0, 1.0, 0.0], [1.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    counts.resize(3, ngrams.BUCKETS)
    found = ngrams.inverse_frequencies(counts)[:3]
    assert found == pytest.approx([1.0, np.log(4 / 2) + 1, np.log(4) + 1])


def test_a_count_weighs_by_its_logarithm_in_a_row_of_length_one() -> None:
    made = ngrams.weigh_counts(csr_matrix([[1, 3]]), np.array([1.0, 2.0])).toarray()[0]
    expected = np.array([1.0, 2 * (1 + np.log(3))])
    assert made == pytest.approx(expected / np.linalg.norm(expected))


def test_every_bucket_of_the_examples_is_learnt_from_and_no_other_one() -> None:
    counts = ngrams.count_ngrams(
        [f"word{n} of misuse" if n % 2 else f"plain {n}" for n in range(8)]
    )
    rows, truth = np.arange(8), np.arange(8) % 2 == 1
    fitted = _Fitted(counts, rows, truth, np.ones(8))
    for seen, kind in zip(fitted._seen, counts, strict=True):
        assert seen.tolist() == np.flatnonzero(ngrams.document_counts(kind)).tolist()
    assert (fitted(rows) > 0).tolist() == truth.tolist()


def test_a_point_lets_through_as_many_as_its_bound_allows_and_counts_them() -> None:
    scores = np.arange(200) / 200
    point = operating_points.choose_point("d", scores, 0.05, AT)
    assert point is not None
    assert point.above == int((scores > point.threshold).sum())
    assert operating_points.alarm_bound(point.above, 200) <= 0.05
    assert operating_points.alarm_bound(point.above + 1, 200) > 0.05


@pytest.mark.parametrize(("is_learnt", "says"), [(True, False), (False, True)])
def test_a_card_says_where_the_model_abstains_and_only_there(is_learnt: bool, says: bool) -> None:
    domain = SimpleNamespace(
        slice="app",
        examples=9,
        misuse=1,
        auprc=None,
        auroc=None,
        found=None,
        false_alarms=None,
        is_learnt=is_learnt,
    )
    text = card._domains(cast("Any", SimpleNamespace(domains=(domain,))))
    assert ("are from `app`: the model abstains there." in text) is says
    assert ("abstains" in text) is says


def test_a_model_may_be_made_in_a_folder_that_is_there_and_empty(house: House) -> None:
    out = house.installation.config.data / "model"
    out.mkdir(parents=True)
    with pytest.raises(UsageError, match="is trained on 1 to"):
        models.train(house.installation, [], out)
    (out / "weights").touch()
    with pytest.raises(UsageError, match="already exists"):
        models.train(house.installation, [], out)
