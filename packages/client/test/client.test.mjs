/** Run by `tests/client/test_package.py`, which serves: LICET_TEST is JSON with `url`, `key`, `cut`, `package`. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { test } from "node:test";
import vm from "node:vm";
import { expected, roundtrip } from "./roundtrip.mjs";

const { url, key, cut, package: folder } = JSON.parse(process.env.LICET_TEST);
const client = await import(`${folder}/index.js`);
const { Licet } = client;
const quick = { wait: 1, waitMax: 5 };

/** A client whose requests are answered by `answer(number, url, init)`, and the requests. */
function stubbed(answer, options = {}) {
  const sent = [];
  const fetch = async (to, init) => {
    sent.push({ to, ...init });
    return answer(sent.length, to, init);
  };
  return { sent, licet: new Licet("https://privacy.test/base/", "token", { ...quick, fetch, ...options }) };
}

const json = (status, body, headers = {}) => new Response(JSON.stringify(body), { status, headers });
const problem = (status, type, more = {}, headers = {}) =>
  json(status, { type: `urn:licet:problem:${type}`, title: "A title", status, ...more }, headers);
const silent = (_, __, init) =>
  new Promise((_resolve, reject) => init.signal.addEventListener("abort", () => reject(init.signal.reason)));

function assertDay({ account, seen }) {
  const { before, after, ...rest } = JSON.parse(JSON.stringify(seen)); // it may be of another realm
  assert.deepEqual(rest, expected(account));
  assert.deepEqual([before.gate, before.may_write, before.because], ["must_decide", false, "must_decide"]);
  assert.deepEqual([after.gate, after.may_write, after.grant, after.account], ["open", true, 1, account]);
}

test("gate, choice and turns make a round trip", async () => {
  assertDay(await roundtrip(client, url, key, "node"));
});

test("it needs nothing but web standards", async () => {
  const names = [
    "AbortController", "URLSearchParams", "clearTimeout", "crypto", "fetch", "setTimeout",
  ];
  const context = vm.createContext(Object.fromEntries(names.map((name) => [name, globalThis[name]])));
  const modules = new Map();
  const load = async (name) => {
    assert.match(name, /^\.\/[a-z]+\.js$/, "a module of its own");
    if (!modules.has(name)) {
      const source = await readFile(new URL(name, `file://${folder}/`), "utf-8");
      modules.set(name, new vm.SourceTextModule(source, { context, identifier: name }));
    }
    return modules.get(name);
  };
  const entry = await load("./index.js");
  await entry.link(load);
  await entry.evaluate();
  assertDay(await roundtrip(entry.namespace, url, key, "worker"));
});

test("after a lost connection it asks again, and the choice is made once", async () => {
  const licet = new Licet(cut, key, quick);
  const path = { account: "host:cut" };
  await new Licet(url, key).send("open_account", { body: { host: "cut", plan: "pro", age: 30 } });
  const chosen = await licet.send("choose", { path, body: { allow: false } });
  assert.equal(chosen.outcome, "done");
  const choices = [];
  for await (const one of new Licet(url, key).items("list_choices", { path })) choices.push(one);
  assert.equal(choices.length, 1);
});

test("an operation that the API does not have is a mistake of the caller's", async () => {
  const licet = new client.Licet("https://privacy.example.org", "key");
  await assert.rejects(licet.send("forget_everybody"), client.UsageError);
});

test("an error has the class of what to do, and the stable type of the problem", async () => {
  const licet = new Licet(url, key);
  const fails = async (made, kind, about) =>
    assert.rejects(made, (error) => {
      assert.equal(error.constructor, client[kind]);
      assert.equal(error.name, kind);
      assert.deepEqual({ type: error.type, status: error.status }, about);
      return true;
    });
  await fails(licet.send("get_gate", { path: { account: "host:nobody" } }), "NotFoundError", {
    type: "not_found", status: 404,
  });
  await fails(licet.send("open_account", { body: { host: "x", plan: "No Such Plan" } }), "UsageError", {
    type: "bad_request", status: 400,
  });
  await fails(new Licet(url, "nonsense").send("myself"), "DeniedError", { type: "unauthenticated", status: 401 });
  const of = {
    403: "DeniedError", 409: "RefusedError", 413: "UsageError", 422: "RefusedError", 451: "GateError", 500: "BrokenError",
  };
  for (const [status, kind] of Object.entries(of)) {
    const { licet: one, sent } = stubbed(() => problem(Number(status), "refused", { because: "closed", hint: "do" }));
    const error = await one.send("myself").catch((caught) => caught);
    assert.deepEqual([error.constructor, error.because, error.hint], [client[kind], "closed", "do"]);
    assert.equal(sent.length, 1, "such an answer is not asked for again");
  }
  const { licet: two } = stubbed(() => problem(422, "contradiction"));
  await fails(two.send("myself"), "UsageError", { type: "contradiction", status: 422 });
  const { licet: three } = stubbed(() => new Response("<html>", { status: 200 }));
  await fails(three.send("myself"), "BrokenError", { type: "unreadable", status: 200 });
});

test("what may pass is tried again with the same key, a bounded number of times", async () => {
  const { licet, sent } = stubbed((n) => (n < 4 ? [
    problem(503, "busy", {}, { "retry-after": "0" }), problem(429, "rate_limited"), problem(409, "idempotency_key_running"),
  ][n - 1] : json(201, { outcome: "done" })));
  await licet.send("choose", { path: { account: "me" }, body: { allow: false } });
  assert.equal(sent.length, 4);
  assert.equal(new Set(sent.map((one) => one.headers["idempotency-key"])).size, 1);
  assert.match(sent[0].headers["idempotency-key"], /^[0-9a-f-]{36}$/);
  const busy = stubbed(() => problem(503, "busy", {}, { "retry-after": "0" }));
  await assert.rejects(busy.licet.send("myself"), client.BusyError);
  assert.equal(busy.sent.length, 5);
});

test("what may not be done twice is sent once", async () => {
  const lost = () => Promise.reject(new TypeError("fetch failed"));
  const { licet, sent } = stubbed(lost);
  const showing = { path: { account: "me" }, body: { surface: "app" } };
  await assert.rejects(licet.send("record_showing", showing), (error) => error.type === "no_answer");
  await assert.rejects(licet.sayAll([{ account: "me", text: "no ids of the host" }]), client.BusyError);
  assert.deepEqual([sent.length, sent[1].headers["idempotency-key"]], [2, undefined]);
  await assert.rejects(licet.sayAll([{ account: "me", text: "", conversation: "host:c", id: "1" }]), client.BusyError);
  assert.equal(sent.length, 7, "what the host named is stored once, and is sent again");
});

test("the caller's signal ends a call, also between two attempts", async () => {
  const waiting = stubbed(silent);
  const reason = new Error("the page is left");
  const ends = new AbortController();
  const asked = waiting.licet.send("myself", { signal: ends.signal });
  ends.abort(reason);
  await assert.rejects(asked, (error) => error === reason);
  assert.ok(waiting.sent.length <= 1);
  const paused = new AbortController();
  const { licet, sent } = stubbed(() => {
    setTimeout(() => paused.abort(reason));
    return problem(503, "busy");
  }, { wait: 600_000, waitMax: 600_000 });
  await assert.rejects(licet.send("myself", { signal: paused.signal }), (error) => error === reason);
  assert.equal(sent.length, 1);
});

test("an attempt without an answer in time is asked for again, and a gate is closed", async () => {
  const { licet, sent } = stubbed((n, to, init) => (n === 1 ? silent(n, to, init) : json(200, { ok: true })));
  assert.deepEqual(await licet.send("myself", { timeout: 20 }), { ok: true });
  assert.equal(sent.length, 2);
  const unknown = { gate: "unknown", may_write: false };
  const late = stubbed(silent, { checkTimeout: 20 });
  const inTime = { ...unknown, because: "late", detail: "no response in time", retry_after: 0 };
  assert.deepEqual(await late.licet.check("me"), inTime);
  assert.equal(late.sent.length, 1);
  const odd = stubbed(() => json(200, { gate: "open", may_write: "yes" }));
  assert.equal((await odd.licet.check("me")).may_write, false);
  const hung = new Licet("https://privacy.test", () => new Promise(() => {}), { checkTimeout: 20 });
  assert.deepEqual(await hung.check("me"), inTime);
  const tokenless = new Licet("https://privacy.test", () => Promise.reject(new Error("no session")));
  const none = { ...unknown, because: "no_answer", detail: "no session", retry_after: 0 };
  assert.deepEqual(await tokenless.check("me"), none);
  await assert.rejects(tokenless.send("myself"), /^Error: no session$/);
});

test("a reference is one segment of the path, and none leads elsewhere", async () => {
  const { licet, sent } = stubbed(() => json(200, {}));
  await licet.send("get_gate", { path: { account: "host:a/b?c#d e" } });
  assert.equal(sent[0].to, "https://privacy.test/base/v1/accounts/host:a%2Fb%3Fc%23d%20e/gate");
  for (const account of ["", ".", "..", undefined]) {
    await assert.rejects(licet.send("get_gate", { path: { account } }), client.UsageError);
  }
  await licet.send("list_choices", { path: { account: "me" }, query: { cursor: "a&b" } });
  assert.equal(sent[1].to, "https://privacy.test/base/v1/accounts/me/choices?cursor=a%26b");
  assert.equal(sent.length, 2);
});

test("a token is made anew for each attempt, and redirects are not followed", async () => {
  let made = 0;
  const sent = [];
  const fetch = async (_, init) => (sent.push(init) === 1 ? problem(503, "busy") : json(200, {}));
  await new Licet("https://privacy.test", async () => `token-${++made}`, { ...quick, fetch }).send("myself");
  assert.deepEqual(sent.map((one) => one.headers.authorization), ["Bearer token-1", "Bearer token-2"]);
  assert.equal(sent[0].redirect, "manual");
  const moved = stubbed(() => new Response(null, { status: 302, headers: { location: "https://other.test" } }));
  await assert.rejects(moved.licet.send("myself"), client.BrokenError);
});

test("a list is read page by page", async () => {
  const { licet, sent } = stubbed((n) => json(200, { items: [n], next: n < 3 ? `c${n}` : null }));
  const found = [];
  for await (const one of licet.items("list_choices", { path: { account: "me" }, query: { cursor: "c0" } })) found.push(one);
  assert.deepEqual(found, [1, 2, 3]);
  assert.deepEqual(sent.map((one) => new URL(one.to).searchParams.get("cursor")), ["c0", "c1", "c2"]);
});

test("each mistake in a setting has its code, before anybody is asked", () => {
  const codes = {
    address_missing: ["", "k"], address_blank: [`${url}\n`, "k"], address_scheme_missing: ["privacy.test", "k"],
    address_scheme: ["htp://privacy.test", "k"], address_host: ["https://", "k"], address_port: ["http://h:99999", "k"],
    address_credentials: ["http://u:secret@h", "k"], address_query: ["http://h/?a=b", "k"],
    address_version: [`${url}/v1/`, "k"], key_missing: [url, undefined], key_blank: [url, "k\n"],
    key_prefix: [url, "Bearer k"], key_quoted: [url, '"k"'], key_characters: [url, "a\u2013b"],
  };
  for (const [because, [address, token]] of Object.entries(codes)) {
    assert.throws(() => new Licet(address, token), (error) => {
      assert.deepEqual([error.constructor, error.because], [client.SetupError, because]);
      assert.ok(error.message.startsWith(client.REASONS[because][0]) && !error.message.includes("secret"));
      return true;
    });
  }
});

test("an address may be a URL, and what is none has its code in place of a TypeError", async () => {
  const { sent, licet } = stubbed(() => json(200, {}));
  await licet.send("myself");
  const fetch = async (to) => (sent.push({ to }), json(200, {}));
  await new Licet(new URL("https://privacy.test/base/"), "token", { ...quick, fetch }).send("myself");
  assert.equal(sent[1].to, sent[0].to);
  for (const [address, because] of [[undefined, "address_missing"], [null, "address_missing"], [8787, "address_scheme_missing"]]) {
    assert.throws(() => new Licet(address, "k"), (error) => error instanceof client.SetupError && error.because === because);
  }
  assert.equal((await licet.check(undefined)).because, "account_reference");
});

test("a client that asks once says which setting is wrong", async () => {
  const setup = (because) => (error) => error instanceof client.SetupError && error.because === because;
  await assert.rejects(new Licet(url, "licet_neverwas").verify(), setup("key_unknown"));
  await assert.rejects(new Licet(`${url}/licet`, key).verify(), setup("address_path"));
  await assert.rejects(new Licet(url, key).verify("gate:read", "of:nothing"), setup("scope_missing"));
  assert.equal((await new Licet(url, key).verify("gate:read")).caller, "service");
  const of = {
    not_licet: () => new Response("<html>"), unreadable: () => json(200, { api: "v9" }), cut_off: () => new Response(""),
    redirected: () => new Response(null, { status: 302 }),
  };
  for (const [because, answer] of Object.entries(of)) await assert.rejects(stubbed(answer).licet.verify(), setup(because));
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  await new Promise((closed) => listener.close(closed));
  const nobody = new Licet(`http://127.0.0.1:${port}`, "k", quick);
  await assert.rejects(nobody.verify(), (error) => error.because === "connection_refused");
  const slow = stubbed(() => problem(429, "rate_limited", {}, { "retry-after": "7" }));
  await assert.rejects(slow.licet.verify(), (error) => error.retryAfter === 7);
  const gate = await slow.licet.check("host:ana");
  assert.deepEqual([gate.because, gate.retry_after], ["rate_limited", 7]);
  assert.equal((await new Licet(url, key).check("ana")).because, "account_reference");
  assert.equal((await new Licet(url, key).check("host:nobody")).because, "no_account");
});
