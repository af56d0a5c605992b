/**
 * A bounded, encrypted spool on disk, in the format of `licet.host.spool`. Accepted records are delivered even if this
 * process or Licet crashes.
 *
 * `put` resolves once the record is on disk. A file of records is delivered as a whole and then deleted; after a crash in
 * between it is delivered again. A file is `licet-spool-1` and a line feed, then records: length (4 bytes, big endian),
 * nonce (12) and AES-256-GCM with the header, the file's number and the record's index as associated data. Each process
 * has a folder of its own, `0`, `1`, .., locked by a socket that listens in it; the next process takes over the folder of
 * one that was killed. Programs of different languages need different spools, because Python locks its folders otherwise.
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
const SLOTS_MAX = 64;
const SUFFIX = ".spool";

/** The spool refused a record: it or its disk is full. */
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

/** The records of a file, oldest first; `unreadable` counts accepted records that cannot be decrypted. */
export interface TakenFile {
  file: ClosedFile;
  records: Buffer[];
  unreadable: number;
}

interface WaitingRecord {
  record: Buffer;
  resolve: () => void;
  reject: (error: SpoolError) => void;
}

export class Spool {
  readonly #key: Buffer;
  readonly #folder: string;
  readonly #lock: Server;
  readonly #bytesMax: number;
  readonly #random: (size: number) => Buffer;
  readonly #closed: ClosedFile[];
  #next: bigint;
  #bytes: number;
  #open: { number: bigint; file: number; size: number; count: number } | undefined;
  #waiting: WaitingRecord[] = [];
  #writing: Promise<void> | undefined;

  private constructor(key: Buffer, slot: string, lock: Server, bytesMax: number, random: (size: number) => Buffer) {
    this.#key = key;
    this.#folder = slot;
    this.#lock = lock;
    this.#bytesMax = bytesMax;
    this.#random = random;
    this.#closed = files(slot).sort((a, b) => (a.number < b.number ? -1 : 1));
    this.#next = (this.#closed.at(-1)?.number ?? 0n) + 1n;
    this.#bytes = this.#closed.reduce((sum, file) => sum + file.size, 0);
  }

  /** Opens the spool of this process under `folder`. A missing `keyFile` is created. */
  static async open(
    folder: string,
    keyFile: string,
    bytesMax: number,
    random: (size: number) => Buffer = randomBytes,
  ): Promise<Spool> {
    try {
      fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
      const key = spoolKey(keyFile, random);
      const [slot, lock] = await lockSlot(folder);
      return new Spool(key, slot, lock, bytesMax, random);
    } catch (error) {
      if (error instanceof SetupError) throw error;
      throw new SetupError("spool_unwritable", `${folder}: ${(error as Error).message}`);
    }
  }

  /** Bytes of its records, including those being written. */
  get size(): number {
    return this.#bytes;
  }

  /** Resolves once the record is on disk; rejects with a `SpoolError` if it is refused. */
  put(record: Buffer): Promise<void> {
    const size = frameBytes(record);
    if (size > RECORD_BYTES_MAX || this.#bytes + size > this.#bytesMax) {
      return Promise.reject(new SpoolError("spool_full", `the spool holds ${this.#bytes} of ${this.#bytesMax} bytes`));
    }
    this.#bytes += size;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  /** Returns the records of the oldest file, the same one until `delivered` removes it. */
  take(): TakenFile | undefined {
    if (!this.#closed.length && !this.#writing) this.#closeFile();
    const file = this.#closed[0];
    if (!file) return undefined;
    const taken: TakenFile = { file, records: [], unreadable: 0 };
    let index = 0n;
    for (const sealed of records(fs.readFileSync(file.path))) {
      try {
        taken.records.push(this.#unseal(file.number, index, sealed));
      } catch {
        taken.unreadable += 1;
      }
      index += 1n;
    }
    return taken;
  }

  /** Removes a file; renames it if it has a record that cannot be decrypted. */
  delivered({ file, unreadable }: TakenFile): void {
    if (unreadable) fs.renameSync(file.path, `${file.path}.unreadable`);
    else fs.unlinkSync(file.path);
    this.#closed.splice(this.#closed.indexOf(file), 1);
    this.#bytes -= file.size;
  }

  /** Writes the waiting records, and releases the folder for another process. */
  async close(): Promise<void> {
    await this.#writing;
    this.#closeFile();
    await new Promise((resolve) => this.#lock.close(resolve));
  }

  /** Writes the waiting records in batches, with one fsync each. */
  async #write(): Promise<void> {
    await new Promise(setImmediate);
    while (this.#waiting.length) {
      const batch = this.#waiting.splice(0, 256);
      try {
        await this.#append(batch.map((waiting) => waiting.record));
        for (const waiting of batch) waiting.resolve();
      } catch (error) {
        this.#bytes -= batch.reduce((sum, waiting) => sum + frameBytes(waiting.record), 0);
        const refusal = new SpoolError("spool_disk", `the disk cannot be written: ${(error as Error).message}`);
        for (const waiting of batch) waiting.reject(refusal);
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
    const sealed = batch.map((record, index) => this.#seal(open.number, BigInt(open.count + index), record));
    const parts = sealed.flatMap((record) => [encodeLength(record), record]);
    const bytes = Buffer.concat(open.count ? parts : [HEADER, ...parts]);
    try {
      const written = fs.writeSync(open.file, bytes);
      if (written !== bytes.length) throw new Error("no space left on device");
      await new Promise<void>((resolve, reject) => fs.fsync(open.file, (error) => (error ? reject(error) : resolve())));
      if (!open.count) await fsyncFolderAsync(this.#folder);
    } catch (error) {
      try {
        fs.ftruncateSync(open.file, open.size);
      } catch {
        // later records go to another file, whatever is at the end of this one
      }
      this.#closeFile();
      throw error;
    }
    this.#bytes += open.count ? 0 : HEADER.length;
    open.size += bytes.length;
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
    return join(this.#folder, number.toString(16).padStart(16, "0") + SUFFIX);
  }

  #seal(number: bigint, index: bigint, record: Buffer): Buffer {
    const nonce = this.#random(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce).setAAD(associatedData(number, index));
    return Buffer.concat([nonce, cipher.update(record), cipher.final(), cipher.getAuthTag()]);
  }

  #unseal(number: bigint, index: bigint, sealed: Buffer): Buffer {
    const cipher = createDecipheriv("aes-256-gcm", this.#key, sealed.subarray(0, NONCE_BYTES));
    cipher.setAAD(associatedData(number, index)).setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([cipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), cipher.final()]);
  }
}

/** Reads the key of a file; creates it with mode 0600 if it is missing. */
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
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // another process was first: use its key
    }
    fs.unlinkSync(fresh);
    fsyncFolder(join(path, ".."));
  }
  if (fs.statSync(path).mode & 0o077) throw new SetupError("spool_key_readable", path);
  const key = fs.readFileSync(path);
  if (key.length !== KEY_BYTES) throw new SetupError("spool_key_size", path);
  return key;
}

/** Locks a free folder for this process, one with records if possible. */
async function lockSlot(folder: string): Promise<[string, Server]> {
  const slots = Array.from({ length: SLOTS_MAX }, (_, number) => join(folder, String(number)));
  const filled = new Map(slots.map((slot) => [slot, fs.existsSync(slot) && files(slot).length > 0]));
  slots.sort((a, b) => Number(filled.get(b)) - Number(filled.get(a)));
  for (const slot of slots) {
    fs.mkdirSync(slot, { recursive: true, mode: 0o700 });
    fsyncFolder(folder);
    const lock = await tryLock(join(slot, "lock"));
    if (lock) return [slot, lock];
  }
  throw new Error(`${SLOTS_MAX} processes already use the spool`);
}

async function tryLock(path: string): Promise<Server | undefined> {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const server = createServer((taken) => taken.destroy());
    const isBound = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(path, () => resolve(true));
    });
    server.unref();
    if (isBound) return server;
    const isAlive = await new Promise<boolean>((resolve) => {
      const socket = connect(path, () => (socket.destroy(), resolve(true)));
      socket.once("error", () => resolve(false));
    });
    if (isAlive) return undefined;
    fs.rmSync(path, { force: true }); // left by a killed process
  }
  return undefined;
}

function files(slot: string): ClosedFile[] {
  return fs
    .readdirSync(slot)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => {
      const path = join(slot, name);
      return { number: BigInt(`0x${name.slice(0, -SUFFIX.length)}`), path, size: fs.statSync(path).size };
    });
}

/** Yields the complete sealed records of a file. An impossible length yields an empty record, which cannot be decrypted. */
function* records(raw: Buffer): Generator<Buffer> {
  if (!raw.subarray(0, HEADER.length).equals(HEADER)) {
    if (raw.length >= HEADER.length) yield Buffer.alloc(0);
    return;
  }
  for (let offset = HEADER.length; offset + 4 <= raw.length; ) {
    const size = raw.readUInt32BE(offset);
    if (size < NONCE_BYTES + TAG_BYTES || size > RECORD_BYTES_MAX) {
      yield Buffer.alloc(0);
      return;
    }
    if (offset + 4 + size > raw.length) return;
    yield raw.subarray(offset + 4, offset + 4 + size);
    offset += 4 + size;
  }
}

function frameBytes(record: Buffer): number {
  return 4 + NONCE_BYTES + record.length + TAG_BYTES;
}

function encodeLength(sealed: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(sealed.length);
  return length;
}

function associatedData(number: bigint, index: bigint): Buffer {
  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64BE(number, 0);
  numbers.writeBigUInt64BE(index, 8);
  return Buffer.concat([HEADER, numbers]);
}

/** `fsyncFolder` without blocking the event loop. */
async function fsyncFolderAsync(folder: string): Promise<void> {
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
