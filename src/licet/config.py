"""The configuration: one frozen value, read from the environment once, at the edge.

A variable that begins with ``LICET_`` and is not known is an error: a misspelt name would otherwise leave a
default in force that somebody believes to have changed. A field of a section is ``LICET_SECTION__FIELD``. Secrets
are given as files only: an environment is inherited, listed and logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from licet.errors import UsageError

LOG_NAME = "licet.localhost/log"
PORT = 8787
_Section = TypeVar("_Section")


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """How `licet serve` knows who calls, and what it grants them. Every variable begins with ``LICET_WEB__``.

    ``url`` (`LICET_WEB__URL`, default none): where browsers reach Licet, as in ``https://privacy.example.org``, without
    a path. Forms are taken from this origin only. Whoever sets it decides which site may act for a signed-in browser.

    ``token_key_file`` (`.._TOKEN_KEY_FILE`, default none): a file with the key, 32 bytes or more, that the host
    application signs people's tokens with (HS256). Whoever reads it can act as any person.

    ``token_jwks_file`` (`.._TOKEN_JWKS_FILE`, default none): a JWKS file with the host's public keys (RS256, ES256,
    Ed25519), instead of a shared key. Whoever writes it can act as any person.

    ``token_audience`` (`.._TOKEN_AUDIENCE`, default ``licet``): what ``aud`` of a token must hold;
    for a link to `/enter` the same with ``-enter`` behind it.

    ``token_issuer`` (`.._TOKEN_ISSUER`, default none): what ``iss`` of a token must be; without it any.

    ``oidc_issuer``, ``oidc_client_id``, ``oidc_client_secret_file`` (`.._OIDC_ISSUER`, ..): the provider that staff sign
    in with. Whoever runs it can act as any member of staff.

    ``oidc_roles_claim`` (`.._OIDC_ROLES_CLAIM`, default ``licet_roles``): the claim that lists roles of ours.

    ``embed_origins`` (`.._EMBED_ORIGINS`, default none, parted by commas): sites that may frame the notice and call
    the API from a browser. Whoever is named here can show the notice in surroundings of their own.

    ``person_requests_per_minute`` (default 300) and ``service_requests_per_minute`` (default 60,000): how many
    requests one caller may make; ``unknown_requests_per_minute`` (default 120), one address that has not said who it
    is. A process counts for itself. Of an address, only requests that are refused count: nobody who shares it with others
    can keep them out.

    ``proxies`` (`.._PROXIES`, default none, parted by commas): addresses, or networks as ``10.0.0.0/8``, of proxies that
    are believed when they say whom they speak for (`X-Forwarded-For`, `X-Forwarded-Proto`). Whoever sends from one of
    them can take any address.

    ``connections_max`` (`.._CONNECTIONS_MAX`, default 1,000): how many connections are open at once. When one more comes,
    one that waits for a request is closed, of the address that has most. Set high, each costs some memory and a file.

    ``header_seconds`` (`.._HEADER_SECONDS`, default 10): how long a request's first line and headers may take to come, a
    new connection's from its beginning. Set high, whoever sends nothing holds a connection for as long.

    ``body_seconds``, ``body_bytes_per_second`` (`.._BODY_SECONDS`, default 20, `.._BODY_BYTES_PER_SECOND`, default
    16,384): a body must have come after so many seconds and one more for each so many bytes of it. Set high and low,
    whoever sends slowly holds a connection and what has come of a body.

    ``answer_seconds`` (`.._ANSWER_SECONDS`, default 60): how long a reader may take nothing of an answer. Set high,
    whoever does not read holds a connection and what is prepared for it.
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
    proxies: tuple[str, ...] = ()
    connections_max: int = 1_000
    header_seconds: int = 10
    body_seconds: int = 20
    body_bytes_per_second: int = 16 * 2**10
    answer_seconds: int = 60


class Curate(msgspec.Struct, frozen=True, kw_only=True):
    """How a release is curated. Every variable begins with ``LICET_CURATE__``.

    ``runner`` (`LICET_CURATE__RUNNER`, default ``local``): ``local`` (in the process of the build), ``native`` (Daft),
    ``ray`` or ``spark`` (the session that is open in the process); the release is the same on each. Whoever sets one of
    the last two has content computed on the machines of that cluster.

    ``ray_address`` (`.._RAY_ADDRESS`, default none): the Ray cluster to use; without one Ray starts on this machine.

    ``benchmarks_file`` (`.._BENCHMARKS_FILE`, default none): questions of benchmarks, one a line; what holds one is left
    out. Whoever writes the file decides what else is.

    ``names`` (`.._NAMES`, default ``auto``): what looks for names, parted by commas: ``tagger`` (made by
    ``python -m tools.name_tagger``), ``spacy``, ``privacy-filter``, ``gliner``; ``auto`` takes the first two as far as they are
    there, ``off`` none. A release says what looked. Whoever sets ``off`` leaves every name in.

    ``names_kinds`` (`.._NAMES_KINDS`, default ``person,address``): what of it is replaced; ``place`` and
    ``organisation`` are two more. Whoever takes a kind out leaves it in.

    ``doubt`` (`.._DOUBT`, default ``drop``): a conversation with a doubtful name is left out; ``mask`` replaces the name.

    ``names_score_min``, ``names_sure`` (`.._NAMES_SCORE_MIN`, default 0.15, `.._NAMES_SURE`, default 0.5): below the
    first is no name, between them is doubt. Whoever raises them leaves names in.

    ``tagger_folder`` (`.._TAGGER_FOLDER`, default none: ``tagger`` in the data folder), ``privacy_filter_folder``,
    ``gliner_folder`` (`.._PRIVACY_FILTER_FOLDER`, ..): the folders of the models. Nothing is fetched.
    """

    runner: str = "local"
    ray_address: str | None = None
    benchmarks_file: Path | None = None
    names: tuple[str, ...] = ("auto",)
    names_kinds: tuple[str, ...] = ("person", "address")
    doubt: str = "drop"
    names_score_min: float = 0.15
    names_sure: float = 0.5
    tagger_folder: Path | None = None
    privacy_filter_folder: Path | None = None
    gliner_folder: Path | None = None


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


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """How `licet serve` erases what is due by itself. Variables begin with ``LICET_SWEEP__``.

    ``every_seconds`` (`LICET_SWEEP__EVERY_SECONDS`, default 300): how often it looks. Whoever sets it high has what is due
    lie there, unusable, for as long.

    ``share`` (`.._SHARE`, default 0.05) and ``unasked`` (`.._UNASKED`, default 1000): how much one sweep erases without
    asking: that share of the segments kept, or that many, whichever is more. Above it, it waits for `licet sweep
    approve`. Whoever sets ``share`` to 1 is never asked.
    """

    every_seconds: int = 300
    share: float = 0.05
    unasked: int = 1_000


class Webhooks(msgspec.Struct, frozen=True, kw_only=True):
    """Where events may be sent. Every variable begins with ``LICET_WEBHOOKS__``.

    ``inside`` (`LICET_WEBHOOKS__INSIDE`, default none, parted by commas): hosts of your own network, by name or address,
    that events may be sent to. Any other must have public addresses alone. To one of these on this machine plain http
    is allowed too. Whoever is named here receives signed requests from within your network.

    ``ca_file`` (`.._CA_FILE`, default none): the authorities that sign the endpoints' certificates, instead of the public
    ones. Whoever writes the file can pose as every endpoint.
    """

    inside: tuple[str, ...] = ()
    ca_file: Path | None = None


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """How `licet hook`, `licet watch` and `licet session` reach Licet. Every variable begins with ``LICET_AGENT__``.

    ``account`` (`LICET_AGENT__ACCOUNT`, default none: nothing is recorded): the host's id of the person who codes here.
    Whoever sets it decides whose sessions these are.

    ``url`` (`.._URL`, default none: the installation of this machine): where `licet serve` answers. Whoever runs it
    receives what is said.

    ``key_file`` (`.._KEY_FILE`, default none): a file with a service's key of the scopes `gate:read`, `turns:write`,
    `accounts:read`, `conversations:read` and `conversations:write`. Whoever reads it can do all that for any account.

    ``choice_url`` (`.._CHOICE_URL`, default ``/notice`` at the URL): where a person who must decide answers.

    ``state`` (`.._STATE`, default ``~/.local/state/licet``): a folder for how far transcripts were read and what a
    person chose for a session; nothing that was said. Whoever writes it can have a kept-out session recorded.

    ``lock_file`` (`.._LOCK_FILE`, default none): one more file that narrows, beside ``/etc/licet/agent.toml``. It can
    only narrow, whoever names it.
    """

    account: str | None = None
    url: str | None = None
    key_file: Path | None = None
    choice_url: str | None = None
    state: Path | None = None
    lock_file: Path | None = None


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
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

    ``agent`` (`LICET_AGENT__..`): see `Agent`.

    ``sweep`` (`LICET_SWEEP__..`): see `Sweep`.

    ``webhooks`` (`LICET_WEBHOOKS__..`): see `Webhooks`.
    """

    data: Path = Path("licet-data")
    database_url: str | None = None
    log_name: str = LOG_NAME
    restrictions: Path | None = None
    web: Web = Web()
    curate: Curate = Curate()
    key_chain: Keys = Keys()
    cold: Cold = Cold()
    agent: Agent = Agent()
    sweep: Sweep = Sweep()
    webhooks: Webhooks = Webhooks()

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def releases(self) -> Path:
        return self.data / "releases"

    @property
    def controller(self) -> Path:
        """Who is responsible: `licet.consent.controller` reads it."""
        return self.data / "controller.yaml"

    @property
    def journal(self) -> Path:
        return self.restrictions or self.data / "restrictions"

    @classmethod
    def of(cls, environment: Mapping[str, str], data: Path | None = None) -> Configuration:
        """Reads the environment; ``data`` given on the command line comes first, an empty value counts as absent."""
        known = {"LICET_DATA", "LICET_DATABASE_URL", "LICET_LOG_NAME", "LICET_RESTRICTIONS"}
        sections: dict[str, msgspec.Struct] = {}
        for field, (prefix, of) in _SECTIONS.items():
            names = {f"LICET_{prefix}__{each.upper()}": each for each in of.__struct_fields__}
            known.update(names)
            given = {name: (each, environment[name]) for name, each in names.items() if environment.get(name)}
            sections[field] = _section(of, given)
        for name in sorted(environment):
            if name.startswith("LICET_") and name not in known:
                raise UsageError(f"unknown setting `{name}`", f"settings are {', '.join(sorted(known))}")
        return msgspec.structs.replace(
            cls(
                data=data or Path(environment.get("LICET_DATA") or "licet-data"),
                database_url=environment.get("LICET_DATABASE_URL") or None,
                log_name=environment.get("LICET_LOG_NAME") or LOG_NAME,
                restrictions=Path(environment["LICET_RESTRICTIONS"]) if environment.get("LICET_RESTRICTIONS") else None,
            ),
            **sections,
        )


_SECTIONS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "web": ("WEB", Web), "key_chain": ("KEYS", Keys), "curate": ("CURATE", Curate), "cold": ("COLD", Cold),
    "agent": ("AGENT", Agent), "sweep": ("SWEEP", Sweep), "webhooks": ("WEBHOOKS", Webhooks),
}  # fmt: skip


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
        elif wanted is float:
            if not re.fullmatch(r"[01]|0?\.[0-9]{1,6}", text):
                raise UsageError(f"`{name}` is not a number from 0 to 1, as in `0.5`")
            values[field] = float(text)
        elif wanted == tuple[str, ...]:
            values[field] = tuple(part.strip() for part in text.split(",") if part.strip())
        else:
            values[field] = Path(text) if wanted == Path | None else text
    return of(**values)
