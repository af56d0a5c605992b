// @ts-check
/** Keys of the console, ids that copy, and the state of what runs in the background; without this script links, forms and
    loading a page again do all of it.
    `/` goes to the search. In the inbox `j` and `k` open the next and the previous item, 1 to 9 open what can be done with it,
    and Ctrl+Enter sends the form. In a review 1 to 9 pick a finding, `j` writes it down and opens the next row, `k` takes the
    last one back. */

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("finding"));
const current = document.querySelector(".queue [aria-current]");

/** @param {string} selector */
const press = (selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector))?.click();

/** @param {number} step */
function open_item(step) {
  const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".queue ol a")]);
  const place = links.findIndex((link) => link === current);
  links[place < 0 ? (step > 0 ? 0 : links.length - 1) : place + step]?.click();
}

/** @param {string} key @param {HTMLElement} target @returns {boolean} */
function in_review(key, target) {
  if (!form?.contains(target)) return false;
  const picked = /** @type {HTMLInputElement | undefined} */ ([...form.querySelectorAll('input[type="radio"]')][Number(key) - 1]);
  if (/^[1-9]$/.test(key) && picked) {
    picked.checked = true;
    picked.focus({ preventScroll: true });
  } else if (key === "j" && form.querySelector(":checked")) {
    press('button[name="then"][value="next"]');
  } else if (key === "k") {
    press('button[name="then"][value="undo"]');
  } else {
    return false;
  }
  return true;
}

/** @param {string} key @returns {boolean} */
function in_inbox(key) {
  if (!document.querySelector(".queue")) return false;
  const act = /** @type {HTMLDetailsElement | undefined} */ ([...document.querySelectorAll("#acts ~ details")][Number(key) - 1]);
  if (key === "j" || key === "k") {
    open_item(key === "j" ? 1 : -1);
  } else if (/^[1-9]$/.test(key) && act) {
    act.open = true;
    /** @type {HTMLElement | null} */ (act.querySelector("select, input:not([type=hidden]), textarea, button"))?.focus();
  } else {
    return false;
  }
  return true;
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.isComposing || event.altKey) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && target.matches("textarea")) {
    target.closest("form")?.requestSubmit();
  } else if (event.ctrlKey || event.metaKey || target.matches('textarea, select, input:not([type="radio"], [type="checkbox"])')) {
    return;
  } else if (event.key === "/") {
    document.getElementById("search")?.focus();
  } else if (!in_review(event.key, target) && !in_inbox(event.key)) {
    return;
  }
  event.preventDefault();
}

document.addEventListener("keydown", pressed);
document.querySelector("#side [aria-current]")?.scrollIntoView({ block: "nearest" });
for (const id of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".id"))) {
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "copy";
  copy.textContent = "Copy";
  copy.tabIndex = id.closest("td") ? -1 : 0;
  const text = id.title || id.textContent || "";
  copy.setAttribute("aria-label", `Copy ${text}`);
  copy.addEventListener("click", () => navigator.clipboard.writeText(text).then(() => (copy.textContent = "Copied")));
  (id.matches("p") ? id : id.parentElement)?.append(" ", copy);
}
for (const box of document.querySelectorAll("input.all")) {
  box.removeAttribute("hidden");
  box.addEventListener("change", () => {
    for (const one of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('input[name="chosen"], input[name="chat"]'))) {
      one.checked = /** @type {HTMLInputElement} */ (box).checked;
    }
  });
}
if (form) {
  form.tabIndex = -1;
  form.focus({ preventScroll: true });
}
for (const keys of document.querySelectorAll("[data-keys]")) keys.removeAttribute("hidden");

if (document.querySelector("[data-posted]") && document.referrer) {
  history.replaceState(null, "", document.referrer); // going back loads the page of the form, and sends nothing again
}
const polled = document.querySelector("[data-polls]");
if (polled) {
  setInterval(async () => {
    const answer = await fetch(location.href);
    const now = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(polled.id);
    if (now?.matches("[data-polls]")) polled.replaceChildren(...now.childNodes);
    else location.reload();
  }, 2000);
}
