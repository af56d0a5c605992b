// Made by `python -m tools.client_package --generate`: do not change it by hand.

/** How each operation is sent and read; `once`: with an `Idempotency-Key`. */
export const OPERATIONS = {
  accept_terms: { method: "POST", path: "/v1/accounts/{account}/terms", sends: "application/json", reads: "json", once: false },
  acknowledge: { method: "POST", path: "/v1/events/{event}/acknowledge", sends: "application/json", reads: "json", once: false },
  choose: { method: "POST", path: "/v1/accounts/{account}/choices", sends: "application/json", reads: "json", once: true },
  close_account: { method: "POST", path: "/v1/accounts/{account}/close", sends: "application/json", reads: "json", once: true },
  delete_conversation: { method: "DELETE", path: "/v1/conversations/{conversation}", sends: "application/json", reads: "json", once: true },
  explain_account: { method: "GET", path: "/v1/accounts/{account}/explain", sends: "application/json", reads: "json", once: false },
  explain_conversation: { method: "GET", path: "/v1/conversations/{conversation}/explain", sends: "application/json", reads: "json", once: false },
  explain_turn: { method: "GET", path: "/v1/turns/{turn}/explain", sends: "application/json", reads: "json", once: false },
  export: { method: "GET", path: "/v1/accounts/{account}/export", sends: "application/json", reads: "text", once: false },
  get_account: { method: "GET", path: "/v1/accounts/{account}", sends: "application/json", reads: "json", once: false },
  get_certificate: { method: "GET", path: "/v1/erasures/{erasure}/certificate", sends: "application/json", reads: "text", once: false },
  get_conversation: { method: "GET", path: "/v1/conversations/{conversation}", sends: "application/json", reads: "json", once: false },
  get_erasure: { method: "GET", path: "/v1/erasures/{erasure}", sends: "application/json", reads: "json", once: false },
  get_gate: { method: "GET", path: "/v1/accounts/{account}/gate", sends: "application/json", reads: "json", once: false },
  get_notice: { method: "GET", path: "/v1/accounts/{account}/notice", sends: "application/json", reads: "json", once: false },
  get_own_request: { method: "GET", path: "/v1/accounts/{account}/requests/{request_id}", sends: "application/json", reads: "json", once: false },
  get_policy: { method: "GET", path: "/v1/policy", sends: "application/json", reads: "json", once: false },
  get_standing: { method: "GET", path: "/v1/accounts/{account}/standing", sends: "application/json", reads: "json", once: false },
  get_withdrawn: { method: "GET", path: "/v1/releases/{release}/withdrawn", sends: "application/json", reads: "bytes", once: false },
  give_feedback: { method: "POST", path: "/v1/conversations/{conversation}/feedback", sends: "application/json", reads: "json", once: true },
  keep_out: { method: "POST", path: "/v1/conversations/{conversation}/keep-out", sends: "application/json", reads: "json", once: true },
  keep_project_out: { method: "POST", path: "/v1/accounts/{account}/projects/{project}/keep-out", sends: "application/json", reads: "json", once: true },
  lease_rows: { method: "POST", path: "/v1/releases/{release}/leases", sends: "application/json", reads: "json", once: false },
  let_in: { method: "POST", path: "/v1/conversations/{conversation}/let-in", sends: "application/json", reads: "json", once: true },
  let_project_in: { method: "POST", path: "/v1/accounts/{account}/projects/{project}/let-in", sends: "application/json", reads: "json", once: true },
  list_choices: { method: "GET", path: "/v1/accounts/{account}/choices", sends: "application/json", reads: "json", once: false },
  list_conversations: { method: "GET", path: "/v1/accounts/{account}/conversations", sends: "application/json", reads: "json", once: false },
  list_erasures: { method: "GET", path: "/v1/accounts/{account}/erasures", sends: "application/json", reads: "json", once: false },
  list_events: { method: "GET", path: "/v1/events", sends: "application/json", reads: "json", once: false },
  list_feedback: { method: "GET", path: "/v1/accounts/{account}/feedback", sends: "application/json", reads: "json", once: false },
  list_own_requests: { method: "GET", path: "/v1/accounts/{account}/requests", sends: "application/json", reads: "json", once: false },
  list_reads: { method: "GET", path: "/v1/accounts/{account}/reads", sends: "application/json", reads: "json", once: false },
  list_recipients: { method: "GET", path: "/v1/accounts/{account}/recipients", sends: "application/json", reads: "json", once: false },
  list_rights: { method: "GET", path: "/v1/accounts/{account}/rights", sends: "application/json", reads: "json", once: false },
  list_turns: { method: "GET", path: "/v1/conversations/{conversation}/turns", sends: "application/json", reads: "json", once: false },
  myself: { method: "GET", path: "/v1/me", sends: "application/json", reads: "json", once: false },
  open_account: { method: "POST", path: "/v1/accounts", sends: "application/json", reads: "json", once: true },
  put_off: { method: "POST", path: "/v1/accounts/{account}/showings/{showing}/put-off", sends: "application/json", reads: "json", once: false },
  record_showing: { method: "POST", path: "/v1/accounts/{account}/showings", sends: "application/json", reads: "json", once: false },
  reply_to_request: { method: "POST", path: "/v1/accounts/{account}/requests/{request_id}/reply", sends: "application/json", reads: "json", once: true },
  say: { method: "POST", path: "/v1/turns", sends: "application/json", reads: "json", once: true },
  say_in_bulk: { method: "POST", path: "/v1/turns:bulk", sends: "application/x-ndjson", reads: "text", once: false },
  send_request: { method: "POST", path: "/v1/accounts/{account}/requests", sends: "application/json", reads: "json", once: true },
  set_age: { method: "PUT", path: "/v1/accounts/{account}/age", sends: "application/json", reads: "json", once: true },
  set_plan: { method: "PUT", path: "/v1/accounts/{account}/plan", sends: "application/json", reads: "json", once: true },
  set_region: { method: "PUT", path: "/v1/accounts/{account}/region", sends: "application/json", reads: "json", once: true },
  show_preview: { method: "GET", path: "/v1/accounts/{account}/preview", sends: "application/json", reads: "json", once: false },
  take_feedback_back: { method: "DELETE", path: "/v1/accounts/{account}/feedback/{feedback_id}", sends: "application/json", reads: "json", once: true },
  take_spans: { method: "POST", path: "/v1/otlp/v1/traces", sends: "application/json", reads: "json", once: false },
  withdraw_request: { method: "POST", path: "/v1/accounts/{account}/requests/{request_id}/withdraw", sends: "application/json", reads: "json", once: true },
} as const;

export type OperationName = keyof typeof OPERATIONS;

/** The types of problems, without `urn:licet:problem:`. */
export type ProblemType =
  | "bad_request"
  | "broken"
  | "busy"
  | "contradiction"
  | "denied"
  | "fenced"
  | "forbidden"
  | "idempotency_key_reused"
  | "idempotency_key_running"
  | "method_not_allowed"
  | "must_decide"
  | "not_found"
  | "outcome_unknown"
  | "rate_limited"
  | "refused"
  | "too_large"
  | "unauthenticated";
