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
ALERTS = (
    Alert(
        "LicetDown",
        "the server does not answer Prometheus",
        "`systemctl status licet`, then its log: start it, or repair what it names",
        "down",
    ),
    Alert(
        "LicetWorkersMissing",
        "fewer processes serve than should",
        "read the log for `worker has ended` and `worker is killed`",
        "workers-missing",
    ),
    Alert(
        "LicetWorkersEnding",
        "processes of the server end again and again",
        "read the log for `worker has ended`: its `because` and `status` say how",
        "workers-ending",
    ),
    Alert(
        "LicetErrors",
        "more than one request in a hundred is answered with an error of the server",
        "read the log for `broken`; for 503, see that the database answers",
        "errors",
    ),
    Alert(
        "LicetSlow",
        "one request in a hundred takes longer than a second",
        "find the route on the board, then see whether the database or the processor is busy",
        "slow",
    ),
    Alert(
        "LicetFiguresOld",
        "the figures of the installation are old: the database has not answered for five minutes",
        "see that PostgreSQL runs and takes connections",
        "figures-old",
    ),
    Alert(
        "LicetDependencySilent",
        "something that the server depends on has not answered it for half a minute",
        "its label `dependency` names it: see that it runs and can be reached; what was "
        "acknowledged is kept, and the server goes on when it answers",
        "dependency-silent",
    ),
    Alert(
        "LicetLogBehind",
        "entries wait for the log for longer than five minutes",
        "`/readyz` says whether the sequencer has stopped; else see that one server runs",
        "log-behind",
    ),
    Alert(
        "LicetWebhooksBehind",
        "messages to endpoints are a quarter of an hour late",
        "see that a server runs: one of its workers sends",
        "webhooks-behind",
    ),
    Alert(
        "LicetEndpointFailing",
        "an endpoint has not taken its messages for an hour",
        "`licet webhooks list` says which and what it answers: ask whoever runs it",
        "endpoint-failing",
    ),
    Alert(
        "LicetEndpointDisabled",
        "an endpoint is told nothing any more, deletions included",
        "mend it, then `licet webhooks replay NAME`",
        "endpoint-disabled",
    ),
    Alert(
        "LicetBackupLate",
        "there is no backup of the last two days",
        "look why the timer's run failed, then `licet backup make FOLDER`",
        "backup-late",
    ),
    Alert(
        "LicetRotationLate",
        "a rotation of the keys is a day late: what was erased is within reach of old "
        "backups for longer than published",
        "`licet keys rotate`; its error says what is in the way",
        "rotation-late",
    ),
    Alert(
        "LicetSweepWaits",
        "a sweep waits for approval: it would erase more than usual",
        "`licet sweep status`: approve it with `licet sweep approve`, or find out what "
        "moved the dates",
        "sweep-waits",
    ),
    Alert(
        "LicetSweepLate",
        "no sweep has come to its end for six hours",
        "read the log for `failed` with `work` `sweep`",
        "sweep-late",
    ),
    Alert(
        "LicetErasuresLate",
        "erasures are not finished in time",
        "`licet erase status` says what each waits for",
        "erasures-late",
    ),
    Alert(
        "LicetClosuresWait",
        "closed accounts are erased, and wait for the log before they are certified",
        "see that one server runs, or `licet ledger append`",
        "closures-wait",
    ),
    Alert(
        "LicetRequestsLate",
        "requests of people are not answered in time",
        "`licet request list` shows them first: answer them, or confirm their receipt",
        "requests-late",
    ),
    Alert(
        "LicetReviewsLate",
        "suggestions, flags, holds or recalls wait for somebody for too long",
        "the inbox of the console lists them, the overdue first",
        "reviews-late",
    ),
    Alert(
        "LicetPoolExhausted",
        "requests wait for a connection to the database",
        "see what the database does; more workers do not help while it is busy",
        "pool-exhausted",
    ),
    Alert(
        "LicetDiskLow",
        "a disk that the server writes to is nearly full",
        "its label `folder` says which: make room, or give it more; a full disk stops changes "
        "until there is room",
        "disk-low",
    ),
    Alert(
        "LicetKeyRefused",
        "a program beside an assistant is refused for its key: what is said there may not be "
        "recorded",
        "see `licet api-key list` for one that was revoked or has ended, and give the program "
        "a new one",
        "key-refused",
    ),
    Alert(
        "LicetDrillLate",
        "no backup was restored as a test since a drill was due a day ago",
        "`licet backup drill`; its timer's log says why it did not run",
        "drill-late",
    ),
    Alert(
        "LicetOutsideSilent",
        "an endpoint or a witness of others has not answered for ten minutes",
        "its label `dependency` says which kind: `licet webhooks list` and `licet ledger status` "
        "say which one; ask whoever runs it",
        "outside-silent",
    ),
    Alert(
        "LicetVersionsDiffer",
        "servers of different versions have run beside each other for an hour",
        "finish the upgrade: reload the servers of before, `systemctl reload licet`",
        "versions-differ",
    ),
    Alert(
        "LicetWithdrawalsFail",
        "withdrawals and deletions fail or take longer than 2.5 seconds: people's no does not "
        "take effect",
        "see `/readyz` and `licet doctor`: the restriction journal's disk or bucket, or the "
        "database, does not take them",
        "withdrawals-fail",
    ),
    Alert(
        "LicetGatesLate",
        "gates fail, or are not answered within 50 milliseconds: chats wait for them",
        "see whether database and processor are busy, and what `/readyz` names",
        "gates-late",
    ),
    Alert(
        "LicetErasuresSlip",
        "erasures are past their day for so long that the objective is missed",
        "`licet erase status` says what each waits for",
        "erasures-slip",
    ),
    Alert(
        "LicetLogSlips",
        "what happens is told to the log later than within two minutes, for so long that the "
        "objective is missed",
        "`/readyz` says whether the sequencer has stopped, and what is silent",
        "log-slips",
    ),
)


def get_alert(name: str) -> Alert:
    """Returns an alert by name; UsageError lists the names."""
    found = next((alert for alert in ALERTS if alert.name == name), None)
    if found is None:
        raise UsageError(
            f"no alert `{name}`", f"alerts are {', '.join(alert.name for alert in ALERTS)}"
        )
    return found
