/** A day of one account, with nothing but the client: it runs wherever the client does. */
export async function roundtrip({ Licet, GateError }, url, key, host) {
  const licet = new Licet(url, key);
  const account = `host:${host}`;
  const seen = {};
  const opened = await licet.send("open_account", { body: { host, plan: "pro", age: 30 } });
  seen.outcome = opened.outcome;
  seen.before = await licet.check(account);
  try {
    await licet.send("say", { body: { account, text: "hello", conversation: "host:c1", id: "1" } });
  } catch (error) {
    seen.refused = [error instanceof GateError, error.type, error.status, error.choice, error.because];
  }
  const chosen = await licet.send("choose", { path: { account }, body: { allow: true, question: "training" } });
  seen.effects = chosen.answers.map((one) => one.effect);
  seen.after = await licet.check(account);
  const said = await licet.send("say", { body: { account, text: "hello", conversation: "host:c1", id: "1" } });
  seen.bulk = (
    await licet.sayAll([
      { account, conversation: "host:c1", id: "2", role: "assistant", text: "good day" },
      { account: "host:nobody", text: "hello" },
    ])
  ).map((item) => item.status);
  seen.listed = [];
  for await (const one of licet.items("list_conversations", { path: { account } })) {
    seen.listed.push([one.id === said.conversation, one.turns]);
  }
  const withdrawn = await licet.send("choose", { path: { account }, body: { allow: false } });
  seen.ended = withdrawn.ended.map((grant) => grant.question);
  return { account: opened.account, seen };
}

/** What a day must come to, no matter who ran it. */
export function expected(account) {
  return {
    outcome: "done",
    refused: [true, "must_decide", 451, `/v1/accounts/${account}/choices`, "must_decide"],
    effects: ["began"],
    bulk: [201, 404],
    listed: [[true, 2]],
    ended: ["training"],
  };
}
