// Runs in a page that is linted: every control in it and in its open shadow roots, as a person sees it.
// Colours are laid over each other down to the first solid one; contrast is WCAG 2's. A mark (a radio, a box) is
// measured with the label around it.
() => {
  const rgba = (text) => {
    const n = (text.match(/[\d.]+/g) || []).map(Number);
    return [n[0] || 0, n[1] || 0, n[2] || 0, n.length > 3 ? n[3] : 1];
  };
  const over = (top, below) => [...[0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])), 1];
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (c) => 0.2126 * linear(c[0] / 255) + 0.7152 * linear(c[1] / 255) + 0.0722 * linear(c[2] / 255);
  const contrast = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((p, q) => q - p);
    return (high + 0.05) / (low + 0.05);
  };
  const parent = (e) =>
    e.assignedSlot || e.parentElement || (e.getRootNode() instanceof ShadowRoot ? e.getRootNode().host : null);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const takesDark = getComputedStyle(document.documentElement).colorScheme.includes("dark");
  const canvas = dark && takesDark ? [18, 18, 18, 1] : [255, 255, 255, 1];
  const ground = (e) => {
    const layers = [];
    for (; e; e = parent(e)) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), canvas);
  };
  const all = (root) => [...root.querySelectorAll("*")].flatMap((e) => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
  const kind = (e) => {
    const role = e.getAttribute("role") || "", type = e.localName === "input" ? e.type : "";
    if (type === "radio" || role === "radio") return "radio";
    if (type === "checkbox" || role === "switch" || role === "checkbox") return "switch";
    if (e.localName === "button" || role === "button" || type === "submit" || type === "button") return "button";
    return e.localName === "a" && e.hasAttribute("href") ? "link" : null;
  };
  const visible = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const worded = (box) =>
    [box, ...box.querySelectorAll("*")].find((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) || box;

  const elements = all(document);
  const controls = [];
  for (const e of elements) {
    const what = kind(e);
    if (!what) continue;
    const mark = what === "radio" || what === "switch";
    const label = (e.labels && e.labels[0]) || null;
    const box = mark && label ? label : e;
    const named = (e.getAttribute("aria-labelledby") || "").split(" ").map((id) => e.getRootNode().getElementById?.(id)?.innerText || "");
    const text = named.join(" ").trim() || e.getAttribute("aria-label") || (label || e).innerText || e.value || "";
    if (!visible(box) || !text.trim()) continue;
    const place = box.getBoundingClientRect(), style = getComputedStyle(worded(box));
    const surface = ground(box), around = ground(parent(box) || box);
    controls.push({
      kind: what, label: text, checked: !!e.checked || e.getAttribute("aria-checked") === "true",
      looks: {
        left: place.left + scrollX, top: place.top + scrollY, width: place.width, height: place.height,
        font_size: parseFloat(style.fontSize), font_weight: Number(style.fontWeight),
        text_contrast: contrast(over(rgba(style.color), surface), surface), surface_contrast: contrast(surface, around),
      },
    });
  }
  const timers = elements
    .filter((e) => e.getAttribute("role") === "timer" || e.localName === "progress"
      || /\b(countdown|timer)\b/i.test(`${e.getAttribute("class") || ""} ${e.id}`))
    .map((e) => `<${e.localName}>`);
  const texts = elements.filter((e) => e.childElementCount === 0 && visible(e)).map((e) => (e.innerText || "").trim());
  return { controls, timers, texts, text: texts.filter(Boolean).join(". ") };
}
