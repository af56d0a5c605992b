/**
 * A typed client of Licet's API. It uses web standards only (fetch, AbortController, URLSearchParams, crypto.randomUUID).
 *
 *     import { Licet } from "@licet/client";
 *
 *     const licet = new Licet("https://privacy.example.org", key);
 *     await licet.send("choose", { path: { account: "host:ana" }, body: { allow: true } });
 *
 * Operations are named as in `/openapi.json`. A change is sent with an `Idempotency-Key`, so that a retry after a lost
 * connection, a 503 or a 429 applies it once.
 */

import type { components, operations } from "./api.js";
import { BrokenError, BusyError, errorOf, LicetError, NotFoundError, type Problem, reasonOf, SetupError, UsageError } from "./errors.js";
import { OPERATIONS, type OperationName } from "./operations.js";
import { REASONS, type ReasonCode } from "./reasons.js";
import { checkedAccount, checkedAddress, checkedKey } from "./setup.js";

export * from "./errors.js";
export { REASONS, type ReasonCode } from "./reasons.js";
export { checkedAccount } from "./setup.js";
export { OPERATIONS, type OperationName, type ProblemType } from "./operations.js";

/** The types of requests and responses, named as in `/openapi.json`. */
export type Schemas = components["schemas"];

type Content<C> = "application/json" extends keyof C
  ? C["application/json"]
  : Extract<keyof C, `text/${string}` | "application/x-ndjson"> extends never
    ? Uint8Array
    : string;
type Part<Name extends string, P> = [P] extends [never]
  ? { [key in Name]?: never }
  : {} extends P
    ? { [key in Name]?: P }
    : { [key in Name]: P };
type Defined<T> = Exclude<T, undefined>;
type OperationParameters<N extends OperationName> = operations[N]["parameters"];
type Body<N extends OperationName> = operations[N] extends { requestBody: { content: infer C } }
  ? { body: Content<C> }
  : Defined<operations[N]["requestBody"]> extends { content: infer C }
    ? { body?: Content<C> | null }
    : { body?: never };
type Success<R> = { [status in keyof R]: status extends 200 | 201 ? R[status] : never }[keyof R];

/** The answer to one turn of `sayAll`. `status` is that of a request with this turn alone. */
export interface BulkItem {
  line: number;
  status: number;
  turn?: string;
  conversation?: string;
  /** The conversation's project, in which it began; absent if it has none. */
  project?: string;
  /** The turn names another project, which changes nothing. */
  other_project?: boolean;
  outcome?: string;
  problem?: string;
  because?: string;
  detail?: string;
}

/** Options of any call, beside its operation's own values. */
export interface CallOptions {
  /** Aborts the call: it rejects with the signal's reason and is not retried. */
  signal?: AbortSignal;
  /** Milliseconds per attempt. */
  timeout?: number;
  /** The `Idempotency-Key` of a change; random by default. A repeated key repeats the same request. */
  key?: string;
}

/** The arguments of an operation. */
export type CallRequest<N extends OperationName> = CallOptions &
  Part<"path", Defined<OperationParameters<N>["path"]>> &
  Part<"query", Defined<OperationParameters<N>["query"]>> &
  Body<N>;

/** The result of an operation: a JSON value, text or bytes. */
export type CallResult<N extends OperationName> =
  Success<operations[N]["responses"]> extends { content: infer C } ? Content<C> : never;

type CallArguments<N extends OperationName> = {} extends CallRequest<N>
  ? [request?: CallRequest<N>]
  : [request: CallRequest<N>];

/** Operations whose result is paged. */
export type ListName = {
  [N in OperationName]: CallResult<N> extends { items: readonly unknown[]; next?: string | null } ? N : never;
}[OperationName];
type Item<N extends ListName> = CallResult<N> extends { items: readonly (infer I)[] } ? I : never;

/**
 * The gate. `because` is the reason code of a no, `detail` its sentence. A gate that cannot be determined is closed, with
 * `gate` `unknown`.
 */
export type GateCheck =
  | (Omit<Schemas["GateAnswer"], "because"> & { because: ReasonCode | "" })
  | { gate: "unknown"; may_write: false; because: ReasonCode; detail: string; retry_after: number };

export interface ClientOptions {
  /** Milliseconds for one attempt: 10,000. */
  timeout?: number;
  /** Milliseconds for `check`: 2,000. */
  checkTimeout?: number;
  /** The maximum number of attempts per request: 5. */
  attemptsMax?: number;
  /** Milliseconds before the second attempt, doubled for each further one: 100. */
  wait?: number;
  /** The maximum wait in milliseconds, even if the server asks for a longer one: 5,000. */
  waitMax?: number;
  /** Sends a request; the platform's `fetch` by default. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** A service's key or a person's token, or a function that returns a fresh one for each attempt. */
export type Token = string | (() => string | Promise<string>);

interface RequestValues {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: unknown;
  signal?: AbortSignal;
  timeout?: number;
  key?: string;
}

interface Operation {
  method: string;
  path: string;
  sends: string;
  reads: "json" | "text" | "bytes";
  once: boolean;
}

interface WireRequest {
  url: string;
  init: RequestInit;
  headers: Record<string, string>;
  reads: Operation["reads"];
  mayRetry: boolean;
  timeout: number;
  signal: AbortSignal | undefined;
}

/** The result of one attempt; `retryAfter` is the server's header. */
type AttemptResult = { value: unknown } | { error: LicetError; retryAfter: string | null };

const RETRIED = new Set([429, 502, 503, 504]);
const LINES_MAX = 10_000;
const CHECK_SERVER = "check that Licet runs";

export class Licet {
  readonly #url: string;
  readonly #token: Token;
  readonly #options: Required<ClientOptions>;

  /** `url` is Licet's address, up to the `/v1` of its paths. Throws a `SetupError` for an invalid address or key. */
  constructor(url: string | URL, token: Token, options: ClientOptions = {}) {
    this.#url = checkedAddress(url);
    this.#token = typeof token === "function" ? token : checkedKey(token);
    this.#options = {
      timeout: 10_000,
      checkTimeout: 2_000,
      attemptsMax: 5,
      wait: 100,
      waitMax: 5_000,
      fetch: (url, init) => globalThis.fetch(url, init),
      ...options,
    };
  }

  /** Returns the result of an operation; rejects with a `LicetError`. */
  async send<N extends OperationName>(operation: N, ...[request]: CallArguments<N>): Promise<CallResult<N>> {
    const call = this.#request(findOperation(operation), (request ?? {}) as RequestValues);
    return (await this.#send(call)) as CallResult<N>;
  }

  /** Yields each item of a list, page by page. */
  async *items<N extends ListName>(operation: N, ...[request]: CallArguments<N>): AsyncGenerator<Item<N>, void> {
    const { query, ...rest } = (request ?? {}) as RequestValues;
    for (let cursor: unknown = query?.cursor; ; ) {
      const call = this.#request(findOperation(operation), { ...rest, query: { ...query, cursor } });
      const page = (await this.#send(call)) as { items: Item<N>[]; next?: string | null };
      yield* page.items;
      if (!page.next) return;
      cursor = page.next;
    }
  }

  /**
   * Returns whether the account may write now: call it before every message. One attempt within `checkTimeout`; never
   * rejects: an unknown gate is closed.
   */
  async check(account: string): Promise<GateCheck> {
    const timeout = this.#options.checkTimeout;
    try {
      const call = this.#request(OPERATIONS.get_gate, { path: { account: checkedAccount(account) }, timeout });
      const response = this.#send({ ...call, mayRetry: false }) as Promise<Schemas["GateAnswer"]>;
      const gate = await withTimeout(response, timeout);
      const because = gate.because && !Object.hasOwn(REASONS, gate.because) ? "refused" : (gate.because ?? "");
      return { ...gate, may_write: gate.may_write === true, because: because as ReasonCode | "" };
    } catch (error) {
      const because = error instanceof NotFoundError ? "no_account" : reasonOf(error);
      const detail = error instanceof Error && because !== "no_account" ? error.message : REASONS[because][0];
      const retryAfter = error instanceof LicetError ? error.retryAfter : 0;
      return { gate: "unknown", may_write: false, because, detail, retry_after: retryAfter };
    }
  }

  /**
   * Requests the caller once. Rejects with a `SetupError` for a wrong address or key or a missing scope, with a `BusyError`
   * if that cannot be determined now.
   */
  async verify(...scopes: string[]): Promise<Schemas["Myself"]> {
    const timeout = this.#options.checkTimeout;
    let caller: Schemas["Myself"];
    try {
      const response = this.#send({ ...this.#request(OPERATIONS.myself, { timeout }), mayRetry: false });
      caller = (await withTimeout(response, timeout)) as Schemas["Myself"];
    } catch (error) {
      const because = reasonOf(error);
      if (error instanceof NotFoundError) throw new SetupError(because === "not_found" ? "address_path" : "not_licet");
      const outage = error instanceof BusyError && because !== "not_licet";
      if (!(error instanceof LicetError) || outage || because === "broken") throw error;
      const detail = because === "token_refused" ? error.message : because === "not_licet" && error.status ? `status ${error.status}` : "";
      throw new SetupError(because, detail);
    }
    if (!Array.isArray(caller.scopes)) throw new SetupError("unreadable");
    const missing = scopes.filter((scope) => !caller.scopes.includes(scope));
    if (missing.length) throw new SetupError("scope_missing", missing.join(", "));
    return caller;
  }

  /**
   * Sends up to 10,000 turns; returns an item for each, in order, with its own `status`. Retried only if every turn has the
   * host's ids, with which it is stored once.
   */
  async sayAll(turns: readonly Schemas["NewTurn"][], options: CallOptions = {}): Promise<BulkItem[]> {
    if (turns.length > LINES_MAX) throw usageError(`${turns.length} turns in one request: at most ${LINES_MAX}`, "too_large");
    const body = turns.map((turn) => JSON.stringify(turn)).join("\n");
    const mayRetry = turns.every((turn) => turn.conversation != null && turn.id != null);
    const text = (await this.#send({ ...this.#request(OPERATIONS.say_in_bulk, { ...options, body }), mayRetry })) as string;
    return text.split("\n").filter(Boolean).map((line) => parseJson(line) as BulkItem);
  }

  #request(operation: Operation, values: RequestValues): WireRequest {
    const headers: Record<string, string> = { accept: "application/json" };
    const init: RequestInit = { method: operation.method, redirect: "manual" };
    if (values.body != null) {
      headers["content-type"] = operation.sends;
      init.body = operation.sends === "application/json" ? JSON.stringify(values.body) : (values.body as string);
    }
    if (operation.once) headers["idempotency-key"] = values.key ?? crypto.randomUUID();
    return {
      url: this.#url + fillPath(operation.path, values.path ?? {}) + queryString(values.query ?? {}),
      init,
      headers,
      reads: operation.reads,
      mayRetry: operation.once || operation.method === "GET",
      timeout: values.timeout ?? this.#options.timeout,
      signal: values.signal,
    };
  }

  async #send(call: WireRequest): Promise<unknown> {
    for (let attempt = 1; ; attempt += 1) {
      const result = await this.#attempt(call);
      if ("value" in result) return result.value;
      const { error, retryAfter } = result;
      const isTransient = error.type === "no_answer" || error.type === "idempotency_key_running" || RETRIED.has(error.status);
      if (!call.mayRetry || !isTransient || attempt >= this.#options.attemptsMax) throw error;
      await delay(this.#backoff(retryAfter, attempt), call.signal);
    }
  }

  async #attempt(call: WireRequest): Promise<AttemptResult> {
    call.signal?.throwIfAborted();
    const token = typeof this.#token === "string" ? this.#token : checkedKey(await this.#token());
    const headers = { ...call.headers, authorization: `Bearer ${token}` };
    let hasResponse = false;
    const aborter = new AbortController();
    const abort = (): void => aborter.abort(call.signal?.reason);
    const timer = setTimeout(() => aborter.abort(timeoutError()), call.timeout);
    call.signal?.addEventListener("abort", abort);
    try {
      const response = await this.#options.fetch(call.url, { ...call.init, headers, signal: aborter.signal });
      hasResponse = true;
      if (response.ok) return { value: await readBody(response, call.reads) };
      const retryAfter = response.headers.get("retry-after");
      const seconds = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) : 0;
      return { error: errorOf(response.status, parseProblem(await response.text()), seconds), retryAfter };
    } catch (cause) {
      call.signal?.throwIfAborted();
      return { error: cause instanceof LicetError ? cause : connectionError(cause, hasResponse), retryAfter: null };
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener("abort", abort);
    }
  }

  /** Milliseconds to wait: the server's `retry-after`, or exponential back-off with jitter. */
  #backoff(retryAfter: string | null, attempt: number): number {
    const { wait, waitMax } = this.#options;
    if (retryAfter !== null && /^\d+$/.test(retryAfter)) return Math.min(Number(retryAfter) * 1_000, waitMax);
    return Math.min(wait * 2 ** (attempt - 1), waitMax) * (0.5 + Math.random() / 2);
  }
}

async function readBody(response: Response, format: Operation["reads"]): Promise<unknown> {
  if (format === "bytes") return new Uint8Array(await response.arrayBuffer());
  const text = await response.text();
  return format === "text" ? text : parseJson(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const because = !text ? "cut_off" : /^[{[]/.test(text) ? "unreadable" : "not_licet";
    const [detail, hint] = REASONS[because];
    throw new BrokenError("unreadable", 200, { detail, hint, because }, { cause });
  }
}

function parseProblem(text: string): Problem {
  try {
    const problem: unknown = JSON.parse(text);
    return typeof problem === "object" && problem !== null ? (problem as Problem) : {};
  } catch {
    return {};
  }
}

/** Fills in the path; each reference is one segment, so a slash in the host's id is encoded. */
function fillPath(path: string, values: Record<string, unknown>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    // A segment of dots would be resolved, and the request would reach another route.
    if (typeof value !== "string" || /^\.{0,2}$/.test(value)) throw usageError(`\`${name}\` is not a reference`);
    return encodeURIComponent(value).replaceAll("%3A", ":");
  });
}

function queryString(values: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const item of Array.isArray(value) ? value : [value]) if (item != null) query.append(name, String(item));
  }
  return query.size ? `?${query}` : "";
}

function findOperation(operation: OperationName): Operation {
  if (!Object.hasOwn(OPERATIONS, operation)) throw usageError(`the API has no operation ${JSON.stringify(operation)}`);
  return OPERATIONS[operation];
}

function usageError(detail: string, because: ReasonCode = "bad_request"): UsageError {
  return new UsageError(because, 0, { detail, because });
}

/** By the error code that Node has in the `cause` of a failed fetch; other platforms have none. */
const REASON_BY_CAUSE: Record<string, ReasonCode> = {
  ENOTFOUND: "name_unknown",
  EAI_AGAIN: "name_unknown",
  ECONNREFUSED: "connection_refused",
  ECONNRESET: "connection_lost",
  UND_ERR_SOCKET: "connection_lost",
  EPROTO: "tls_failed",
  ERR_SSL_WRONG_VERSION_NUMBER: "tls_failed",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate_unknown",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate_unknown",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate_unknown",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate_unknown",
  CERT_HAS_EXPIRED: "certificate_unknown",
  ERR_TLS_CERT_ALTNAME_INVALID: "certificate_unknown",
};

function connectionError(cause: unknown, hasResponse: boolean): BusyError {
  const inner = cause instanceof Error ? (cause.cause as { code?: string } | undefined) : undefined;
  const code = inner?.code ?? "";
  const isCutOff = hasResponse && (code === "UND_ERR_SOCKET" || code === "ECONNRESET");
  const because = isCutOff ? "cut_off" : (REASON_BY_CAUSE[code] ?? (code.startsWith("HPE_") ? "not_http" : "no_answer"));
  const [sentence, hint] = REASONS[because];
  const detail = `${sentence}: ${code || (cause instanceof Error ? cause.message : String(cause))}`;
  return new BusyError("no_answer", 0, { detail, hint, because }, { cause });
}

function timeoutError(): BusyError {
  return new BusyError("no_answer", 0, { detail: REASONS.late[0], hint: CHECK_SERVER, because: "late" });
}

/** Settles as `promise`; rejects after `milliseconds`, which include the time that the token's function takes. */
function withTimeout<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(timeoutError()), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function delay(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
  });
}
