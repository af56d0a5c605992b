/**
 * A sealed, bounded spool on disk, in the format of `licet.host.spool`. What it accepted is delivered, even if this process
 * or Licet dies in between.
 *
 * `put` resolves after the record is on disk. Records are in files, a file is delivered as a whole and then removed; after
 * a crash in between it is delivered again. Bytes of a file: `licet-spool-1` and a line feed, then records, each a length
 * (4 bytes, big endian), a nonce (12), and AES-256-GCM with the header, the file's number and the record's place as
 * associated data. Each process has a folder of its own, `0`, `1`, .., which it holds by a socket that listens in it; the
 * folder of a killed process is taken by the next one. One folder is for programs of one language: Python holds its
 * folders otherwise.
 */

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { type ReasonCode, SetupError } from "@licet/client";

const HEADER = Buffer.from("licet-spool-1\n");
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FILE_BYTES_MAX = 2 ** 20;
const RECORD_BYTES_MAX = 16 * 2 ** 20;
const PLACES_MAX = 64;
const SUFFIX = ".spool";

/** The spool took nothing: it is full, or its disk is. */
export class SpoolError extends Error {
  constructor(
    readonly because: ReasonCode,
    message: string,
  ) {
    super(message);
  }
}

interface ClosedFile {
  number: bigint;
  path: string;
  size: number;
}

/** The records of one file, oldest first; `unreadable` ones were acknowledged and cannot be decrypted. */
export interface Taken {
  file: ClosedFile;
  records: Buffer[];
  unreadable: number;
}

interface Waiting {
  record: Buffer;
  done: () => void;
  failed: (error: SpoolError) => void;
}

export class Spool {
  readonly #key: Buffer;
  readonly #place: string;
  readonly #held: Server;
  readonly #bytesMax: number;
  readonly #random: (size: number) => Buffer;
  readonly #closed: ClosedFile[];
  #next: bigint;
  #bytes: number;
  #open: { number: bigint; file: number; size: number; count: number } | undefined;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  private constructor(key: Buffer, place: string, held: Server, bytesMax: number, random: (size: number) => Buffer) {
    this.#key = key;
    this.#place = place;
    this.#held = held;
    this.#bytesMax = bytesMax;
    this.#random = random;
    this.#closed = files(place).sort((a, b) => (a.number < b.number ? -1 : 1));
    this.#next = (this.#closed.at(-1)?.number ?? 0n) + 1n;
    this.#bytes = this.#closed.reduce((sum, file) => sum + file.size, 0);
  }

  /** The spool of this process under `folder`. `keyFile` is created if there is none. */
  static async open(
    folder: string,
    keyFile: string,
    bytesMax: number,
    random: (size: number) => Buffer = randomBytes,
  ): Promise<Spool> {
    try {
      fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
      const key = spoolKey(keyFile, random);
      const [place, held] = await lockedPlace(folder);
      return new Spool(key, place, held, bytesMax, random);
    } catch (error) {
      if (error instanceof SetupError) throw error;
      throw new SetupError("spool_unwritable", `${folder}: ${(error as Error).message}`);
    }
  }

  /** Bytes in it, or on their way into it. */
  get size(): number {
    return this.#bytes;
  }

  /** Resolves when the record is on disk; rejects with a `SpoolError` if it is not taken. */
  put(record: Buffer): Promise<void> {
    const size = framed(record);
    if (size > RECORD_BYTES_MAX || this.#bytes + size > this.#bytesMax) {
      return Promise.reject(new SpoolError("spool_full", `the spool holds ${this.#bytes} of ${this.#bytesMax} bytes`));
    }
    this.#bytes += size;
    return new Promise((done, failed) => {
      this.#waiting.push({ record, done, failed });
      this.#writing ??= this.#write();
    });
  }

  /** The oldest file's records. The file stays until `delivered`; until then the same one is returned again. */
  take(): Taken | undefined {
    if (!this.#closed.length && !this.#writing) this.#closeFile();
    const file = this.#closed[0];
    if (!file) return undefined;
    const taken: Taken = { file, records: [], unreadable: 0 };
    let place = 0n;
    for (const sealed of records(fs.readFileSync(file.path))) {
      try {
        taken.records.push(this.#unsealed(file.number, place, sealed));
      } catch {
        taken.unreadable += 1;
      }
      place += 1n;
    }
    return taken;
  }

  /** Removes a file; one with a record that cannot be decrypted is set aside. */
  delivered({ file, unreadable }: Taken): void {
    if (unreadable) fs.renameSync(file.path, `${file.path}.unreadable`);
    else fs.unlinkSync(file.path);
    this.#closed.splice(this.#closed.indexOf(file), 1);
    this.#bytes -= file.size;
  }

  /** Writes what was put, and releases the place for another process. */
  async close(): Promise<void> {
    await this.#writing;
    this.#closeFile();
    await new Promise((done) => this.#held.close(done));
  }

  /** Gathers what waits, so that one fsync serves all. */
  async #write(): Promise<void> {
    await new Promise(setImmediate);
    while (this.#waiting.length) {
      const batch = this.#waiting.splice(0, 256);
      try {
        await this.#append(batch.map((one) => one.record));
        for (const one of batch) one.done();
      } catch (error) {
        this.#bytes -= batch.reduce((sum, one) => sum + framed(one.record), 0);
        const failed = new SpoolError("spool_disk", `the disk does not take it: ${(error as Error).message}`);
        for (const one of batch) one.failed(failed);
      }
    }
    this.#writing = undefined;
  }

  async #append(batch: Buffer[]): Promise<void> {
    if (!this.#open) {
      const number = this.#next;
      this.#open = { number, file: fs.openSync(this.#path(number), "wx", 0o600), size: 0, count: 0 };
      this.#next += 1n;
    }
    const open = this.#open;
    const sealed = batch.map((record, place) => this.#sealed(open.number, BigInt(open.count + place), record));
    const parts = sealed.flatMap((one) => [lengthOf(one), one]);
    const whole = Buffer.concat(open.count ? parts : [HEADER, ...parts]);
    try {
      const written = fs.writeSync(open.file, whole);
      if (written !== whole.length) throw new Error("no space left on device");
      await new Promise<void>((done, failed) => fs.fsync(open.file, (error) => (error ? failed(error) : done())));
      if (!open.count) await fsyncFolderAside(this.#place);
    } catch (error) {
      try {
        fs.ftruncateSync(open.file, open.size);
      } catch {
        // later records go to a file of their own, whatever is at the end of this one
      }
      this.#closeFile();
      throw error;
    }
    this.#bytes += open.count ? 0 : HEADER.length;
    open.size += whole.length;
    open.count += batch.length;
    if (open.size >= FILE_BYTES_MAX) this.#closeFile();
  }

  #closeFile(): void {
    if (!this.#open) return;
    const { number, file, size } = this.#open;
    fs.closeSync(file);
    this.#open = undefined;
    this.#closed.push({ number, path: this.#path(number), size });
  }

  #path(number: bigint): string {
    return join(this.#place, number.toString(16).padStart(16, "0") + SUFFIX);
  }

  #sealed(number: bigint, place: bigint, record: Buffer): Buffer {
    const nonce = this.#random(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce).setAAD(bound(number, place));
    return Buffer.concat([nonce, cipher.update(record), cipher.final(), cipher.getAuthTag()]);
  }

  #unsealed(number: bigint, place: bigint, sealed: Buffer): Buffer {
    const cipher = createDecipheriv("aes-256-gcm", this.#key, sealed.subarray(0, NONCE_BYTES));
    cipher.setAAD(bound(number, place)).setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([cipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), cipher.final()]);
  }
}

/** The key in a file, which is created with mode 0600 if there is none. */
function spoolKey(path: string, random: (size: number) => Buffer): Buffer {
  if (!fs.existsSync(path)) {
    const fresh = `${path}.${process.pid}`;
    const file = fs.openSync(fresh, "w", 0o600);
    fs.writeSync(file, random(KEY_BYTES));
    fs.fsyncSync(file);
    fs.closeSync(file);
    try {
      fs.linkSync(fresh, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // another process was first: its key is used
    }
    fs.unlinkSync(fresh);
    fsyncFolder(join(path, ".."));
  }
  if (fs.statSync(path).mode & 0o077) throw new SetupError("spool_key_readable", path);
  const key = fs.readFileSync(path);
  if (key.length !== KEY_BYTES) throw new SetupError("spool_key_size", path);
  return key;
}

/** A folder of this process alone, and what holds it: those with records come first. */
async function lockedPlace(folder: string): Promise<[string, Server]> {
  const places = Array.from({ length: PLACES_MAX }, (_, number) => join(folder, String(number)));
  const filled = new Map(places.map((place) => [place, fs.existsSync(place) && files(place).length > 0]));
  places.sort((a, b) => Number(filled.get(b)) - Number(filled.get(a)));
  for (const place of places) {
    fs.mkdirSync(place, { recursive: true, mode: 0o700 });
    fsyncFolder(folder);
    const held = await listening(join(place, "lock"));
    if (held) return [place, held];
  }
  throw new Error(`${PLACES_MAX} processes use the spool already`);
}

async function listening(path: string): Promise<Server | undefined> {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const server = createServer((taken) => taken.destroy());
    const held = await new Promise<boolean>((done) => {
      server.once("error", () => done(false)).listen(path, () => done(true));
    });
    server.unref();
    if (held) return server;
    const alive = await new Promise<boolean>((done) => {
      const socket = connect(path, () => (socket.destroy(), done(true)));
      socket.once("error", () => done(false));
    });
    if (alive) return undefined;
    fs.rmSync(path, { force: true }); // of a process that was killed
  }
  return undefined;
}

function files(place: string): ClosedFile[] {
  return fs
    .readdirSync(place)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => {
      const path = join(place, name);
      return { number: BigInt(`0x${name.slice(0, -SUFFIX.length)}`), path, size: fs.statSync(path).size };
    });
}

/** The sealed records of a file, as far as it is complete. Where none is possible, one that no key can open. */
function* records(raw: Buffer): Generator<Buffer> {
  if (!raw.subarray(0, HEADER.length).equals(HEADER)) {
    if (raw.length >= HEADER.length) yield Buffer.alloc(0);
    return;
  }
  for (let at = HEADER.length; at + 4 <= raw.length; ) {
    const size = raw.readUInt32BE(at);
    if (size < NONCE_BYTES + TAG_BYTES || size > RECORD_BYTES_MAX) {
      yield Buffer.alloc(0);
      return;
    }
    if (at + 4 + size > raw.length) return;
    yield raw.subarray(at + 4, at + 4 + size);
    at += 4 + size;
  }
}

function framed(record: Buffer): number {
  return 4 + NONCE_BYTES + record.length + TAG_BYTES;
}

function lengthOf(sealed: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(sealed.length);
  return length;
}

function bound(number: bigint, place: bigint): Buffer {
  const about = Buffer.alloc(16);
  about.writeBigUInt64BE(number, 0);
  about.writeBigUInt64BE(place, 8);
  return Buffer.concat([HEADER, about]);
}

/** `fsyncFolder`, while the program goes on. */
async function fsyncFolderAside(folder: string): Promise<void> {
  const handle = await fs.promises.open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function fsyncFolder(folder: string): void {
  const file = fs.openSync(folder, "r");
  try {
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}
