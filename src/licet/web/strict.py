"""JSON as it is typed: a yes is `true`, and neither `"true"` nor `1`.

Litestar converts leniently, because the same code reads query strings. For a body that would take a text or a number
for consent, so a body is converted here, strictly, before a route sees it (ASVS 5.0, 15.3.5).
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body is of the route's own type already."""

    async def json(self) -> Any:  # noqa: ANN401 Litestar's signature
        """The body as the route's type; ValidationException, with the place, where it does not fit."""
        value = await super().json()
        wanted = self.route_handler.parsed_data_field
        if wanted is None or value is None:
            return value
        try:
            return msgspec.convert(value, wanted.annotation)
        except msgspec.ValidationError as error:
            place = str(error).rpartition(" - at `$.")[2].removesuffix("`")
            key = place if place != str(error) else ""
            raise ValidationException(extra=[{"key": key, "message": str(error), "source": "body"}]) from None
