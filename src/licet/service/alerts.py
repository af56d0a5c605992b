"""The alerts of `deploy/alerts.yaml`: meaning and fix, for `licet doctor --alert NAME`."""

from __future__ import annotations

import msgspec

from licet.errors import UsageError


class Alert(msgspec.Struct, frozen=True):
    """``means`` says what is wrong while it fires, ``mend`` how to fix it; ``page`` is in
    docs/runbooks.
    """

    name: str
    means: str
    mend: str
    page: str


# The site of the documentation, unless Prometheus has the external label `licet_runbooks`.
RUNBOOKS = "https://docs.licet.example/runbooks/"
# by page: the meaning, and the fix
_ALERTS = {
    "down": (
        "the server does not answer Prometheus",
        "`systemctl status licet`, then its log: start it, or repair what it names",
    ),
    "workers-missing": (
        "fewer processes serve than should",
        "read the log for `worker has ended` and `worker is killed`",
    ),
    "workers-ending": (
        "processes of the server end again and again",
        "read the log for `worker has ended`: its `because` and `status` say how",
    ),
    "errors": (
        "more than one request in a hundred is answered with an error of the server",
        "read the log for `broken`; for 503, see that the database answers",
    ),
    "slow": (
        "one request in a hundred takes longer than a second",
        "find the route on the board, then see whether the database or the processor is busy",
    ),
    "figures-old": (
        "the figures of the installation are old: the database has not answered for five minutes",
        "see that PostgreSQL runs and takes connections",
    ),
    "dependency-silent": (
        "something that the server depends on does not answer it",
        "its label `dependency` names it: see that it runs and can be reached; what was "
        "acknowledged is kept, and the server goes on when it answers",
    ),
    "log-behind": (
        "entries wait for the log for longer than five minutes",
        "`/readyz` says whether the sequencer has stopped; else see that one server runs",
    ),
    "publication-late": (
        "entries have a place in the log, and were not published for five minutes",
        "`licet ledger status` says how far it is published: see that the disk or the bucket of "
        "the log takes writes",
    ),
    "webhooks-behind": (
        "messages to endpoints are a quarter of an hour late",
        "see that a server runs: one of its workers sends",
    ),
    "endpoint-failing": (
        "an endpoint has not taken its messages for an hour",
        "`licet webhooks list` says which and what it answers: ask whoever runs it",
    ),
    "endpoint-disabled": (
        "an endpoint is told nothing any more, deletions included",
        "mend it, then `licet webhooks replay NAME`",
    ),
    "backup-late": (
        "there is no backup of the last two days",
        "look why the timer's run failed, then `licet backup make FOLDER`",
    ),
    "rotation-late": (
        "a rotation of the keys is a day late: what was erased is within reach of old backups for"
        " longer than published",
        "`licet keys rotate`; its error says what is in the way",
    ),
    "sweep-waits": (
        "a sweep waits for approval: it would erase more than usual",
        "`licet sweep status`: approve it with `licet sweep approve`, or find out what moved the "
        "dates",
    ),
    "sweep-late": (
        "no sweep has come to its end for six hours",
        "read the log for `failed` with `work` `sweep`",
    ),
    "erasures-late": (
        "erasures are not finished in time",
        "`licet erase status` says what each waits for",
    ),
    "closures-wait": (
        "closed accounts are erased, and wait for the log before they are certified",
        "see that one server runs, or `licet ledger append`",
    ),
    "requests-late": (
        "requests of people are not answered in time",
        "`licet request list` shows them first: answer them, or confirm their receipt",
    ),
    "reviews-late": (
        "suggestions, flags, holds or recalls wait for somebody for too long",
        "the inbox of the console lists them, the overdue first",
    ),
    "pool-exhausted": (
        "requests wait for a connection to the database",
        "see what the database does; more workers do not help while it is busy",
    ),
    "disk-low": (
        "a disk that the server writes to is nearly full",
        "its label `folder` says which: make room, or give it more; a full disk stops changes "
        "until there is room",
    ),
    "key-refused": (
        "a program beside an assistant is refused for its key: what is said there may not be "
        "recorded",
        "see `licet api-key list` for one that was revoked or has ended, and give the program "
        "a new one",
    ),
    "drill-late": (
        "no backup was restored as a test since a drill was due a day ago",
        "`licet backup drill`; its timer's log says why it did not run",
    ),
    "outside-silent": (
        "an endpoint or a witness of others does not answer",
        "its label `dependency` says which kind: `licet webhooks list` and `licet ledger status` "
        "say which one; ask whoever runs it",
    ),
    "versions-differ": (
        "servers of different versions have run beside each other for an hour",
        "finish the upgrade: reload the servers of before, `systemctl reload licet`",
    ),
    "withdrawals-fail": (
        "withdrawals and deletions fail or take longer than 2.5 seconds: people's no does not "
        "take effect",
        "see `/readyz` and `licet doctor`: the restriction journal's disk or bucket, or the "
        "database, does not take them",
    ),
    "gates-late": (
        "gates fail, or are not answered within 50 milliseconds: chats wait for them",
        "see whether database and processor are busy, and what `/readyz` names",
    ),
    "erasures-slip": (
        "erasures are past their day for so long that the objective is missed",
        "`licet erase status` says what each waits for",
    ),
    "log-slips": (
        "what happens is told to the log later than within two minutes, for so long that the "
        "objective is missed",
        "`/readyz` says whether the sequencer has stopped, and what is silent",
    ),
}
ALERTS = tuple(
    Alert(f"Licet{page.title().replace('-', '')}", means, mend, page)
    for page, (means, mend) in _ALERTS.items()
)


def get_alert(name: str) -> Alert:
    """Returns an alert by name; UsageError lists the names."""
    found = next((alert for alert in ALERTS if alert.name == name), None)
    if found is None:
        raise UsageError(
            f"no alert `{name}`", f"alerts are {', '.join(alert.name for alert in ALERTS)}"
        )
    return found
