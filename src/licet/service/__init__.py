"""One verb a use case: where siblings meet, and where the edge (the command, the web) finds everything it does.

A verb takes the installation and plain values, and returns a value that explains itself; it prints nothing. The
verbs of the main job are named here; those of a subject apart are called by its module: ``proving.receipts``.
"""

from licet.service.asking import (
    AccountSeen,
    ChoiceSeen,
    ConversationSeen,
    Forecast,
    Status,
    explain,
    forecast,
    status,
    turns_kept,
)
from licet.service.importing import import_files, import_size
from licet.service.installation import Clock, Installation, host_key, installation, policies, utc_now
from licet.service.policy import (
    Applied,
    Begun,
    Planned,
    apply_planned,
    apply_policy,
    init,
    plan_policy,
    publish_notices,
)  # fmt: skip
from licet.service.releasing import (
    Loading,
    RuleCleaner,
    build_release,
    find_release,
    load,
    open_release,
    releases,
    show_release,
    verify_release,
)  # fmt: skip
from licet.service.sweeping import sweep
from licet.service.telling import advance, conversations_of, tell

__all__ = [
    "AccountSeen", "Applied", "Begun", "ChoiceSeen", "Clock", "ConversationSeen", "Forecast", "Installation", "Loading",
    "Planned", "RuleCleaner", "Status", "advance", "apply_planned", "apply_policy", "build_release",
    "conversations_of", "explain", "find_release", "forecast", "host_key", "import_files", "import_size", "init",
    "installation", "load", "open_release", "plan_policy", "policies", "publish_notices", "releases", "show_release",
    "status", "sweep", "tell", "turns_kept", "utc_now", "verify_release",
]  # fmt: skip
