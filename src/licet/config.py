"""The configuration: one frozen value, read from the environment once, at the edge.

A variable that begins with ``LICET_`` and is not known is an error: a misspelt name would otherwise leave a
default in force that somebody believes to have changed. A field of a section is ``LICET_SECTION__FIELD``. Secrets
are given as files only: an environment is inherited, listed and logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from licet.errors import UsageError

_TESTS = (
    "LICET_TEST_", "LICET_BENCH_", "LICET_HISTORIES", "LICET_CRASH_STATES", "LICET_INTERLEAVINGS", "LICET_KILLS",
    "LICET_RACES",
)  # fmt: skip
LOG_NAME = "licet.localhost/log"
_Section = TypeVar("_Section")


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """How `licet serve` knows who calls, and what it grants them. Every variable begins with ``LICET_WEB__``.

    ``url`` (`LICET_WEB__URL`, default none): where browsers reach Licet, as in ``https://privacy.example.org``, without
    a path. Forms are taken from this origin only. Whoever sets it decides which site may act for a signed-in browser.

    ``token_key_file`` (`.._TOKEN_KEY_FILE`, default none): a file with the key, 32 bytes or more, that the host
    application signs people's tokens with (HS256). Whoever reads it can act as any person.

    ``token_jwks_file`` (`.._TOKEN_JWKS_FILE`, default none): a JWKS file with the host's public keys (RS256, ES256,
    Ed25519), instead of a shared key. Whoever writes it can act as any person.

    ``token_audience`` (`.._TOKEN_AUDIENCE`, default ``licet``): what ``aud`` of a token must hold.

    ``token_issuer`` (`.._TOKEN_ISSUER`, default none): what ``iss`` of a token must be; without it any.

    ``oidc_issuer``, ``oidc_client_id``, ``oidc_client_secret_file`` (`.._OIDC_ISSUER`, ..): the provider that staff sign
    in with. Whoever runs it can act as any member of staff.

    ``oidc_roles_claim`` (`.._OIDC_ROLES_CLAIM`, default ``licet_roles``): the claim that lists roles of ours.

    ``embed_origins`` (`.._EMBED_ORIGINS`, default none, parted by commas): sites that may frame the notice and call
    the API from a browser. Whoever is named here can show the notice in surroundings of their own.

    ``person_requests_per_minute`` (default 300) and ``service_requests_per_minute`` (default 60,000): how many
    requests one caller may make; ``unknown_requests_per_minute`` (default 120), one address that has not said who it
    is. A process counts for itself.
    """

    url: str | None = None
    token_key_file: Path | None = None
    token_jwks_file: Path | None = None
    token_audience: str = "licet"  # noqa: S105 an audience is no secret
    token_issuer: str | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret_file: Path | None = None
    oidc_roles_claim: str = "licet_roles"
    embed_origins: tuple[str, ...] = ()
    person_requests_per_minute: int = 300
    service_requests_per_minute: int = 60_000
    unknown_requests_per_minute: int = 120


class Curate(msgspec.Struct, frozen=True, kw_only=True):
    """How a release is curated. Every variable begins with ``LICET_CURATE__``.

    ``runner`` (`LICET_CURATE__RUNNER`, default ``local``): ``local`` (in the process of the build), ``native`` (Daft) or
    ``ray``; the release is the same on each. Whoever sets ``ray`` has content computed on the machines of that cluster.

    ``ray_address`` (`.._RAY_ADDRESS`, default none): the Ray cluster to use; without one Ray starts on this machine.

    ``benchmarks_file`` (`.._BENCHMARKS_FILE`, default none): questions of benchmarks, one a line; what holds one is left
    out. Whoever writes the file decides what else is.
    """

    runner: str = "local"
    ray_address: str | None = None
    benchmarks_file: Path | None = None


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Where the epoch keys are, above everything that is sealed. Every variable begins with ``LICET_KEYS__``.

    ``provider`` (`LICET_KEYS__PROVIDER`, default ``file``): ``file`` (the folder ``keys`` of the data folder), ``bao``
    (OpenBao's transit engine) or ``pkcs11`` (a token). Another provider does not have the keys of the one before.

    ``backup_days`` (`.._BACKUP_DAYS`, default 7): how many days copies of the database are kept. A retired epoch is
    destroyed after as many: what was erased is out of reach of a copy no sooner, and a copy that is older opens nothing.

    ``address``, ``token_file``, ``ca_file`` (`.._ADDRESS`, ..): of OpenBao: an https URL, a file with its token, and the
    authority that signed its certificate. Whoever reads the token opens, with a copy of the database, what is not erased.

    ``mount`` (`.._MOUNT`, default ``transit``): where the transit engine is.

    ``name`` (`.._NAME`, default ``licet``): what the epoch keys are called there, or in the token, before their number.

    ``module``, ``token``, ``pin_file`` (`.._MODULE`, ..): of a token: the PKCS#11 library, the token's label, and a file
    with the user's pin. The library runs in our process: whoever sets it can do anything.
    """

    provider: str = "file"
    backup_days: int = 7
    address: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    mount: str = "transit"
    name: str = "licet"
    module: Path | None = None
    token: str | None = None
    pin_file: Path | None = None


class Cold(msgspec.Struct, frozen=True, kw_only=True):
    """Where sealed content lies that `licet vault cool` moved out of the database. Variables begin with ``LICET_COLD__``.

    ``url`` (`LICET_COLD__URL`, default none: the folder ``cold`` of the data folder): a bucket and a folder in it, as in
    ``s3://bucket/licet``, which belongs to this installation alone. Whoever can delete there loses content for good;
    whoever reads there reads sealed bytes.

    ``endpoint``, ``region`` (`.._ENDPOINT`, ..): of an S3 that is not the default one: its URL, and its region.

    ``access_key_id``, ``secret_access_key_file`` (`.._ACCESS_KEY_ID`, ..): the key, and a file with its secret.
    Whoever reads the file can delete what is there.
    """

    url: str | None = None
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key_file: Path | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Where an installation keeps what.

    ``data`` (`LICET_DATA`, default ``licet-data``): the folder of the embedded database, the keys and the releases.
    Whoever can read it reads every conversation that is not erased; whoever can write it can do anything.

    ``database_url`` (`LICET_DATABASE_URL`, default none): a PostgreSQL to use instead of the embedded one. Whoever
    sets it decides where every account, sealed turn and wrapped key is kept.

    ``log_name`` (`LICET_LOG_NAME`, default ``licet.localhost/log``): what the logs are called, before their year: a URL
    without its scheme, where they are published if they are. A year's log keeps its name. Whoever sets it can begin
    a log that nobody watches.

    ``restrictions`` (`LICET_RESTRICTIONS`, default ``restrictions`` in the data folder): the folder of the restriction
    journal, outside the database and its backups; every process that writes needs the same one, best on another disk.
    Whoever can write it can have things taken back after a restore; whoever deletes it stops the installation.

    ``web`` (`LICET_WEB__..`): see `Web`.

    ``key_chain`` (`LICET_KEYS__..`): see `Keys`.

    ``curate`` (`LICET_CURATE__..`): see `Curate`.

    ``cold`` (`LICET_COLD__..`): see `Cold`.
    """

    data: Path = Path("licet-data")
    database_url: str | None = None
    log_name: str = LOG_NAME
    restrictions: Path | None = None
    web: Web = Web()
    curate: Curate = Curate()
    key_chain: Keys = Keys()
    cold: Cold = Cold()

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def releases(self) -> Path:
        return self.data / "releases"

    @property
    def journal(self) -> Path:
        return self.restrictions or self.data / "restrictions"

    @classmethod
    def of(cls, environment: Mapping[str, str], data: Path | None = None) -> Config:
        """Reads the environment; ``data`` given on the command line comes first, an empty value counts as absent."""
        web = {f"LICET_WEB__{field.upper()}": field for field in Web.__struct_fields__}
        keys = {f"LICET_KEYS__{field.upper()}": field for field in Keys.__struct_fields__}
        cold = {f"LICET_COLD__{field.upper()}": field for field in Cold.__struct_fields__}
        curate = {f"LICET_CURATE__{field.upper()}": field for field in Curate.__struct_fields__}
        known = {
            "LICET_DATA",
            "LICET_DATABASE_URL",
            "LICET_LOG_NAME",
            "LICET_RESTRICTIONS",
            *keys,
            *web,
            *curate,
            *cold,
        }
        for name in sorted(environment):
            if name.startswith("LICET_") and name not in known and not name.startswith(_TESTS):
                raise UsageError(f"unknown setting `{name}`", f"settings are {', '.join(sorted(known))}")
        return cls(
            data=data or Path(environment.get("LICET_DATA") or "licet-data"),
            database_url=environment.get("LICET_DATABASE_URL") or None,
            log_name=environment.get("LICET_LOG_NAME") or LOG_NAME,
            restrictions=Path(environment["LICET_RESTRICTIONS"]) if environment.get("LICET_RESTRICTIONS") else None,
            key_chain=_section(
                Keys, {name: (field, environment[name]) for name, field in keys.items() if environment.get(name)}
            ),
            web=_section(
                Web, {name: (field, environment[name]) for name, field in web.items() if environment.get(name)}
            ),
            cold=_section(
                Cold, {name: (field, environment[name]) for name, field in cold.items() if environment.get(name)}
            ),
            curate=_section(
                Curate, {name: (field, environment[name]) for name, field in curate.items() if environment.get(name)}
            ),
        )


def _section(of: type[_Section], given: Mapping[str, tuple[str, str]]) -> _Section:
    """A section from its variables; UsageError names the variable whose value does not fit."""
    types = get_type_hints(of)
    values: dict[str, Any] = {}
    for name, (field, text) in given.items():
        wanted = types[field]
        if wanted is int:
            if not text.isdecimal() or int(text) < 1:
                raise UsageError(f"`{name}` is not a number above 0")
            values[field] = int(text)
        elif wanted == tuple[str, ...]:
            values[field] = tuple(part.strip() for part in text.split(",") if part.strip())
        else:
            values[field] = Path(text) if wanted == Path | None else text
    return of(**values)
