"""The alerts of `deploy/alerts.yaml`: meaning and remedy, for `licet doctor --alert NAME`."""

from __future__ import annotations

import msgspec

from licet.errors import UsageError


class Alert(msgspec.Struct, frozen=True):
    """``means`` is what is wrong while it fires, ``mend`` the remedy; ``page`` is in
    docs/runbooks.
    """

    name: str
    means: str
    mend: str
    page: str


# The site of the documentation, unless Prometheus has the external label `licet_runbooks`.
RUNBOOKS = "https://docs.licet.example/runbooks/"
# meaning and remedy by page
_ALERTS = {
    "down": (
        "the server does not answer Prometheus",
        "run `systemctl status licet` and read the end of its log; fix what the log names, "
        "then start it",
    ),
    "workers-missing": (
        "fewer server processes run than are configured",
        "find `worker has ended` and `worker is killed` in the log: the lines before them "
        "name the cause",
    ),
    "workers-ending": (
        "server processes end again and again",
        "find `worker has ended` in the log: `because` and `status` give the cause",
    ),
    "errors": (
        "more than 1 % of requests are answered with a server error",
        "see what `/readyz` and `licet doctor --since 1h` name; for status 500, find `broken`"
        " in the log",
    ),
    "slow": (
        "one request in a hundred takes longer than a second",
        "`licet doctor` shows whether the database is slow, `top` whether the processor is busy",
    ),
    "figures-old": (
        "the figures of the installation are more than five minutes old: the server cannot "
        "read them from the database",
        "check that PostgreSQL runs, accepts connections and is not blocked",
    ),
    "dependency-silent": (
        "something that the server depends on does not answer",
        "its label `dependency` names it: restore it; the server continues by itself, and "
        "nothing that was acknowledged is lost",
    ),
    "log-behind": (
        "entries have waited for the log for longer than five minutes",
        "`/readyz` says whether the sequencer has stopped; otherwise check that a server runs"
        " and that nothing blocks the database",
    ),
    "publication-late": (
        "entries were not published for five minutes after they had their place in the log",
        "check that the disk or the bucket of the log accepts writes; `licet ledger status` "
        "prints how far it is published",
    ),
    "webhooks-behind": (
        "events are sent to endpoints more than fifteen minutes late",
        "check that a server runs and that no suspended `licet webhooks run` keeps it from sending",
    ),
    "endpoint-failing": (
        "an endpoint has refused its events for an hour",
        "`licet webhooks list` prints the endpoint and its error: ask its operator to repair it",
    ),
    "endpoint-disabled": (
        "an endpoint is disabled and receives no events, deletions included",
        "repair it, then run `licet webhooks resume NAME`",
    ),
    "backup-late": (
        "the newest backup is more than two days old",
        "find out why the backup timer failed, then run `licet backup make FOLDER`",
    ),
    "rotation-late": (
        "a rotation of the keys is a day late: erased content can be recovered from old "
        "backups for longer than published",
        "run `licet keys rotate`: its error names what prevents it",
    ),
    "sweep-waits": (
        "a sweep waits for approval, because it would erase more than usual",
        "run `licet sweep status`; if so much is meant to go, `licet sweep approve`, else "
        "find out what moved the dates",
    ),
    "sweep-late": (
        "no sweep has ended for six hours: content that is due is not erased",
        'find `failed` with `"work":"sweep"` in the log: `because` names the cause',
    ),
    "erasures-late": (
        "erasures are past their day",
        "`licet erase status` prints what each waits for",
    ),
    "closures-wait": (
        "accounts were closed and erased an hour ago, and their certificates still wait for "
        "the log",
        "check that a server runs and that the log continues, or run `licet ledger append`",
    ),
    "requests-late": (
        "requests of people under the law are past their deadline",
        "`licet request list` prints them first: answer them, or extend them where the law "
        "allows that",
    ),
    "reviews-late": (
        "suggestions of misuse, flags, legal holds or recalls are past their day of review",
        "call a member of staff: the console's inbox lists the overdue ones first",
    ),
    "pool-exhausted": (
        "requests wait for a connection to the database",
        "see with `licet doctor` what the database is busy with; more workers do not help "
        "while it is",
    ),
    "disk-low": (
        "a disk that the server writes to is nearly full",
        "its label `folder` names it: make room, or enlarge it; on a full disk changes are "
        "refused until there is room",
    ),
    "key-refused": (
        "an assistant's requests are refused because of its API key: its chats may not be recorded",
        "`licet api-key list` prints which key was revoked or has expired: give the program a"
        " new one",
    ),
    "drill-late": (
        "no backup was restored as a test since a drill was due a day ago",
        "run `licet backup drill`; the log of its timer says why it did not run",
    ),
    "outside-silent": (
        "an endpoint or a witness of somebody else does not answer",
        "its label `dependency` names the kind; `licet webhooks list` and `licet ledger "
        "status` print which one: ask its operator",
    ),
    "versions-differ": (
        "servers of different versions have run beside each other for an hour",
        "install the new version on the servers that lack it, then `systemctl reload licet` there",
    ),
    "withdrawals-fail": (
        "withdrawals and deletions fail, or take longer than 2.5 seconds: a person's no does "
        "not take effect",
        "see `/readyz` and `licet doctor --since 1h`: the disk or bucket of the restriction "
        "journal, or the database, does not accept them",
    ),
    "gates-late": (
        "gates fail, or take longer than 50 milliseconds: chats wait for them",
        "see with `licet doctor` and `top` whether the database is far or slow, or the "
        "processor busy",
    ),
    "erasures-slip": (
        "erasures have been past their day for so long that the objective is missed",
        "`licet erase status` prints what each waits for",
    ),
    "log-slips": (
        "entries have waited for the log for more than two minutes so often that the "
        "objective is missed",
        "`/readyz` says whether the sequencer has stopped, and names the silent dependencies; "
        "otherwise see what blocks the database",
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
