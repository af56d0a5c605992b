"""One verb a use case: where siblings meet, and where the edge (the command, the web) finds everything it does.

A verb takes the installation and plain values, and returns a value that explains itself; it prints nothing. The verbs
of the main job are named here, and loaded when they are first called: nobody waits for what he does not use. Those of a
subject apart are called by its module: ``proving.receipts``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from licet.service.installation import Clock, Installation, host_key, installation, policies, utc_now

if TYPE_CHECKING:
    from licet.service.asking import AccountSeen as AccountSeen
    from licet.service.asking import ChoiceSeen as ChoiceSeen
    from licet.service.asking import ConversationSeen as ConversationSeen
    from licet.service.asking import Forecast as Forecast
    from licet.service.asking import Status as Status
    from licet.service.asking import explain as explain
    from licet.service.asking import forecast as forecast
    from licet.service.asking import status as status
    from licet.service.asking import turns_kept as turns_kept
    from licet.service.importing import import_files as import_files
    from licet.service.importing import import_size as import_size
    from licet.service.policy import Applied as Applied
    from licet.service.policy import Begun as Begun
    from licet.service.policy import Planned as Planned
    from licet.service.policy import apply_planned as apply_planned
    from licet.service.policy import apply_policy as apply_policy
    from licet.service.policy import init as init
    from licet.service.policy import plan_policy as plan_policy
    from licet.service.policy import publish_notices as publish_notices
    from licet.service.policy import unused as unused
    from licet.service.releasing import Loading as Loading
    from licet.service.releasing import RuleCleaner as RuleCleaner
    from licet.service.releasing import build_release as build_release
    from licet.service.releasing import find_release as find_release
    from licet.service.releasing import load as load
    from licet.service.releasing import open_release as open_release
    from licet.service.releasing import releases as releases
    from licet.service.releasing import show_release as show_release
    from licet.service.releasing import verify_release as verify_release
    from licet.service.sweeping import sweep as sweep
    from licet.service.telling import advance as advance
    from licet.service.telling import conversations_of as conversations_of
    from licet.service.telling import tell as tell

__all__ = ["Clock", "Installation", "host_key", "installation", "policies", "utc_now"]

_VERBS = {
    "asking": "AccountSeen ChoiceSeen ConversationSeen Forecast Status explain forecast status turns_kept",
    "importing": "import_files import_size",
    "policy": "Applied Begun Planned apply_planned apply_policy init plan_policy publish_notices unused",
    "releasing": "Loading RuleCleaner build_release find_release load open_release releases show_release verify_release",
    "sweeping": "sweep",
    "telling": "advance conversations_of tell",
}
_MODULE = {verb: module for module, verbs in _VERBS.items() for verb in verbs.split()}


def __getattr__(name: str) -> Any:  # noqa: ANN401 a module's attribute has no one type
    if name not in _MODULE:
        raise AttributeError(f"module `licet.service` has no attribute `{name}`")
    return getattr(import_module(f"licet.service.{_MODULE[name]}"), name)
