"""Where an installation's cold objects are stored: the bucket that its configuration names, or the folder ``cold``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from licet.config import Configuration
from licet.errors import UsageError
from licet.keys.objects import Objects, Stored

SECRET_BYTES_MAX = 4_096
CONNECT_SECONDS_MAX = 5
REQUEST_SECONDS_MAX = 30
RETRIES_MAX = 3


def objects(config: Configuration) -> Objects:
    """The configured store, not contacted yet; UsageError if a file with a secret cannot be read."""
    cold = config.cold
    if not cold.url:
        return Stored(config.data / "cold")
    given: dict[str, Any] = {
        "endpoint": cold.endpoint, "region": cold.region, "access_key_id": cold.access_key_id,
        "secret_access_key": _secret(config),
    }  # fmt: skip
    options: dict[str, Any] = {name: value for name, value in given.items() if value}
    options["client_options"] = {"connect_timeout": f"{CONNECT_SECONDS_MAX}s", "timeout": f"{REQUEST_SECONDS_MAX}s"}
    options["retry_config"] = {"max_retries": RETRIES_MAX, "retry_timeout": timedelta(seconds=REQUEST_SECONDS_MAX)}
    if (cold.endpoint or "").startswith("http://"):
        options["client_options"]["allow_http"] = True
    return Stored(url=cold.url, options=options)


def _secret(config: Configuration) -> str | None:
    path = config.cold.secret_access_key_file
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return file.read(SECRET_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}`, the secret of the cold store, cannot be read: {type(error).__name__}") from None
