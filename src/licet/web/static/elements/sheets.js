// @ts-check
/** The stylesheets of a shadow root: Licet's, each fetched once a base, and what an element needs even where Licet is away. */

/** @type {Map<string, Promise<CSSStyleSheet>>} */
const sheets = new Map();

/** @param {string} base @param {string} name @param {typeof fetch} fetched @returns {Promise<CSSStyleSheet>} */
export function sheet(base, name, fetched) {
  const url = `${base}/static/${name}`;
  let found = sheets.get(url);
  if (!found) {
    found = fetched(url, { credentials: "omit" })
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error("no stylesheet"))))
      .then((text) => new CSSStyleSheet().replace(text));
    sheets.set(url, found);
    found.catch(() => sheets.delete(url));
  }
  return found;
}

const SHARED = `
:host { display: block; }
:host([hidden]) { display: none; }
:host([theme=light]) { color-scheme: light; }
:host([theme=dark]) { color-scheme: dark; }
:host([theme=auto]) { color-scheme: light dark; }
:host([aria-busy=true]) button { cursor: progress; }
:where(.licet-failed) { border-radius: .5rem; padding: .75rem 1rem; border: 2px solid; margin: 1rem; }
:where(.licet-failed button) { font: inherit; min-height: 2.75rem; padding-inline: 1.25rem; }
`;

/** @type {Map<string, CSSStyleSheet>} */
const made = new Map();

/** @param {string} more */
export function own(more) {
  let found = made.get(more);
  if (!found) {
    found = new CSSStyleSheet();
    found.replaceSync(SHARED + more);
    made.set(more, found);
  }
  return found;
}
