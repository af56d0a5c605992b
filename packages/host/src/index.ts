/**
 * What a Node program needs beside its assistant: the gate before a chat, the recording after it. The same as `licet.host`
 * in Python, and docs/host.md describes both.
 */

import * as fs from "node:fs";
import { join } from "node:path";
import { BusyError, type BulkItem, checkedAccount, Licet, LicetError, type ReasonCode, reasonOf, type Schemas, SetupError, UsageError } from "@licet/client";
import { GateCache, isAboutAccount, isUnanswered } from "./gates.js";
import { Spool, SpoolError } from "./spool.js";

export { ChatExchange } from "./exchange.js";
export { refusal, type Refusal } from "./refusal.js";

/** What happens to a chat while nobody answers for its gate. */
export type Outage = "block" | "allow_and_keep";
/** A turn of an exchange; its account and grant are the permit's. */
export type HostTurn = Omit<Schemas["NewTurn"], "account" | "grant">;
/** The same with its account and grant, as it was sent. */
export type RecordedTurn = Schemas["NewTurn"];
export type HostEvent = Schemas["HostEvent"];

export interface HostSettings {
  /** The address of `licet serve`. Anyone who runs it receives what people say. */
  url: string;
  /** A file with a key with the scopes `gate:read` and `turns:write`; it is read again for every request. */
  keyFile: string;
  /** A folder on a local disk, for queued turns, encrypted. */
  spool: string;
  /** The key of the spool, created if there is none: `spool.key` in the folder. */
  spoolKeyFile?: string;
  /** 256 MiB a process: while it is full, new turns are not recorded. */
  spoolBytesMax?: number;
  /** `block` by default. */
  outage?: Outage;
  /** How many milliseconds a chat waits for its gate: 2,000. */
  gateTimeout?: number;
  /** Where a person answers: `/notice` at `url`. */
  choiceUrl?: string;
  /** Is given each event; the key needs `events:read`. An event comes again after an error. */
  onEvent?: (event: HostEvent) => void | Promise<void>;
  /** Is given each turn that Licet has, with its ids there. */
  recorded?: (turn: RecordedTurn, item: BulkItem) => void;
  /** Is given each warning, without content and names: `console.warn` by default. */
  log?: (message: string) => void;
}

/** The answer of the gate for one message, and what its turns are recorded under. */
export interface GatePermit {
  account: string;
  gate: string;
  /** The message may be sent. */
  mayWrite: boolean;
  /** Its turns are recorded. */
  mayRecord: boolean;
  /** The newest grant that was known, 0 for none. */
  grant: number;
  /** Why it may not be sent, or why the gate is not known; empty otherwise. */
  because: ReasonCode | "";
  detail: string;
  choice: string;
  retryAfter: number;
}

const BATCH_TURNS_MAX = 1_000;
const GATHER_MS = 200;
const WAIT_MS_MAX = 30_000;
const RETRIED = new Set([429, 500, 502, 503, 504]);
const DROPPED = new Set<string>(["must_decide", "no_account"]);
const SPLIT = new Set<ReasonCode>(["bad_request", "too_large"]);

/** One per process. It is made even while Licet is away; `verify` finds what can only be seen by asking. */
export class Host {
  /** The outcomes of gates and turns, by reason. */
  readonly counts = new Map<string, number>();
  readonly settings: HostSettings;
  readonly #client: Licet;
  readonly #gates: GateCache;
  readonly #opening: Promise<Spool>;
  readonly #ends = new AbortController();
  readonly #running: Promise<unknown>;
  #news: () => void = () => {};

  constructor(settings: HostSettings) {
    this.settings = settings;
    const checkTimeout = settings.gateTimeout ?? 2_000;
    this.#client = new Licet(settings.url, () => readKey(settings.keyFile), { checkTimeout, attemptsMax: 3 });
    this.#gates = new GateCache(this.#client);
    if (!settings.spool) throw new SetupError("spool_unwritable", "no folder is given");
    const keyFile = settings.spoolKeyFile ?? join(settings.spool, "spool.key");
    this.#opening = Spool.open(settings.spool, keyFile, settings.spoolBytesMax ?? 256 * 2 ** 20);
    this.#opening.catch(() => undefined); // `verify` and `record` reject with it
    this.#running = Promise.all([this.#deliver(), settings.onEvent ? this.#follow(settings.onEvent) : undefined]);
  }

  /** Rejects with a `SetupError` that says which setting is wrong; an outage is none. */
  async verify(): Promise<void> {
    readKey(this.settings.keyFile);
    await this.#opening;
    try {
      await this.#client.verify("gate:read", "turns:write", ...(this.settings.onEvent ? ["events:read"] : []));
    } catch (error) {
      if (error instanceof SetupError) throw error;
      this.#log(`the settings cannot be checked now: ${reasonOf(error)}`);
    }
  }

  /** The permit for one message of an account. */
  async gate(account: string): Promise<GatePermit> {
    const current = await this.#gates.ask(checkedAccount(account));
    const unanswered = isUnanswered(current);
    const last = unanswered ? this.#gates.last(account) : current;
    const keeps = unanswered && this.settings.outage === "allow_and_keep";
    const may = current.may_write || (keeps && (last === undefined || last.may_write));
    const answer = keeps && last && isAboutAccount(last) ? last : current;
    if (!current.may_write) this.count(`gate: ${current.gate}, ${current.because}`);
    return {
      account,
      gate: answer.gate,
      mayWrite: may,
      mayRecord: may,
      grant: last && "grant" in last ? last.grant : 0,
      because: answer.because,
      detail: answer.detail ?? "",
      choice: this.settings.choiceUrl ?? `${this.settings.url.replace(/\/+$/, "")}/notice`,
      retryAfter: answer.gate === "unknown" ? answer.retry_after : 0,
    };
  }

  /** Whether the turns that a permitted message added are on disk. It never rejects: what is not taken is counted. */
  async record(permit: GatePermit, turns: readonly HostTurn[]): Promise<boolean> {
    if (!turns.length) return false;
    if (!permit.mayRecord) {
      this.#refuse("no permit", turns.length);
      return false;
    }
    try {
      const spool = await this.#opening;
      const under = turns.map((turn) => ({ ...turn, account: permit.account, grant: permit.grant }));
      await spool.put(Buffer.from(JSON.stringify(under)));
    } catch (error) {
      this.#refuse(error instanceof SpoolError || error instanceof LicetError ? error.because : "spool_disk", turns.length);
      return false;
    }
    this.count("spooled", turns.length);
    this.#news();
    return true;
  }

  count(reason: string, number = 1): void {
    this.counts.set(reason, (this.counts.get(reason) ?? 0) + number);
  }

  #refuse(reason: string, turns = 1): void {
    this.count(`refused: ${reason}`, turns);
    this.#log(`not recorded: ${reason}`);
  }

  #log(message: string): void {
    (this.settings.log ?? console.warn)(`licet: ${message}`);
  }

  /** Bytes that wait in the spool. */
  async waiting(): Promise<number> {
    return (await this.#opening).size;
  }

  /** Stops delivering; what is in the spool stays for the next start. */
  async close(): Promise<void> {
    this.#ends.abort();
    this.#news();
    await this.#running;
    await (await this.#opening).close();
  }

  async #deliver(): Promise<void> {
    const spool = await this.#opening.catch(() => undefined);
    if (!spool) return;
    for (let failed = 0; !this.#ends.signal.aborted; ) {
      const news = new Promise<void>((resolve) => (this.#news = resolve));
      let more = false;
      try {
        more = await this.#deliverFile(spool);
        failed = 0;
      } catch (error) {
        failed += 1;
        await this.#pauseAfter("not delivered", error, failed);
        continue;
      }
      if (!more) {
        await news;
        await this.#pause(GATHER_MS); // so that the turns of a busy moment are sent in one request
      }
    }
  }

  async #deliverFile(spool: Spool): Promise<boolean> {
    const taken = spool.take();
    if (!taken) return false;
    if (taken.unreadable) {
      this.count("spool: unreadable", taken.unreadable);
      this.#log(`${taken.unreadable} records of the spool cannot be decrypted: their file is set aside`);
    }
    const turns: Schemas["NewTurn"][] = [];
    for (const record of taken.records) {
      const added = JSON.parse(record.toString()) as Schemas["NewTurn"][];
      const gate = await this.#gates.askNow(added[0]?.account ?? "");
      if (isUnanswered(gate)) throw new BusyError("busy", 0, { detail: gate.detail ?? "", because: gate.because });
      if (DROPPED.has(gate.because)) this.#refuse(gate.because, added.length);
      else turns.push(...added);
    }
    for (let at = 0; at < turns.length; at += BATCH_TURNS_MAX) await this.#send(turns.slice(at, at + BATCH_TURNS_MAX));
    spool.delivered(taken);
    return true;
  }

  async #send(turns: Schemas["NewTurn"][]): Promise<void> {
    let items: BulkItem[];
    try {
      items = await this.#client.sayAll(turns, { signal: this.#ends.signal });
    } catch (error) {
      // any other refusal is not about the turns: a proxy's, or the key's
      const because = reasonOf(error);
      if (!(error instanceof UsageError) || !SPLIT.has(because)) throw error;
      if (turns.length === 1) return this.#refuse(because);
      const middle = turns.length >> 1; // one of them makes the whole request invalid
      await this.#send(turns.slice(0, middle));
      return this.#send(turns.slice(middle));
    }
    if (items.length !== turns.length || items.some((item) => RETRIED.has(item.status))) {
      throw new BusyError("busy", 0, { detail: "some turns were not taken" });
    }
    for (const [number, item] of items.entries()) {
      const reason = item.because || item.problem?.split(":").at(-1) || String(item.status);
      if (item.status !== 201) this.#refuse(reason);
      else {
        this.count(`delivered: ${item.outcome}`);
        this.settings.recorded?.(turns[number]!, item);
      }
    }
  }

  async #follow(onEvent: (event: HostEvent) => void | Promise<void>): Promise<void> {
    const file = join(this.settings.spool, "events.cursor");
    const spool = await this.#opening.catch(() => undefined);
    let since = fs.existsSync(file) ? fs.readFileSync(file, "utf-8").trim() : "0";
    for (let failed = 0; spool && !this.#ends.signal.aborted; ) {
      try {
        const page = await this.#client.send("list_events", { query: { since, wait: 5 }, signal: this.#ends.signal });
        for (const event of page.items) {
          const account = (event.data as { account?: unknown }).account;
          if (event.type === "choice.changed" && typeof account === "string") this.#gates.forget(account);
          await onEvent(event);
          since = saveCursor(file, event.cursor);
        }
        if (page.next !== since) since = saveCursor(file, page.next);
        failed = 0;
      } catch (error) {
        failed += 1;
        await this.#pauseAfter("events cannot be followed", error, failed);
      }
    }
  }

  /** Waits longer after each failure in a row. */
  async #pauseAfter(what: string, error: unknown, failed: number): Promise<void> {
    const milliseconds = Math.min(GATHER_MS * 2 ** Math.min(failed, 20), WAIT_MS_MAX);
    const reason = error instanceof LicetError ? error.because : (error as Error)?.name;
    if (!this.#ends.signal.aborted) this.#log(`${what}, again in ${milliseconds / 1_000} s: ${reason}`);
    await this.#pause(milliseconds);
  }

  #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#ends;
    return new Promise((done) => {
      if (signal.aborted) return done();
      const over = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", over);
        done();
      };
      const timer = setTimeout(over, milliseconds);
      signal.addEventListener("abort", over);
    });
  }
}

/** Reads the key's file. */
function readKey(file: string): string {
  try {
    return fs.readFileSync(file, "utf-8").trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new SetupError(code === "ENOENT" ? "key_file_missing" : "key_file_unreadable", `${file}: ${message}`);
  }
}

/** Writes the cursor of the last event to disk and returns it. */
function saveCursor(file: string, cursor: string): string {
  const descriptor = fs.openSync(`${file}.new`, "w");
  fs.writeSync(descriptor, cursor);
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
  fs.renameSync(`${file}.new`, file);
  return cursor;
}
