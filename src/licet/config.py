"""The configuration: one frozen value, read from the environment once, at the edge.

An unknown variable that begins with ``LICET_`` is an error: after a misspelt name, a default would
remain in force that somebody believes they changed. A field of a section is
``LICET_SECTION__FIELD``. Secrets are given as files only, because an environment is inherited,
listed and logged.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from licet.errors import UsageError

LOG_NAME = "licet.localhost/log"
PORT = 8787
_Section = TypeVar("_Section")


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """How `licet serve` authenticates and limits callers. Every variable begins with
    ``LICET_WEB__``.

    ``url`` (`LICET_WEB__URL`, default none): the URL at which browsers reach Licet, such as
    ``https://privacy.example.org``, without a path. Forms are accepted only from this origin.
    Anyone who sets it decides which site may act for a signed-in browser.

    ``token_key_file`` (`.._TOKEN_KEY_FILE`, default none): a file with the key, 32 bytes or more,
    with which the host application signs people's tokens (HS256). Anyone who can read it can act as
    any person.

    ``token_jwks_file`` (`.._TOKEN_JWKS_FILE`, default none): a JWKS file with the host's public
    keys (RS256, ES256, Ed25519), instead of a shared key. Anyone who can write it can act as any
    person.

    ``token_audience`` (`.._TOKEN_AUDIENCE`, default ``licet``): the required ``aud`` of a token;
    for a link to `/enter`, the same with ``-enter`` appended.

    ``token_issuer`` (`.._TOKEN_ISSUER`, default none): the required ``iss`` of a token; without it,
    any is accepted.

    ``oidc_issuer``, ``oidc_client_id``, ``oidc_client_secret_file`` (`.._OIDC_ISSUER`, ..): the
    identity provider of staff. Anyone who runs it can act as any member of staff.

    ``oidc_roles_claim`` (`.._OIDC_ROLES_CLAIM`, default ``licet_roles``): the claim that lists
    roles in Licet.

    ``second_identity`` (`.._SECOND_IDENTITY`, default ``false``): whether a policy proposal, the
    signatures of a release and a second reading are refused unless two different identities of that
    provider do them. Without it, what was done with links or on the command line is on record as
    not confirmed by a second identity. Anyone who clears it, or has the host's shell, can apply a
    policy alone.

    ``embed_origins`` (`.._EMBED_ORIGINS`, default none, separated by commas): origins of sites, as
    in ``https://chat.example.org``, that may frame the notice and call the API from a
    browser. Such a site can show the notice in a context of its own.

    ``person_requests_per_minute`` (default 300) and ``service_requests_per_minute`` (default
    60,000): requests per minute of one caller; ``unknown_requests_per_minute`` (default 120): of
    one unauthenticated address. The workers of one host count together, and so do hosts with a
    bucket. For an address, only refused requests count, so nobody can lock out others who share it.

    ``proxies`` (`.._PROXIES`, default none, separated by commas): addresses, or networks such as
    ``10.0.0.0/8``, of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted. Anyone
    who can send from one of them can claim any address.

    ``connections_max`` (`.._CONNECTIONS_MAX`, default 1,000): open connections, each worker its
    part. For one more, an idle connection of the address with the most connections is closed. Each
    connection costs some memory and a file descriptor.

    ``header_seconds`` (`.._HEADER_SECONDS`, default 10): the time within which a request's first
    line and headers must arrive, counted from the start of a new connection. With a high value, a
    silent client occupies a connection for that long.

    ``body_seconds``, ``body_bytes_per_second`` (`.._BODY_SECONDS`, default 20,
    `.._BODY_BYTES_PER_SECOND`, default 16,384): a body must arrive within the former, plus one
    second per the latter. With a high time or a low pace, a slow client occupies a connection and
    the memory of its partial body.

    ``answer_seconds`` (`.._ANSWER_SECONDS`, default 60): the time after which a response that the
    client does not read is dropped. With a high value, such a client occupies a connection and the
    prepared response.

    ``traces`` (`.._TRACES`, default none): the OTLP/HTTP endpoint that spans are sent to, such as
    ``http://127.0.0.1:4318``. Anyone who runs it sees which routes are called, when, and with what
    status.
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
    second_identity: bool = False
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
    traces: str | None = None


class Curate(msgspec.Struct, frozen=True, kw_only=True):
    """How a release is curated. Every variable begins with ``LICET_CURATE__``.

    ``runner`` (`LICET_CURATE__RUNNER`, default ``local``): ``local`` (in the process of the build),
    ``ray`` or ``spark`` (the session that is open in the process); the release is the same on each.
    Anyone who sets one of the last two has content computed on the machines of that cluster.

    ``ray_address`` (`.._RAY_ADDRESS`, default none): the Ray cluster to use; without one, Ray
    starts on this machine.

    ``benchmarks_file`` (`.._BENCHMARKS_FILE`, default none): benchmark questions, one per line; a
    conversation that contains one is left out, by the rule that the first line may name
    (docs/curate.md). Anyone who can write the file can exclude other conversations too.

    ``names`` (`.._NAMES`, default ``policy``): ``policy`` looks for names with what ships, unless
    every version of the policy lets names in; ``built-in`` looks in any case, ``off`` never. A
    release states what looked, by its hash, and in which languages. With ``off``, every name
    remains in the text.

    ``names_kinds`` (`.._NAMES_KINDS`, default ``person,address``): which kinds are replaced. Names
    of a kind that is not listed remain in the text.
    """

    runner: str = "local"
    ray_address: str | None = None
    benchmarks_file: Path | None = None
    names: str = "policy"
    names_kinds: tuple[str, ...] = ("person", "address")


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Where the epoch keys are stored, on which all encryption depends. Every variable begins with
    ``LICET_KEYS__``.

    ``provider`` (`LICET_KEYS__PROVIDER`, default ``file``): ``file`` (the folder ``keys`` of the
    data folder), ``bao`` (OpenBao's transit engine) or ``pkcs11`` (a token). Another provider does
    not have the keys of the one before.

    ``backup_days`` (`.._BACKUP_DAYS`, default 7): how many days backups of the database are kept. A
    retired epoch is destroyed after that time: only then is erased content out of reach of a copy,
    and older copies cannot be decrypted at all.

    ``drill_days`` (`.._DRILL_DAYS`, default 90): how often a backup is to be restored into a
    scratch place as a test (`licet backup drill`); `licet doctor` and the console say when none
    was. With a high value nobody learns in time that the backups cannot be restored.

    ``address``, ``token_file``, ``ca_file`` (`.._ADDRESS`, ..): for OpenBao: an https URL, a file
    with its token, and the authority that signed its certificate. Anyone who can read the token and
    a copy of the database can decrypt what is not erased.

    ``mount`` (`.._MOUNT`, default ``transit``): where the transit engine is.

    ``name`` (`.._NAME`, default ``licet``): the name of the epoch keys there, or in the token,
    before their number.

    ``module``, ``token``, ``pin_file`` (`.._MODULE`, ..): for a token: the PKCS#11 library, the
    token's label, and a file with the user's PIN. The library runs in Licet's process: anyone who
    sets it can do anything.
    """

    provider: str = "file"
    backup_days: int = 7
    drill_days: int = 90
    address: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    mount: str = "transit"
    name: str = "licet"
    module: Path | None = None
    token: str | None = None
    pin_file: Path | None = None


class Cold(msgspec.Struct, frozen=True, kw_only=True):
    """Where `licet vault cool` moves sealed content out of the database. Every variable begins with
    ``LICET_COLD__``.

    ``url`` (`LICET_COLD__URL`, default none: the folder ``cold`` in the data folder): a bucket and
    a folder in it, such as ``s3://bucket/licet``, used by this installation only. Anyone who can
    delete there can destroy content; anyone who can read there sees only encrypted bytes.

    ``endpoint``, ``region`` (`.._ENDPOINT`, ..): the URL and the region of an S3 service other than
    the default one.

    ``access_key_id``, ``secret_access_key_file`` (`.._ACCESS_KEY_ID`, ..): the key, and a file with
    its secret. Anyone who can read the file can delete what is stored there.
    """

    url: str | None = None
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key_file: Path | None = None


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket for what several hosts must share: the restriction journal, the log and releases.
    Every variable begins with ``LICET_STORE__``. Every host of an installation needs the same.

    ``url`` (`LICET_STORE__URL`, default none: folders in the data folder): a bucket and a folder in
    it, such as ``s3://bucket/licet``, used by this installation only, of a service that honours
    `If-None-Match` and `If-Match`. Anyone who can write there can have content deleted after a
    restore, and stop the log; anyone who can delete there can stop the installation.

    ``endpoint``, ``region`` (`.._ENDPOINT`, ..): the URL and the region of an S3 service other than
    the default one.

    ``access_key_id``, ``secret_access_key_file`` (`.._ACCESS_KEY_ID`, ..): the key, and a file with
    its secret. Anyone who can read the file can do all that.

    ``releases_bytes`` (`.._RELEASES_BYTES`, default 100 GB): how much of a host's disk releases may
    take that the bucket has too. More is removed when another release is brought, except what was
    used within an hour.
    """

    url: str | None = None
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key_file: Path | None = None
    releases_bytes: int = 100 * 10**9


class Loader(msgspec.Struct, frozen=True, kw_only=True):
    """Where a training node keeps parts of releases that it reads from an object store. Every
    variable begins with ``LICET_LOADER__``.

    ``cache`` (`LICET_LOADER__CACHE`, default none: ``parts`` in the data folder): a folder on a
    fast local disk. Parts are sealed.

    ``cache_bytes`` (`LICET_LOADER__CACHE_BYTES`, default 20 GB): how much of it parts may take.
    """

    cache: Path | None = None
    cache_bytes: int = 20 * 10**9


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """How `licet serve` erases what is due automatically. Every variable begins with
    ``LICET_SWEEP__``.

    ``every_seconds`` (`LICET_SWEEP__EVERY_SECONDS`, default 300): how often it checks. With a high
    value, content that is due remains stored, unusable, for that long.

    ``share`` (`.._SHARE`, default 0.05) and ``unasked`` (`.._UNASKED`, default 1000): how much one
    sweep erases without approval: that share of the stored segments, or that number, whichever is
    more. Above that, it waits for `licet sweep approve`. With a ``share`` of 1, it never waits.

    ``join_after_days`` (`.._JOIN_AFTER_DAYS`, default 7): how long nobody must have added to a
    segment before its small blocks are joined. With a high value, they take more space for longer.
    """

    every_seconds: int = 300
    share: float = 0.05
    unasked: int = 1_000
    join_after_days: int = 7


class Webhooks(msgspec.Struct, frozen=True, kw_only=True):
    """Where events may be sent. Every variable begins with ``LICET_WEBHOOKS__``.

    ``inside`` (`LICET_WEBHOOKS__INSIDE`, default none, separated by commas): hosts on your own
    network, by name or address, to which events may be sent. Any other host must have only public
    addresses. A listed host on this machine may be called over plain HTTP. A listed host receives
    signed requests from within your network.

    ``ca_file`` (`.._CA_FILE`, default none): the certificate authorities of the endpoints, instead
    of the public ones. Anyone who can write the file can impersonate every endpoint.
    """

    inside: tuple[str, ...] = ()
    ca_file: Path | None = None


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """How `licet hook`, `licet watch` and `licet session` reach Licet. Every variable begins with
    ``LICET_AGENT__``.

    ``account`` (`LICET_AGENT__ACCOUNT`, default none: nothing is recorded): the host's id of the
    person who codes here. Anyone who sets it decides to whom the sessions belong.

    ``url`` (`.._URL`, default none: the installation on this machine): the URL of `licet serve`.
    Anyone who runs it receives what is said.

    ``key_file`` (`.._KEY_FILE`, default none): a file with a service's key with the scopes
    `gate:read`, `turns:write`, `accounts:read`, `conversations:read` and `conversations:write`.
    Anyone who can read it can do all that for any account.

    ``choice_url`` (`.._CHOICE_URL`, default ``/notice`` at the URL): where a person who must decide
    can answer.

    ``state`` (`.._STATE`, default ``~/.local/state/licet``): the folder that records how far
    transcripts were read and what a person chose for a session, but nothing that was said. Anyone
    who can write it can have a kept-out session recorded.

    ``lock_file`` (`.._LOCK_FILE`, default none): one more file of restrictions, beside
    ``/etc/licet/agent.toml``. It can only restrict, no matter who sets it.
    """

    account: str | None = None
    url: str | None = None
    key_file: Path | None = None
    choice_url: str | None = None
    state: Path | None = None
    lock_file: Path | None = None


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Where an installation stores its data.

    ``data`` (`LICET_DATA`, default ``licet-data``): the folder of the embedded database, the keys
    and the releases. Anyone who can read it can read every conversation that is not erased; anyone
    who can write it can do anything.

    ``database_url`` (`LICET_DATABASE_URL`, default none): a PostgreSQL server to use instead of the
    embedded one. Anyone who sets it decides where every account, sealed turn and wrapped key is
    stored.

    ``log_name`` (`LICET_LOG_NAME`, default ``licet.localhost/log``): the name of the logs, before
    their year: the URL at which they are published, without its scheme. A year's log keeps its
    name. Anyone who sets it can begin a log that nobody monitors.

    ``restrictions`` (`LICET_RESTRICTIONS`, default ``restrictions`` in the data folder): the folder
    of the restriction journal, outside the database and its backups, preferably on another disk;
    every process that writes needs the same one. Anyone who can write it can have permissions
    withdrawn and content deleted after a restore; anyone who deletes it stops the installation.

    ``languages`` (`LICET_LANGUAGES`, default none): a folder of catalogues, one file a language,
    beside those that ship or in their place. Anyone who can write it decides what the pages say in
    those languages.

    ``web`` (`LICET_WEB__..`): see `Web`.

    ``key_chain`` (`LICET_KEYS__..`): see `Keys`.

    ``curate`` (`LICET_CURATE__..`): see `Curate`.

    ``cold`` (`LICET_COLD__..`): see `Cold`.

    ``store`` (`LICET_STORE__..`): see `Store`.

    ``agent`` (`LICET_AGENT__..`): see `Agent`.

    ``loader`` (`LICET_LOADER__..`): see `Loader`.

    ``sweep`` (`LICET_SWEEP__..`): see `Sweep`.

    ``webhooks`` (`LICET_WEBHOOKS__..`): see `Webhooks`.
    """

    data: Path = Path("licet-data")
    database_url: str | None = None
    log_name: str = LOG_NAME
    restrictions: Path | None = None
    languages: Path | None = None
    web: Web = Web()
    curate: Curate = Curate()
    key_chain: Keys = Keys()
    cold: Cold = Cold()
    store: Store = Store()
    agent: Agent = Agent()
    loader: Loader = Loader()
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
    def from_environment(
        cls, environment: Mapping[str, str], data: Path | None = None
    ) -> Configuration:
        """Reads the environment; ``data`` from the command line overrides it, and an empty value
        counts as absent.
        """
        known = {
            "LICET_DATA",
            "LICET_DATABASE_URL",
            "LICET_LOG_NAME",
            "LICET_RESTRICTIONS",
            "LICET_LANGUAGES",
        }
        sections: dict[str, msgspec.Struct] = {}
        for field, (prefix, of) in _SECTIONS.items():
            names = {f"LICET_{prefix}__{each.upper()}": each for each in of.__struct_fields__}
            known.update(names)
            settings = {
                name: (each, environment[name])
                for name, each in names.items()
                if environment.get(name)
            }
            sections[field] = _section(of, settings)
        for name in sorted(environment):
            if name.startswith("LICET_") and name not in known:
                raise UsageError(f"unknown setting `{name}`", _nearest(name, known))
        return msgspec.structs.replace(
            cls(
                data=data or Path(environment.get("LICET_DATA") or "licet-data"),
                database_url=environment.get("LICET_DATABASE_URL") or None,
                log_name=environment.get("LICET_LOG_NAME") or LOG_NAME,
                restrictions=Path(environment["LICET_RESTRICTIONS"])
                if environment.get("LICET_RESTRICTIONS")
                else None,
                languages=Path(environment["LICET_LANGUAGES"])
                if environment.get("LICET_LANGUAGES")
                else None,
            ),
            **sections,
        )


# An origin as a browser sends it: no path, no slash at its end, no wildcard.
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")

_SECTIONS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "web": ("WEB", Web), "key_chain": ("KEYS", Keys), "curate": ("CURATE", Curate), "cold": ("COLD", Cold),
    "store": ("STORE", Store), "agent": ("AGENT", Agent), "loader": ("LOADER", Loader), "sweep": ("SWEEP", Sweep),
    "webhooks": ("WEBHOOKS", Webhooks),
}  # fmt: skip


# Options of `licet serve`, often taken for settings.
_SERVE_OPTIONS = ("HOST", "PORT", "WORKERS")
_LISTED_MAX = 6


def _nearest(name: str, known: Collection[str]) -> str:
    """Returns the hint for an unknown setting: the nearest ones, or all of its section."""
    section, _, field = name.rpartition("__")
    for option in difflib.get_close_matches(field, _SERVE_OPTIONS, n=1, cutoff=0.8):
        return f"it is no setting but an option of `licet serve`: `--{option.lower()}`"
    alike = sorted(each for each in known if section and each.startswith(f"{section}__"))
    fields = {each.rpartition("__")[2]: each for each in alike}
    near = [fields[name] for name in difflib.get_close_matches(field, fields, n=3)]
    near = near or difflib.get_close_matches(name, known, n=3, cutoff=0.85)
    named = near or (alike if len(alike) <= _LISTED_MAX else [])
    if not named:
        return "docs/configuration.md has every setting"
    return f"did you mean {' or '.join(f'`{each}`' for each in named)}?"


def _section(kind: type[_Section], variables: Mapping[str, tuple[str, str]]) -> _Section:
    """Reads a section's variables; UsageError names a variable with an invalid value."""
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, (field, text) in variables.items():
        wanted = types[field]
        if wanted is int:
            if not text.isdecimal() or int(text) < 1:
                raise UsageError(
                    f"`{name}` is not a number above 0: `{text}`", "write a whole number, as in `7`"
                )
            values[field] = int(text)
        elif wanted is float:
            if not re.fullmatch(r"[01]|0?\.[0-9]{1,6}", text):
                raise UsageError(
                    f"`{name}` is not a number from 0 to 1: `{text}`", "write it as in `0.5`"
                )
            values[field] = float(text)
        elif wanted == tuple[str, ...]:
            values[field] = tuple(part.strip() for part in text.split(",") if part.strip())
            if field == "embed_origins" and not all(map(_ORIGIN.fullmatch, values[field])):
                raise UsageError(
                    f"`{name}` is not a list of origins: `{text}`",
                    "as in https://a.example,https://b.example:8443",
                )
        else:
            if name == "LICET_WEB__URL" and not _ORIGIN.fullmatch(text):
                raise UsageError(
                    f"`{name}` is not the URL of a site without a path: `{text}`",
                    "write it as in https://privacy.example.org",
                )
            values[field] = Path(text) if wanted == Path | None else text
    return kind(**values)
