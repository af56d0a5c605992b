"""The callback of the LiteLLM proxy: asks the gate before a call, and records what the call added
afterwards.

    litellm_settings:
      callbacks: licet.plugins.litellm.callback

If an account must decide first, the response is 451 with the URL to do so. A call without a known
account, or with a mark, passes and is not recorded; the setting ``outage`` applies while Licet is
unreachable, and can refuse calls without a known account. The account is the proxy's end user, else
the key's owner. A call that did not pass the pre-call hook (for example through the SDK alone) is
not recorded. LiteLLM is not part of Licet: this module is imported only in its process.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections import OrderedDict
from typing import Any

import litellm
from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger

from licet.host import GatePermit, Host, Outage, ReasonCode
from licet.plugins.dialogue import DialoguePlace, is_marked, new_turns
from licet.plugins.settings import PluginSettings, plugin_settings

CALLS_MAX = 100_000
_SESSIONS = ("litellm_session_id", "session_id")


class Callback(CustomLogger):  # type: ignore[misc]  # LiteLLM is installed only in its own process
    """Registered once per process. Its objects are created with the first call, after any fork."""

    def __init__(self, settings: PluginSettings) -> None:
        super().__init__()
        self.settings = settings
        self._permits: OrderedDict[str, GatePermit] = OrderedDict()
        self._lock = threading.Lock()
        self._host: Host | None = None

    @property
    def host(self) -> Host:
        with self._lock:
            if self._host is None:
                self._host = Host(self.settings)
                atexit.register(self._host.close)
            return self._host

    async def async_pre_call_hook(
        self, user_api_key_dict: object, cache: object, data: dict[str, Any], call_type: str
    ) -> None:
        """Lets a call through, with or without a permit to record it, or refuses it."""
        account = _account(user_api_key_dict, data)
        if not account:
            self.host.count("no account")
            return self._unknown(ReasonCode.no_account)
        permit = await self.host.gate(account)
        if permit.because == ReasonCode.must_decide:
            message = (
                f"one question has to be answered first; either answer will do: {permit.choice}"
            )
            detail = {"error": message, "because": permit.because, "choice": permit.choice}
            raise HTTPException(451, detail)
        if not permit.may_record:
            return self._unknown(permit.because)
        if is_marked(data):
            self.host.count("marked")
            return None
        self._permits[str(data.get("litellm_call_id"))] = permit
        if len(self._permits) > CALLS_MAX:
            self._permits.popitem(last=False)
        return None

    def _unknown(self, because: str) -> None:
        if self.settings.outage is Outage.block:
            raise HTTPException(
                503, {"error": "whether this may be said is not known now", "because": because}
            )

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Spools the turns that a call added."""
        permit = self._permits.pop(str(kwargs.get("litellm_call_id")), None)
        if permit is None:
            return
        payload = kwargs.get("standard_logging_object") or {}
        if (
            litellm.turn_off_message_logging
            or is_marked(payload)
            or is_marked(kwargs.get("litellm_params"))
        ):
            self.host.count("marked")
            return
        where, answer = self._where(permit, payload), _answer(payload.get("response"))
        turns = new_turns(payload.get("messages"), answer, where, offered=_offered_tools(payload))
        if not turns:
            self.host.count("no dialogue, or redacted")
            return
        await asyncio.wrap_future(self.host.record(permit, turns))

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Records nothing: a failed call's messages are repeated by the next answered call."""

    def _where(self, permit: GatePermit, payload: dict[str, Any]) -> DialoguePlace:
        response = payload.get("response")
        model = response.get("model") if isinstance(response, dict) else None
        return DialoguePlace(
            account=permit.account,
            conversation="host:" + _session(payload),
            surface=self.settings.surface,
            instructions=self.settings.instructions,
            model=str(model or payload.get("model") or ""),
        )


def _account(key: object, data: dict[str, Any]) -> str:
    """Returns the reference of a call's account; "" without one."""
    candidates = (
        getattr(key, "end_user_id", None),
        data.get("user"),
        getattr(key, "user_id", None),
    )
    named = next(
        (str(value) for value in candidates if isinstance(value, str | int) and value != ""), ""
    )
    return f"host:{named}" if named else ""


def _answer(response: object) -> object:
    choices = response.get("choices") if isinstance(response, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first.get("message") if isinstance(first, dict) else None


def _offered_tools(payload: dict[str, Any]) -> object:
    """Returns the tools that a call offered its model."""
    parameters = payload.get("model_parameters")
    options = parameters if isinstance(parameters, dict) else {}
    return options.get("tools") or options.get("functions")


def _session(payload: dict[str, Any]) -> str:
    metadata = payload.get("metadata") or {}
    requester = metadata.get("requester_metadata")
    values = [
        place.get(key)
        for place in (metadata, requester)
        if isinstance(place, dict)
        for key in _SESSIONS
    ]
    named = (*values, payload.get("session_id"), payload.get("trace_id"), payload.get("id"))
    return next((value for value in named if isinstance(value, str) and value), "")


def __getattr__(name: str) -> Callback:
    """Creates `callback` from the environment on first access."""
    if name == "callback":
        made = globals()["callback"] = Callback(plugin_settings(os.environ))
        return made
    raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
