"""JSON as it is typed: a yes is `true`, and neither `"true"` nor `1`.

Litestar converts leniently, because the same code reads query strings. For a body that would take a text or a number
for consent, so a body is decoded here, strictly, into the route's own type (ASVS 5.0, 15.3.5). It is decoded in one
step: an untyped value in between would cost many times the bytes that were sent.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, ValidationException


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body is of the route's own type already."""

    async def json(self) -> Any:  # noqa: ANN401 Litestar's signature
        """The body as the route's type; ValidationException, with the place, where it does not fit.

        ClientException where it is no JSON, or is nested more deeply than is read.
        """
        wanted = self.route_handler.parsed_data_field
        body = await self.body() or b"null"
        try:
            if wanted is None:
                return msgspec.json.decode(body)
            return None if body.strip() == b"null" else _decoder(wanted.annotation).decode(body)
        except msgspec.ValidationError as error:
            place = str(error).rpartition(" - at `$.")[2].removesuffix("`")
            key = place if place != str(error) else ""
            raise ValidationException(extra=[{"key": key, "message": str(error), "source": "body"}]) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ClientException("the body is not JSON") from None
        except RecursionError:
            raise ClientException("the body is nested too deeply") from None


@cache
def _decoder(wanted: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 a type
    """One decoder for each type of body, of which there are as many as routes."""
    return msgspec.json.Decoder(wanted)
