/**
 * A cache of gates by account, as `licet.host.gate_cache`. An answer is used for as long as it says, and refreshed in the
 * background in the second half of that time. In an outage, when Licet cannot be reached or fails for `TROUBLED_ACCOUNTS`
 * accounts in a row, one request per `UNKNOWN_MS` retries in the background, and no other is sent. A single late answer
 * among timely ones is no outage. `last` is the newest answer about an account, however old.
 */

import type { GateCheck, Licet, ReasonCode } from "@licet/client";

export const UNKNOWN_MS = 5_000;
export const TROUBLED_ACCOUNTS = 3;
const ACCOUNTS_MAX = 100_000;
const ABOUT_ACCOUNT = new Set<string>(["must_decide", "closed", "no_account"]);
const NOT_REACHED = new Set<string>([
  "name_unknown", "connection_refused", "connection_lost", "no_answer", "late", "tls_failed", "certificate_unknown",
  "not_http", "not_licet",
] satisfies ReasonCode[]);

const TROUBLED = new Set<string>([
  "database_silent", "bucket_silent", "key_provider_silent", "identity_provider_silent", "disk_full", "disk_failed", "broken",
  "busy", "fenced", "newer_schema", "rate_limited", "redirected", "cut_off", "unreadable",
] satisfies ReasonCode[]);

/** Whether there was no answer about the account. */
export function isUnanswered(answer: GateCheck): boolean {
  return answer.gate === "unknown" && !ABOUT_ACCOUNT.has(answer.because);
}

/** Whether the answer is a no about the account itself. */
export function isAboutAccount(answer: GateCheck): boolean {
  return ABOUT_ACCOUNT.has(answer.because);
}

interface CachedGate {
  answer: GateCheck;
  until: number;
  refreshFrom: number;
}

export class GateCache {
  readonly #client: Licet;
  readonly #cached = new Map<string, CachedGate>();
  readonly #last = new Map<string, GateCheck>();
  readonly #pending = new Map<string, Promise<GateCheck>>();
  #outage: { answer: GateCheck; until: number } | undefined;
  #answeredAt = -Infinity;
  readonly #troubled = new Set<string>();

  constructor(client: Licet) {
    this.#client = client;
  }

  /** The newest answer about an account. */
  last(account: string): GateCheck | undefined {
    return this.#last.get(account);
  }

  /** Returns the gate; never rejects: a gate that cannot be determined is `unknown`, and the person may not write. */
  async ask(account: string): Promise<GateCheck> {
    const now = performance.now();
    const cached = this.#cached.get(account);
    if (cached && cached.until > now) {
      if (cached.refreshFrom <= now) void this.#request(account);
      return cached.answer;
    }
    if (this.#outage) {
      const { answer, until } = this.#outage;
      if (until <= now) {
        this.#outage = { answer, until: now + UNKNOWN_MS };
        void this.#request(account);
      }
      return answer;
    }
    return this.#request(account);
  }

  /** Returns an answer about the account, cached or not; `unknown` only if there is none now. */
  async askNow(account: string): Promise<GateCheck> {
    const cached = this.#cached.get(account);
    if (cached && cached.until > performance.now() && !isUnanswered(cached.answer)) return cached.answer;
    return this.#request(account);
  }

  /** Drops the cached gate of an account, by Licet's id. */
  forget(id: string): void {
    for (const [account, { answer }] of this.#cached) {
      if ("account" in answer && answer.account === id) this.#cached.delete(account);
    }
  }

  /** Whether the failure concerns every account. */
  #isGeneral(account: string, because: string): boolean {
    if (TROUBLED.has(because) && this.#troubled.size < TROUBLED_ACCOUNTS) this.#troubled.add(account);
    return NOT_REACHED.has(because) || this.#troubled.size >= TROUBLED_ACCOUNTS;
  }

  #request(account: string): Promise<GateCheck> {
    const pending = this.#pending.get(account) ?? this.#fetch(account);
    this.#pending.set(account, pending);
    return pending;
  }

  async #fetch(account: string): Promise<GateCheck> {
    const startedAt = performance.now();
    const answer = await this.#client.check(account);
    const unanswered = isUnanswered(answer);
    const freshSeconds = "fresh_seconds" in answer ? (answer.fresh_seconds ?? 60) : 60;
    const wait = answer.gate === "unknown" ? answer.retry_after * 1_000 : 0;
    const lifetime = unanswered ? Math.max(UNKNOWN_MS, wait) : freshSeconds * 1_000;
    const current = this.#cached.get(account);
    if (!(unanswered && current && current.until > performance.now())) {
      const refreshFrom = startedAt + (unanswered ? lifetime : lifetime / 2);
      putBounded(this.#cached, account, { answer, until: startedAt + lifetime, refreshFrom });
    }
    if (!unanswered) {
      putBounded(this.#last, account, answer);
      this.#outage = undefined;
      this.#answeredAt = performance.now();
      this.#troubled.clear();
    } else if (this.#answeredAt < startedAt && this.#isGeneral(account, answer.because)) {
      this.#outage = { answer, until: performance.now() + Math.max(UNKNOWN_MS, wait) };
    }
    this.#pending.delete(account);
    return answer;
  }
}

function putBounded<V>(map: Map<string, V>, account: string, value: V): void {
  map.delete(account);
  map.set(account, value);
  if (map.size > ACCOUNTS_MAX) map.delete(map.keys().next().value as string);
}
