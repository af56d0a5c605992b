// @ts-check
/** Keys for whoever reads many rows: 1 to 7 pick a finding, j writes it down and opens the next row, k takes the last one back.
    They work while the focus is in the form, and in no field of text; without this script the form does all of it. */

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("finding"));

/** @param {string} name @param {string} value */
function button(name, value) {
  return /** @type {HTMLButtonElement | null} */ (document.querySelector(`button[name="${name}"][value="${value}"]`));
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (!form || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const radios = [...form.querySelectorAll('input[type="radio"]')];
  const picked = /** @type {HTMLInputElement | undefined} */ (radios[Number(event.key) - 1]);
  if (/^[1-9]$/.test(event.key) && picked) {
    picked.checked = true;
    picked.focus({ preventScroll: true });
  } else if (event.key === "j" && form.querySelector(":checked")) {
    button("then", "next")?.click();
  } else if (event.key === "k") {
    button("then", "undo")?.click();
  } else {
    return;
  }
  event.preventDefault();
}

if (form) {
  form.addEventListener("keydown", pressed);
  form.tabIndex = -1;
  form.focus({ preventScroll: true });
  document.getElementById("keys")?.removeAttribute("hidden");
}
