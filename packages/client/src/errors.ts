/** The errors of a call, as those of the Python client: a class for what to do, and the problem's stable `type`. */

import type { ProblemType } from "./operations.js";
import { REASONS, type ReasonCode } from "./reasons.js";

/** One value that does not fit. */
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
 * `no_answer`: no response came, and whether the request arrived is unknown. `unreadable`: the response is not one of
 * this version of the API. A newer server may say a type that is not listed.
 */
export type ErrorType = ProblemType | "no_answer" | "unreadable" | (string & {});

/** Any error of a call, but for an abort by the caller, which rejects with the signal's own reason. */
export class LicetError extends Error {
  /** The problem's type without `urn:licet:problem:`. */
  readonly type: ErrorType;
  /** The HTTP status; 0 if no response came. */
  readonly status: number;
  /** What to do, or empty. */
  readonly hint: string;
  /** Why: a `ReasonCode`, or a word of a refusal's own. */
  readonly because: string;
  /** Where the account answers, if it must decide first; else empty. */
  readonly choice: string;
  /** Which values were rejected. */
  readonly faults: readonly Fault[];
  /** For how many seconds an overloaded server asks to wait; 0 if it does not say. */
  readonly retryAfter: number;

  constructor(type: ErrorType, status: number, problem: Problem = {}, options?: ErrorOptions, retryAfter = 0) {
    super(messageOf(type, status, problem), options);
    this.name = new.target.name;
    this.type = type;
    this.status = status;
    this.hint = problem.hint ?? "";
    this.because = problem.because || reasonIn(type, status);
    this.choice = problem.choice ?? "";
    this.faults = problem.faults ?? [];
    this.retryAfter = retryAfter;
  }
}

/** The call is wrong. */
export class UsageError extends LicetError {}
/** A setting of the client is wrong: `because` says which mistake it is. */
export class SetupError extends UsageError {
  constructor(because: ReasonCode, what = "") {
    const [sentence, remedy] = REASONS[because];
    super(because, 0, { detail: what ? `${sentence}: ${what}` : sentence, hint: remedy, because });
  }
}
/** It does not exist, or is not the caller's. */
export class NotFoundError extends LicetError {}
/** Understood and refused; nothing was changed. `because` says why. */
export class RefusedError extends LicetError {}
/** The account must decide first; `choice` is where it answers. */
export class GateError extends RefusedError {}
/** Another token, key or scope is needed, or the content may not be opened. */
export class DeniedError extends LicetError {}
/** Try again later: the attempts of this call are used up. */
export class BusyError extends LicetError {}
/** The server is broken, or its response cannot be read. */
export class BrokenError extends LicetError {}

/** The error for a response that is no success. */
export function errorOf(status: number, problem: Problem, retryAfter = 0): LicetError {
  const type = typeOf(problem);
  return new (classOf(status, type))(type, status, problem, undefined, retryAfter);
}

const OF_TYPE: Record<string, ReasonCode> = {
  unauthenticated: "key_unknown",
  forbidden: "scope_missing",
  contradiction: "bad_request",
  method_not_allowed: "bad_request",
  outcome_unknown: "busy",
  idempotency_key_running: "busy",
};

/** Of something before Licet, a proxy above all. */
const OF_STATUS: Record<number, ReasonCode> = { 413: "too_large", 429: "rate_limited" };

/** The code of any error that a call rejected with. */
export function reasonOf(error: unknown): ReasonCode {
  if (!(error instanceof LicetError)) return "no_answer";
  if (Object.hasOwn(REASONS, error.because)) return error.because as ReasonCode;
  return reasonIn(error.type, error.status);
}

function reasonIn(type: ErrorType, status: number): ReasonCode {
  for (const word of [OF_TYPE[type], type]) {
    if (word !== undefined && Object.hasOwn(REASONS, word)) return word as ReasonCode;
  }
  if (status >= 300 && status < 400) return "redirected";
  if (type !== "unknown") return "refused";
  return OF_STATUS[status] ?? "not_licet";
}

/** What is wrong in words, with the values that were rejected. */
function messageOf(type: ErrorType, status: number, { detail, title, faults = [] }: Problem): string {
  const sentence = detail || title || `${REASONS[reasonIn(type, status)][0]}: status ${status}`;
  return [sentence, ...faults.map(({ key, message }) => `\`${key}\`: ${message}`)].join("; ");
}

/** The problem's type without its namespace; `unknown` if something before Licet answered. */
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
