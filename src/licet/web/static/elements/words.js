// @ts-check
/** What an element says before Licet has answered. An attribute of the same name says it in the host's words. */
const SAYS = {
  loading: "Loading …",
  failed: "Your privacy choices could not be reached. Nothing changes until you answer.",
  offline: "You are offline. This is loaded when you are online again; nothing changes until you answer.",
  unsent: "We do not know whether this was saved. Try again: the same answer counts once.",
  retry: "Try again",
};

/** @param {HTMLElement} of @param {keyof typeof SAYS} name */
export function says(of, name) {
  return of.getAttribute(name) ?? SAYS[name];
}
