"""Strict JSON: a yes is `true`, and neither `"true"` nor `1`.

Litestar converts leniently, because the same code reads query strings. In a body, that would accept
a string or a number as consent. A body is therefore decoded here, strictly, into the route's own
type (ASVS 5.0, 15.3.5). It is decoded in one step, because an untyped intermediate value would need
many times the memory of the bytes that were sent.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, ValidationException


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body already has the route's own type."""

    async def json(self) -> Any:  # noqa: ANN401 Litestar's signature
        """The body as the route's type; ValidationException, with the place, if it does not fit.

        ClientException if it is not JSON, or is nested too deeply.
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
            raise ValidationException(
                extra=[{"key": key, "message": str(error), "source": "body"}]
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ClientException("the body is not JSON") from None
        except RecursionError:
            raise ClientException("the body is nested too deeply") from None


@cache
def _decoder(wanted: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 a type
    """One decoder per type of body; there are as many as routes."""
    return msgspec.json.Decoder(wanted)
