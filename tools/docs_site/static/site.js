// The list of versions, the search of a site on a disk, and the keyboard for what is wider than the page.

// Search shows a piece of each page that it finds, which it fetches. On a disk nothing can be fetched.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS === "object") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

document.addEventListener("DOMContentLoaded", () => {
  listVersions();
  // A reader without a mouse scrolls what has the focus.
  for (const wide of document.querySelectorAll("pre, .table-wrapper")) {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
  }
});

// Each version leads to the same page there, or to its first page.
function listVersions() {
  const select = document.getElementById("site-version");
  const versions = window.licetVersions || [];
  if (!select || !versions.length) return;
  const { page, root, version } = select.dataset;
  for (const { name } of versions) select.add(new Option(name, name, name === version, name === version));
  select.closest("form").hidden = false;
  select.addEventListener("change", () => {
    const chosen = versions.find(({ name }) => name === select.value);
    location.href = `${root}../${chosen.name}/${chosen.pages.includes(page) ? page : "index.html"}`;
  });
}
