// @ts-check
/** The page of the API: an operation is sent to the server that shows the page, with the key that its reader typed. The key stays on the
 * page, and no cookie goes with it. */

const key = /** @type {HTMLInputElement} */ (document.getElementById("key"));
key.closest("[hidden]")?.removeAttribute("hidden");

/** What a form asks for: its address with the parameters that were filled in, and what goes with it. @param {HTMLFormElement} form */
function asked(form) {
  const values = new FormData(form);
  const { method = "GET", path = "/" } = form.dataset;
  const query = new URLSearchParams();
  let address = path;
  for (const input of form.querySelectorAll("input")) {
    const value = String(values.get(input.name) ?? "");
    if (input.dataset.in === "path") address = address.replace(`{${input.name}}`, encodeURIComponent(value));
    else if (value) query.set(input.name, value);
  }
  const body = values.has("body") ? String(values.get("body")) : undefined;
  /** @type {Record<string, string>} */
  const headers = key.value ? { authorization: `Bearer ${key.value.trim()}` } : {};
  if (body !== undefined) headers["content-type"] = form.dataset.takes ?? "application/json";
  return { address: query.size ? `${address}?${query}` : address, request: { method, headers, body } };
}

/** @param {Response} answer */
async function shown(answer) {
  const text = await answer.text();
  const isJson = answer.headers.get("content-type")?.includes("json");
  return `${answer.status} ${answer.statusText}\n\n${isJson && text ? JSON.stringify(JSON.parse(text), null, 2) : text}`;
}

for (const form of document.querySelectorAll("form.try")) {
  const tried = /** @type {HTMLFormElement} */ (form);
  tried.hidden = false;
  tried.addEventListener("submit", async (event) => {
    event.preventDefault();
    const output = /** @type {HTMLElement} */ (tried.querySelector("output"));
    const { address, request } = asked(tried);
    output.textContent = `${request.method} ${address} …`;
    output.hidden = false;
    try {
      output.textContent = await shown(await fetch(address, { ...request, credentials: "omit" }));
    } catch (error) {
      output.textContent = `No answer: ${error}`;
    }
  });
}

const filter = /** @type {HTMLInputElement} */ (document.getElementById("filter"));
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/);
  for (const one of document.querySelectorAll("details.fold")) {
    const text = (one.querySelector("summary")?.textContent ?? "").toLowerCase();
    /** @type {HTMLElement} */ (one).hidden = !words.every((word) => text.includes(word));
  }
});
