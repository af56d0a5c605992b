"""Models of misuse are trained by what the tests of training need."""

from ..train.conftest import _group_train

__all__ = ["_group_train"]
