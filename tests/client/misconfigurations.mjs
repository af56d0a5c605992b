/** Run by `test_misconfigurations.py`: LICET_TEST is JSON with the folders of both packages, and rows to make. */
const { client, host, rows } = JSON.parse(process.env.LICET_TEST);
const { Licet } = await import(`${client}/index.js`);
const { Host } = await import(`${host}/index.js`);

const does = {
  make: ({ url, key }) => new Licet(url, key),
  verify: ({ url, key, scopes = [] }) => new Licet(url, key, { checkTimeout: 1_000 }).verify(...scopes),
  async check({ url, key, account }) {
    const { because, detail } = await new Licet(url, key).check(account);
    if (because) throw Object.assign(new Error(detail), { because });
  },
  open: ({ url, key, body }) => new Licet(url, key).send("open_account", { body }),
  async host({ url, settings }) {
    const { key_file: keyFile, spool, spool_key_file: spoolKeyFile } = settings;
    const made = new Host({ url, keyFile, spool, spoolKeyFile });
    try {
      await made.verify();
    } finally {
      await made.close().catch(() => undefined);
    }
  },
};
const came = [];
for (const row of rows) {
  try {
    await does[row.do](row);
    came.push(["", ""]);
  } catch (error) {
    came.push([error.because ?? error.type ?? error.name, error.message]);
  }
}
try {
  new Host({ url: "http://127.0.0.1:9", keyFile: "key", spool: process.env.NOT_SET });
  throw new Error("a host without a folder for its spool was made");
} catch (error) {
  if (error.because !== "spool_unwritable") throw error;
}
process.stdout.write(JSON.stringify(came));
