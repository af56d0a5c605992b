// @ts-check
/** The page of examples: each component is answered from the recorded fragments on the page, and nothing is sent. */

const EVENTS = ["shown", "answered", "put-off", "nothing", "refused", "failed", "changed", "navigate"];

/** @param {string} name */
function recorded(name) {
  const kept = /** @type {HTMLTemplateElement} */ (document.getElementById(`example-${name}`));
  return new Response(kept.innerHTML, { status: name === "refused" ? 401 : 200, headers: { "content-type": "text/html" } });
}

/** The page that stands for the answer to a request. @param {HTMLElement} of @param {string} url @param {RequestInit} request */
function answered(of, url, request) {
  const example = of.dataset.example ?? "notice";
  if (request.method !== "POST") return url.includes("/settings") && example === "notice" ? "settings" : example;
  if (!url.includes("/notice")) return example;
  return new URLSearchParams(String(request.body)).get("act") === "later" ? "put_off" : "answered";
}

/** @param {any} of A component, which is given a token that opens nothing and a `fetch` that sends nothing. */
function staged(of) {
  of.fetch = async (/** @type {string} */ url, /** @type {RequestInit} */ request = {}) => {
    if (new URL(url, location.href).pathname.startsWith("/static/")) return fetch(url, request);
    if (of.dataset.example === "loading") return new Promise(() => {});
    if (of.dataset.example === "failed") throw new TypeError("the example of a failure");
    return recorded(answered(of, url, request));
  };
  for (const name of EVENTS) {
    of.addEventListener(`licet-${name}`, (/** @type {CustomEvent} */ event) => {
      if (name === "navigate") event.preventDefault();
      const list = document.querySelector(`[data-heard="${of.dataset.name}"]`);
      list?.append(`licet-${name} ${JSON.stringify(event.detail)} `);
    });
  }
  of.token = "example";
}

for (const one of document.querySelectorAll("licet-notice, licet-settings, licet-data, licet-badge, licet-receipt")) staged(one);

for (const button of document.querySelectorAll("[data-opens]")) {
  button.addEventListener("click", () => {
    for (const old of document.querySelectorAll('[data-name="places"]')) old.remove();
    const made = document.createElement("licet-notice");
    made.setAttribute("display", /** @type {HTMLElement} */ (button).dataset.opens ?? "");
    made.dataset.name = "places";
    button.after(made);
    staged(made);
  });
}

const theme = /** @type {HTMLSelectElement} */ (document.getElementById("theme"));
theme.addEventListener("change", () => {
  for (const one of document.querySelectorAll("licet-notice, licet-settings, licet-data, licet-badge, licet-receipt")) {
    one.setAttribute("theme", theme.value);
  }
});
