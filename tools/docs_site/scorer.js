// Orders what a search finds: a page whose task is asked for, then pages of tasks, then references, then records of decisions and
// measurements. The words by which a page is asked for are in docs/search.csv.
var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
  score: ([page, , anchor, , score]) => {
    const query = (new URLSearchParams(location.search).get("q") || "").toLowerCase();
    const asked = query.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
    const words = licetSearchWords[page] || [];
    const found = asked.filter((word) => words.includes(word)).length;
    const isRecord = /^(adr|quickstart\/index|changelog|bench|contributing|testing|tables|worst-requests|pictures|readme|index|glossary)(\/|$)/.test(page);
    const isReference = /^(commands|configuration|routes)$/.test(page);
    const best = asked.length ? (100 * found) / asked.length + (found === asked.length ? 20 : 0) : 0;
    return score * (isRecord ? 0.1 : isReference ? 0.4 : 1) + best - (anchor ? 1 : 0);
  },
};
