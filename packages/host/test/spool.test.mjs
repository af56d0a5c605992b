/** Run by `tests/host/test_host_package.py`: LICET_TEST is JSON with `package` and `folder`. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

const { package: home, folder } = JSON.parse(process.env.LICET_TEST);
const { Spool } = await import(`${home}/spool.js`);
const LARGE = 2 ** 24;
let made = 0;

function place() {
  const fresh = path.join(folder, String((made += 1)));
  fs.mkdirSync(fresh, { mode: 0o700 });
  return fresh;
}

const opened = (at, bytes = LARGE) => Spool.open(at, path.join(at, "key"), bytes);
const sealedFiles = (at) =>
  fs.readdirSync(at, { recursive: true }).filter((name) => name.endsWith(".spool")).map((name) => path.join(at, name));

function drained(spool) {
  const records = [];
  for (let taken = spool.take(); taken; taken = spool.take()) {
    records.push(...taken.records.map(String));
    spool.delivered(taken);
  }
  return records;
}

test("its bytes are those of the spool in Python", async () => {
  const at = place();
  fs.writeFileSync(path.join(at, "key"), Buffer.from(Array.from({ length: 32 }, (_, n) => n)), { mode: 0o600 });
  const spool = await Spool.open(at, path.join(at, "key"), LARGE, (size) => Buffer.alloc(size));
  await spool.put(Buffer.from("hello"));
  await spool.close();
  const [file] = sealedFiles(at);
  assert.equal(path.basename(file), "0000000000000001.spool");
  const sealed = "66d9d9b2da859356745e00c4ebd5fa92130d656f38"; // by AES-256-GCM elsewhere
  const header = Buffer.from("licet-spool-1\n").toString("hex");
  assert.equal(fs.readFileSync(file).toString("hex"), `${header}00000021${"00".repeat(12)}${sealed}`);
});

test("what is put is taken in order, and gone once delivered", async () => {
  const spool = await opened(place());
  await Promise.all(Array.from({ length: 1_000 }, (_, n) => spool.put(Buffer.from(String(n)))));
  assert.deepEqual(drained(spool), Array.from({ length: 1_000 }, (_, n) => String(n)));
  assert.equal(spool.size, 0);
  await spool.close();
});

test("a writer that is killed loses nothing that it acknowledged, and the next process has it", async () => {
  const at = place();
  const program = `
    const { Spool } = await import(${JSON.stringify(`${home}/spool.js`)});
    const spool = await Spool.open(${JSON.stringify(at)}, ${JSON.stringify(path.join(at, "key"))}, 2 ** 24);
    for (let n = 0; ; n += 1) { await spool.put(Buffer.from("record " + n)); console.log(n); }`;
  const writer = spawn("node", ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  await new Promise((done) => {
    writer.stdout.on("data", (chunk) => {
      said += chunk;
      if (said.split("\n").length > 200) writer.kill("SIGKILL");
    });
    writer.once("close", done);
  });
  const acknowledged = said.split("\n").slice(0, -1).length;
  const spool = await opened(at);
  const records = drained(spool);
  assert.deepEqual(records.slice(0, acknowledged), Array.from({ length: acknowledged }, (_, n) => `record ${n}`));
  assert.ok(records.length <= acknowledged + 1);
  await spool.close();
});

test("the bound refuses the newest and drops nothing", async () => {
  const spool = await opened(place(), 10_000);
  const refused = (error) => error.because === "spool_full";
  for (let n = 0; n < 9; n += 1) await spool.put(Buffer.alloc(1_000));
  await assert.rejects(spool.put(Buffer.alloc(1_000)), refused);
  assert.equal(drained(spool).length, 9);
  await spool.put(Buffer.from("there is room again"));
  await spool.close();
});

test("a torn record is left, and a changed one is set aside", async () => {
  const at = place();
  let spool = await opened(at);
  for (const record of ["whole", "torn"]) await spool.put(Buffer.from(record));
  await spool.close();
  const [file] = sealedFiles(at);
  const raw = fs.readFileSync(file);
  fs.writeFileSync(file, raw.subarray(0, -1));
  spool = await opened(at);
  assert.deepEqual(spool.take().records.map(String), ["whole"]);
  await spool.close();
  fs.writeFileSync(file, Buffer.concat([raw.subarray(0, -1), Buffer.from([raw.at(-1) ^ 1])]));
  spool = await opened(at);
  const taken = spool.take();
  assert.deepEqual([taken.records.map(String), taken.unreadable], [["whole"], 1]);
  spool.delivered(taken);
  assert.equal(spool.take(), undefined);
  assert.ok(fs.existsSync(`${file}.unreadable`));
  await spool.close();
});

test("two processes have places of their own, and what one left goes to the next", async () => {
  const at = place();
  const [first, second] = [await opened(at), await opened(at)];
  await second.put(Buffer.from("of the second"));
  await second.close();
  const third = await opened(at);
  assert.deepEqual(drained(third), ["of the second"]);
  await Promise.all([first.close(), third.close()]);
});

test("nothing lies in it in clear, and a key that others may read is refused", async () => {
  const at = place();
  const spool = await opened(at);
  await spool.put(Buffer.from("the cat's name is Heliotrope"));
  await spool.close();
  const [file] = sealedFiles(at);
  assert.ok(!fs.readFileSync(file).includes("Heliotrope"));
  assert.deepEqual([fs.statSync(file).mode & 0o777, fs.statSync(path.join(at, "key")).mode & 0o777], [0o600, 0o600]);
  fs.chmodSync(path.join(at, "key"), 0o640);
  await assert.rejects(opened(at), (error) => error.because === "spool_key_readable");
});
