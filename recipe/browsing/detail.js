// One example, closely: its picture, its cells, what was found, what lies near, and its mark.
"use strict";

/** An element with text, which is never markup. */
function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  if (text) made.textContent = examples.visible(text);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** The pane in `box`; `goTo(example)` opens another one, `act(action, example)` marks it. */
function detailPane(box, goTo, close, act) {
  const NEIGHBOURS = 12;
  const LARGE = 224;
  const { listed, thumbnails, originals } = window.browsed;
  let shown = -1;

  function show(example) {
    shown = example;
    const head = element("header");
    const closing = element("button", "×", { type: "button", "aria-label": "Close", class: "close" });
    closing.addEventListener("click", close);
    head.append(element("h2", titleOf(example), { dir: "auto" }), closing);
    const parts = [head, ...(thumbnails ? [picture(example, LARGE)] : []), mark(example), actions(example), ...findings(example), ...expected(example), near(example), cells(example)];
    box.replaceChildren(...parts);
    box.hidden = false;
    box.scrollTop = 0;
  }

  function titleOf(example) {
    const path = examples.ours("path");
    return path ? examples.text(path, example) : examples.text(examples.ours("id"), example);
  }

  function mark(example) {
    const one = decisions.of(example);
    const line = element("p", one ? `Marked: ${decisions.words(example)}` : "Not marked.", { class: one ? "mark is" : "mark" });
    if (one && one.why) line.append(element("span", `, since ${one.why}`, { dir: "auto" }));
    return line;
  }

  function actions(example) {
    const group = element("div", "", { class: "actions", role: "group", "aria-label": "Mark this example" });
    for (const action of ["relabel", "drop", "keep", "group", "clear"]) {
      const button = element("button", action === "clear" ? "unmark" : action, { type: "button" });
      button.addEventListener("click", () => act(action, example));
      group.append(button);
    }
    return group;
  }

  /** What each practice says of it. */
  function findings(example) {
    const lines = listed.flatMap((one) => one.lines.filter((line) => line[0] === example).map((line) => said(one, line)));
    if (!lines.length) return [];
    const list = element("ul", "", { class: "said" });
    list.append(...lines);
    return [element("h3", "What was found"), list];
  }

  function said(one, [, other, ...cells]) {
    const item = element("li");
    item.append(element("b", one.practice));
    const why = one.columns.map((name, place) => [name, cells[place]]).filter(([, cell]) => cell !== "");
    if (why.length) item.append(element("span", `: ${why.map(([name, cell]) => `${name} ${cell}`).join(", ")}`, { dir: "auto" }));
    if (other >= 0) item.append(link(other, "with "));
    return item;
  }

  function link(other, lead) {
    const button = element("button", `${lead}${titleOf(other)}`, { type: "button", class: "other", dir: "auto" });
    if (thumbnails) button.prepend(picture(other, 40));
    button.addEventListener("click", () => goTo(other));
    return button;
  }

  /** What a probe that has not learnt from it takes it for, the likeliest first. */
  function expected(example) {
    const { expected: told, classes } = window.browsed;
    if (!told) return [];
    const list = element("ol", "", { class: "expected" });
    const given = examples.text(examples.ours("label"), example);
    for (let place = example * told.each; place < (example + 1) * told.each; place++) {
      const [name, share] = [classes[told.classes[place]], told.shares[place]];
      const item = element("li", "", name === given ? { class: "given" } : {});
      const bar = element("span", "", { class: "share" });
      bar.style.setProperty("--share", `${share}%`);
      item.append(element("span", name, { class: "name", dir: "auto" }), bar, element("span", `${share} %`, { class: "number" }));
      list.append(item);
    }
    return [element("h3", "What a quick probe takes it for"), list];
  }

  /** The nearest examples: their pictures with their labels, or links. */
  function near(example) {
    const section = element("section", "", { class: "near" });
    examples.neighbours(example, NEIGHBOURS).then((others) => {
      if (!others.length || shown !== example) return;
      const list = element("div", "", { class: thumbnails ? "neighbours" : "neighbours words" });
      list.append(...others.map(neighbour(example)));
      section.append(element("h3", "Most like it"), list);
    });
    return section;
  }

  const neighbour = (example) => (other) => {
    const label = examples.ours("label");
    const [own, theirs] = [examples.text(label, example), examples.text(label, other)];
    const button = element("button", "", { type: "button", "aria-label": `${examples.visible(titleOf(other))}, label ${examples.visible(theirs)}` });
    if (thumbnails) button.append(picture(other, 56));
    else button.append(element("span", titleOf(other), { dir: "auto" }));
    const classes = window.browsed.classes.length && own !== theirs ? "caption differs" : "caption";
    button.append(element("span", theirs, { class: classes, dir: "auto" }));
    button.addEventListener("click", () => goTo(other));
    return button;
  };

  function cells(example) {
    const list = element("dl", "", { class: "cells" });
    for (const column of examples.columns) {
      const cell = examples.text(column, example);
      if (cell === "") continue;
      const pair = element("div");
      const value = element("dd", "", { dir: "auto" });
      value.append(column.name === "path" && originals !== null ? file(cell) : element("span", cell));
      pair.append(element("dt", column.name, { dir: "auto" }), value);
      list.append(pair);
    }
    return list;
  }

  function file(path) {
    const address = `${originals}/${path}`.split("/").map((part) => (part === ".." ? part : encodeURIComponent(part))).join("/");
    return element("a", path, { href: address, target: "_blank", rel: "noopener" });
  }

  return { show, refresh: () => shown >= 0 && !box.hidden && show(shown), isOpen: () => !box.hidden, shown: () => shown };
}
