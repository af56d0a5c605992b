/** The errors of a call, as in the Python client: classes by what the caller can do, with the problem's stable `type`. */

import type { ProblemType } from "./operations.js";
import { REASONS, type ReasonCode } from "./reasons.js";

/** A rejected value. */
export interface Fault {
  key: string;
  message: string;
}

/** An error response as problem+json (RFC 9457). */
export interface Problem {
  type?: string;
  title?: string;
  detail?: string;
  hint?: string;
  because?: string;
  choice?: string;
  faults?: Fault[];
}

/**
 * `no_answer`: there was no response, and whether the request arrived is unknown. `unreadable`: the response does not
 * conform to this version of the API. A newer server may return a type that is not listed.
 */
export type ErrorType = ProblemType | "no_answer" | "unreadable" | (string & {});

/** Any error of a call, except an abort by the caller, which rejects with the signal's reason. */
export class LicetError extends Error {
  /** The problem's type without `urn:licet:problem:`. */
  readonly type: ErrorType;
  /** The HTTP status; 0 without a response. */
  readonly status: number;
  /** What to do; may be empty. */
  readonly hint: string;
  /** Why: a `ReasonCode`, or the refusal's own code. */
  readonly because: string;
  /** Where the account answers if it must decide first; otherwise empty. */
  readonly choice: string;
  /** The rejected values. */
  readonly faults: readonly Fault[];
  /** The seconds that an overloaded server asks to wait; 0 if it names none. */
  readonly retryAfter: number;

  constructor(type: ErrorType, status: number, problem: Problem = {}, options?: ErrorOptions, retryAfter = 0) {
    super(formatMessage(type, status, problem), options);
    this.name = new.target.name;
    this.type = type;
    this.status = status;
    this.hint = problem.hint ?? "";
    this.because = problem.because || reasonFor(type, status);
    this.choice = problem.choice ?? "";
    this.faults = problem.faults ?? [];
    this.retryAfter = retryAfter;
  }
}

/** The call is invalid. */
export class UsageError extends LicetError {}
/** A setting of the client is invalid; `because` says why. */
export class SetupError extends UsageError {
  constructor(because: ReasonCode, detail = "") {
    const [sentence, hint] = REASONS[because];
    super(because, 0, { detail: detail ? `${sentence}: ${detail}` : sentence, hint, because });
  }
}
/** It does not exist, or is not the caller's. */
export class NotFoundError extends LicetError {}
/** Understood and refused; nothing was changed. `because` says why. */
export class RefusedError extends LicetError {}
/** The account must decide first; `choice` is where it answers. */
export class GateError extends RefusedError {}
/** It needs another token, key or scope, or the content may not be opened. */
export class DeniedError extends LicetError {}
/** Retry later: this call has used up its attempts. */
export class BusyError extends LicetError {}
/** The server failed, or its response cannot be parsed. */
export class BrokenError extends LicetError {}

/** Returns the error for an unsuccessful response. */
export function errorOf(status: number, problem: Problem, retryAfter = 0): LicetError {
  const type = typeOf(problem);
  return new (classOf(status, type))(type, status, problem, undefined, retryAfter);
}

const REASON_BY_TYPE: Record<string, ReasonCode> = {
  unauthenticated: "key_unknown",
  forbidden: "scope_missing",
  contradiction: "bad_request",
  method_not_allowed: "bad_request",
  outcome_unknown: "busy",
  idempotency_key_running: "busy",
};

/** For responses of a proxy before Licet. */
const REASON_BY_STATUS: Record<number, ReasonCode> = { 413: "too_large", 429: "rate_limited" };

/** Returns the reason code of any error that a call rejected with. */
export function reasonOf(error: unknown): ReasonCode {
  if (!(error instanceof LicetError)) return "no_answer";
  if (Object.hasOwn(REASONS, error.because)) return error.because as ReasonCode;
  return reasonFor(error.type, error.status);
}

function reasonFor(type: ErrorType, status: number): ReasonCode {
  for (const code of [REASON_BY_TYPE[type], type]) {
    if (code !== undefined && Object.hasOwn(REASONS, code)) return code as ReasonCode;
  }
  if (status >= 300 && status < 400) return "redirected";
  if (type !== "unknown") return "refused";
  return REASON_BY_STATUS[status] ?? "not_licet";
}

/** Formats the error's sentence with the rejected values. */
function formatMessage(type: ErrorType, status: number, { detail, title, faults = [] }: Problem): string {
  const sentence = detail || title || `${REASONS[reasonFor(type, status)][0]}: status ${status}`;
  return [sentence, ...faults.map(({ key, message }) => `\`${key}\`: ${message}`)].join("; ");
}

/** Returns the problem's type without its namespace; `unknown` for a response of a proxy before Licet. */
export function typeOf(problem: Problem): ErrorType {
  const [, type] = /^urn:licet:problem:([a-z_]+)$/.exec(problem.type ?? "") ?? [];
  return type ?? "unknown";
}

function classOf(status: number, type: ErrorType): typeof LicetError {
  if (type === "contradiction") return UsageError;
  if (status === 401 || status === 403) return DeniedError;
  if (status === 404) return NotFoundError;
  if (status === 409 || status === 422) return RefusedError;
  if (status === 451) return GateError;
  if (status === 429 || (status >= 502 && status <= 504)) return BusyError;
  return status >= 400 && status < 500 ? UsageError : BrokenError;
}
