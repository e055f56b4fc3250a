"""Checks of a page in a real browser: text in figures, contrast, width, names of controls."""

from __future__ import annotations

#: WCAG 2.2, success criterion 1.4.3: the minimum contrast of text and background.
LEAST_CONTRAST = 4.5

#: Text of a figure that is cut off at its edge, or lies over other text of the same figure.
BAD_TEXTS = """() => [...document.querySelectorAll("svg")].flatMap(svg => {
  const edge = svg.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll("text")].map(
    t => [t.textContent, t.getBoundingClientRect()]);
  const cut = boxes.filter(([, b]) =>
    b.left < edge.left - 1 || b.right > edge.right + 1 ||
    b.top < edge.top - 1 || b.bottom > edge.bottom + 1).map(([text]) => `cut off: ${text}`);
  const over = [];
  boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([two, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 2 && high > 4) over.push(`overlap: ${one} and ${two}`);
  }));
  return cut.concat(over);
})"""

#: Contrast of each text with the nearest background behind it, lowest first.
CONTRASTS = """() => {
  const parse = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const v = c[i] / 255;
    return sum + weight * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  // Words on a bar of a figure; other rectangles of figures are beside their words.
  const bar = text => [...text.closest("svg").querySelectorAll("rect.share")].find(r => {
    const [a, b] = [r.getBoundingClientRect(), text.getBoundingClientRect()];
    return a.left <= b.left && a.right >= b.right;
  });
  const behind = element => {
    const under = element.closest("svg") && bar(element);
    if (under) return parse(getComputedStyle(under).fill);
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length && (c.length < 4 || c[3] > 0)) return c;
    }
    return [255, 255, 255];
  };
  const texts = [...document.body.querySelectorAll("*")].filter(e => e.getClientRects().length &&
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
  return texts.map(e => {
    const style = getComputedStyle(e);
    const ink = light(parse(e.closest("svg") ? style.fill : style.color));
    const paper = light(behind(e));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    return [ratio, e.textContent.trim().slice(0, 40)];
  }).sort((a, b) => a[0] - b[0]);
}"""

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

#: What somebody who does not see the page, or has no mouse, would miss.
BARRIERS = """() => {
  const found = [];
  const say = (what, e) => found.push(`${what}: ${e.outerHTML.slice(0, 90)}`);
  const named = e => (e.getAttribute("aria-label") || e.textContent || "").trim();
  if (!document.documentElement.lang) found.push("no language");
  if (!document.title) found.push("no title");
  for (const kind of ["main", "h1"])
    if (document.querySelectorAll(kind).length !== 1) found.push(`not one ${kind}`);
  let level = 1;
  for (const e of document.querySelectorAll("h1, h2, h3, h4")) {
    if (Number(e.tagName[1]) > level + 1) say("level skipped", e);
    level = Number(e.tagName[1]);
  }
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!e.labels || ![...e.labels].some(l => l.textContent.trim())) say("no label", e);
  for (const e of document.querySelectorAll("a[href], button, summary"))
    if (!named(e)) say("no name", e);
  for (const e of document.querySelectorAll("svg, [role=img], [role=region], nav, progress"))
    if (!(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby"))) say("no name", e);
  for (const e of document.querySelectorAll("table"))
    if (!e.caption || [...e.querySelectorAll("th")].some(h => !h.scope)) say("table", e);
  for (const e of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const name of ["aria-labelledby", "aria-describedby"])
      for (const id of (e.getAttribute(name) || "").split(" ").filter(Boolean))
        if (!document.getElementById(id)) say("refers to nothing", e);
  for (const e of document.querySelectorAll("[tabindex]"))
    if (e.tabIndex > 0) say("own order of focus", e);
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach(id => found.push(`id twice: ${id}`));
  return found;
}"""

#: Buttons and links beside the text that are hard to hit (WCAG 2.2, 2.5.8: 24 pixels).
SMALL_TARGETS = """() => [...document.querySelectorAll("button, .button, input, select")]
  .filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 24)
  .map(e => e.outerHTML.slice(0, 80))"""
