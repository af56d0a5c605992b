/**
 * A typed client of Licet's API. It uses web standards only (fetch, AbortController, URLSearchParams, crypto.randomUUID).
 *
 *     import { Licet } from "@licet/client";
 *
 *     const licet = new Licet("https://privacy.example.org", key);
 *     await licet.send("choose", { path: { account: "host:ana" }, body: { allow: true } });
 *
 * Operations have the names that they have in `/openapi.json`. A change is sent with an `Idempotency-Key`, so that a
 * retry after a lost connection, a 503 or a 429 does it once.
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

/** What requests and responses hold, by the names of `/openapi.json`. */
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
type Known<T> = Exclude<T, undefined>;
type Parameters_<N extends OperationName> = operations[N]["parameters"];
type Body<N extends OperationName> = operations[N] extends { requestBody: { content: infer C } }
  ? { body: Content<C> }
  : Known<operations[N]["requestBody"]> extends { content: infer C }
    ? { body?: Content<C> | null }
    : { body?: never };
type Success<R> = { [status in keyof R]: status extends 200 | 201 ? R[status] : never }[keyof R];

/** The answer to one turn of `sayAll`. `status` is what a request with this turn alone would return. */
export interface BulkItem {
  line: number;
  status: number;
  turn?: string;
  conversation?: string;
  /** The project that counts: the one that the conversation began in; none if absent. */
  project?: string;
  /** The turn names another project, which changes nothing. */
  other_project?: boolean;
  outcome?: string;
  problem?: string;
  because?: string;
  detail?: string;
}

/** What any call may say beside its operation's own values. */
export interface CallOptions {
  /** Ends the call: it rejects with the signal's reason, and is not repeated. */
  signal?: AbortSignal;
  /** Milliseconds for one attempt. */
  timeout?: number;
  /** The `Idempotency-Key` of a change. One is made if none is given; the same one again is the same request. */
  key?: string;
}

/** What a call of an operation takes. */
export type CallRequest<N extends OperationName> = CallOptions &
  Part<"path", Known<Parameters_<N>["path"]>> &
  Part<"query", Known<Parameters_<N>["query"]>> &
  Body<N>;

/** What a call of an operation answers with: a value of JSON, a text, or bytes. */
export type CallResult<N extends OperationName> =
  Success<operations[N]["responses"]> extends { content: infer C } ? Content<C> : never;

type CallArguments<N extends OperationName> = {} extends CallRequest<N>
  ? [request?: CallRequest<N>]
  : [request: CallRequest<N>];

/** Operations that answer in pages. */
export type ListName = {
  [N in OperationName]: CallResult<N> extends { items: readonly unknown[]; next?: string | null } ? N : never;
}[OperationName];
type Item<N extends ListName> = CallResult<N> extends { items: readonly (infer I)[] } ? I : never;

/**
 * The gate. `because` is the code of a no, and `detail` its sentence. If the gate could not be determined it is closed,
 * and `gate` is `unknown`.
 */
export type Checked =
  | (Omit<Schemas["GateAnswer"], "because"> & { because: ReasonCode | "" })
  | { gate: "unknown"; may_write: false; because: ReasonCode; detail: string; retry_after: number };

export interface ClientOptions {
  /** Milliseconds for one attempt: 10,000. */
  timeout?: number;
  /** Milliseconds for `check`: 2,000. */
  checkTimeout?: number;
  /** How often a request is sent at most: 5. */
  attemptsMax?: number;
  /** Milliseconds before the second attempt, which double with each further one: 100. */
  wait?: number;
  /** The longest wait, also if the server asks for a longer one, in milliseconds: 5,000. */
  waitMax?: number;
  /** What sends a request: the platform's `fetch`. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** A service's key or a person's token, or what returns a fresh one for each attempt. */
export type Token = string | (() => string | Promise<string>);

interface Sent {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: unknown;
  signal?: AbortSignal;
  timeout?: number;
  key?: string;
}

interface Entry {
  method: string;
  path: string;
  sends: string;
  reads: "json" | "text" | "bytes";
  once: boolean;
}

interface Wire {
  url: string;
  init: RequestInit;
  headers: Record<string, string>;
  reads: Entry["reads"];
  again: boolean;
  timeout: number;
  signal: AbortSignal | undefined;
}

/** What one attempt came to; `wait` is what the server asks for. */
type Came = { value: unknown } | { error: LicetError; wait: string | null };

const AGAIN = new Set([429, 502, 503, 504]);
const LINES_MAX = 10_000;
const RUNS = "see that Licet runs";

export class Licet {
  readonly #url: string;
  readonly #token: Token;
  readonly #options: Required<ClientOptions>;

  /** `url` is where Licet answers, with the path before `/v1` if there is one. A `SetupError` says what is wrong. */
  constructor(url: string | URL, token: Token, options: ClientOptions = {}) {
    this.#url = checkedAddress(url);
    this.#token = typeof token === "function" ? token : checkedKey(token);
    this.#options = {
      timeout: 10_000,
      checkTimeout: 2_000,
      attemptsMax: 5,
      wait: 100,
      waitMax: 5_000,
      fetch: (to, init) => globalThis.fetch(to, init),
      ...options,
    };
  }

  /** The response of an operation; a `LicetError` for anything else. */
  async send<N extends OperationName>(operation: N, ...[request]: CallArguments<N>): Promise<CallResult<N>> {
    const wire = this.#wire(entryOf(operation), (request ?? {}) as Sent);
    return (await this.#sent(wire)) as CallResult<N>;
  }

  /** Each item of a list, page after page. */
  async *items<N extends ListName>(operation: N, ...[request]: CallArguments<N>): AsyncGenerator<Item<N>, void> {
    const { query, ...rest } = (request ?? {}) as Sent;
    for (let cursor: unknown = query?.cursor; ; ) {
      const wire = this.#wire(entryOf(operation), { ...rest, query: { ...query, cursor } });
      const page = (await this.#sent(wire)) as { items: Item<N>[]; next?: string | null };
      yield* page.items;
      if (!page.next) return;
      cursor = page.next;
    }
  }

  /**
   * Whether the account may write now: ask before every message. One attempt within `checkTimeout`; it never rejects, and
   * a gate that is unknown is closed.
   */
  async check(account: string): Promise<Checked> {
    const within = this.#options.checkTimeout;
    try {
      const wire = this.#wire(OPERATIONS.get_gate, { path: { account: checkedAccount(account) }, timeout: within });
      const asked = this.#sent({ ...wire, again: false }) as Promise<Schemas["GateAnswer"]>;
      const gate = await inTime(asked, within);
      const because = gate.because && !Object.hasOwn(REASONS, gate.because) ? "refused" : (gate.because ?? "");
      return { ...gate, may_write: gate.may_write === true, because: because as ReasonCode | "" };
    } catch (error) {
      const because = error instanceof NotFoundError ? "no_account" : reasonOf(error);
      const detail = error instanceof Error && because !== "no_account" ? error.message : REASONS[because][0];
      const wait = error instanceof LicetError ? error.retryAfter : 0;
      return { gate: "unknown", may_write: false, because, detail, retry_after: wait };
    }
  }

  /**
   * Asks once who calls. A `SetupError` where the address, the key or one of the scopes is wrong, a `BusyError` where that
   * cannot be known now.
   */
  async verify(...scopes: string[]): Promise<Schemas["Myself"]> {
    const within = this.#options.checkTimeout;
    let caller: Schemas["Myself"];
    try {
      const asked = this.#sent({ ...this.#wire(OPERATIONS.myself, { timeout: within }), again: false });
      caller = (await inTime(asked, within)) as Schemas["Myself"];
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
   * Sends turns in bulk, 10,000 at most; one item for each, in their order, with its own `status`. It is repeated only if
   * every turn has the host's ids, with which it is stored once.
   */
  async sayAll(turns: readonly Schemas["NewTurn"][], options: CallOptions = {}): Promise<BulkItem[]> {
    if (turns.length > LINES_MAX) throw wrong(`${turns.length} turns in one request: at most ${LINES_MAX}`, "too_large");
    const body = turns.map((turn) => JSON.stringify(turn)).join("\n");
    const again = turns.every((turn) => turn.conversation != null && turn.id != null);
    const text = (await this.#sent({ ...this.#wire(OPERATIONS.say_in_bulk, { ...options, body }), again })) as string;
    return text.split("\n").filter(Boolean).map((line) => parsed(line) as BulkItem);
  }

  #wire(entry: Entry, sent: Sent): Wire {
    const headers: Record<string, string> = { accept: "application/json" };
    const init: RequestInit = { method: entry.method, redirect: "manual" };
    if (sent.body != null) {
      headers["content-type"] = entry.sends;
      init.body = entry.sends === "application/json" ? JSON.stringify(sent.body) : (sent.body as string);
    }
    if (entry.once) headers["idempotency-key"] = sent.key ?? crypto.randomUUID();
    return {
      url: this.#url + filled(entry.path, sent.path ?? {}) + asked(sent.query ?? {}),
      init,
      headers,
      reads: entry.reads,
      again: entry.once || entry.method === "GET",
      timeout: sent.timeout ?? this.#options.timeout,
      signal: sent.signal,
    };
  }

  async #sent(wire: Wire): Promise<unknown> {
    for (let attempt = 1; ; attempt += 1) {
      const came = await this.#attempt(wire);
      if ("value" in came) return came.value;
      const { error, wait } = came;
      const mayPass = error.type === "no_answer" || error.type === "idempotency_key_running" || AGAIN.has(error.status);
      if (!wire.again || !mayPass || attempt >= this.#options.attemptsMax) throw error;
      await paused(this.#pause(wait, attempt), wire.signal);
    }
  }

  async #attempt(wire: Wire): Promise<Came> {
    wire.signal?.throwIfAborted();
    const token = typeof this.#token === "string" ? this.#token : checkedKey(await this.#token());
    const headers = { ...wire.headers, authorization: `Bearer ${token}` };
    let begun = false;
    const ends = new AbortController();
    const end = (): void => ends.abort(wire.signal?.reason);
    const timer = setTimeout(() => ends.abort(late()), wire.timeout);
    wire.signal?.addEventListener("abort", end);
    try {
      const response = await this.#options.fetch(wire.url, { ...wire.init, headers, signal: ends.signal });
      begun = true;
      if (response.ok) return { value: await read(response, wire.reads) };
      const wait = response.headers.get("retry-after");
      const seconds = wait !== null && /^\d+$/.test(wait) ? Number(wait) : 0;
      return { error: errorOf(response.status, problemIn(await response.text()), seconds), wait };
    } catch (cause) {
      wire.signal?.throwIfAborted();
      return { error: cause instanceof LicetError ? cause : noAnswer(cause, begun), wait: null };
    } finally {
      clearTimeout(timer);
      wire.signal?.removeEventListener("abort", end);
    }
  }

  /** Milliseconds to wait: what the server asks for, otherwise longer each time, with jitter against other clients. */
  #pause(asks: string | null, attempt: number): number {
    const { wait, waitMax } = this.#options;
    if (asks !== null && /^\d+$/.test(asks)) return Math.min(Number(asks) * 1_000, waitMax);
    return Math.min(wait * 2 ** (attempt - 1), waitMax) * (0.5 + Math.random() / 2);
  }
}

async function read(response: Response, how: Entry["reads"]): Promise<unknown> {
  if (how === "bytes") return new Uint8Array(await response.arrayBuffer());
  const text = await response.text();
  return how === "text" ? text : parsed(text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const because = !text ? "cut_off" : /^[{[]/.test(text) ? "unreadable" : "not_licet";
    const [detail, hint] = REASONS[because];
    throw new BrokenError("unreadable", 200, { detail, hint, because }, { cause });
  }
}

function problemIn(text: string): Problem {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null ? (found as Problem) : {};
  } catch {
    return {};
  }
}

/** The path with each reference as one segment: a slash in the host's id is encoded too. */
function filled(path: string, values: Record<string, unknown>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    // A segment of dots would be resolved, and the request would reach another route.
    if (typeof value !== "string" || /^\.{0,2}$/.test(value)) throw wrong(`\`${name}\` is not a reference`);
    return encodeURIComponent(value).replaceAll("%3A", ":");
  });
}

function asked(values: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one != null) query.append(name, String(one));
  }
  return query.size ? `?${query}` : "";
}

function entryOf(operation: OperationName): Entry {
  if (!Object.hasOwn(OPERATIONS, operation)) throw wrong(`the API has no operation ${JSON.stringify(operation)}`);
  return OPERATIONS[operation];
}

function wrong(detail: string, because: ReasonCode = "bad_request"): UsageError {
  return new UsageError(because, 0, { detail, because });
}

/** Node says in the `cause` of a failed fetch what failed; other platforms do not. */
const OF_CAUSE: Record<string, ReasonCode> = {
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

function noAnswer(cause: unknown, begun: boolean): BusyError {
  const under = cause instanceof Error ? (cause.cause as { code?: string } | undefined) : undefined;
  const code = under?.code ?? "";
  const broke = begun && (code === "UND_ERR_SOCKET" || code === "ECONNRESET");
  const because = broke ? "cut_off" : (OF_CAUSE[code] ?? (code.startsWith("HPE_") ? "not_http" : "no_answer"));
  const [sentence, hint] = REASONS[because];
  const detail = `${sentence}: ${code || (cause instanceof Error ? cause.message : String(cause))}`;
  return new BusyError("no_answer", 0, { detail, hint, because }, { cause });
}

function late(): BusyError {
  return new BusyError("no_answer", 0, { detail: REASONS.late[0], hint: RUNS, because: "late" });
}

/** What `asked` comes to; an error if that takes longer: the token's own function is waited for too. */
function inTime<T>(asked: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), milliseconds);
    asked.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function paused(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
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
