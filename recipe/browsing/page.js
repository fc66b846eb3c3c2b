// The page: what is shown, the tools above it, the keys, and marking.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const { browsed } = window;
  const state = { order: [], current: -1, last: -1, selected: new Set(), asRows: !browsed.thumbnails };
  examples.columns.push({ name: "mark", role: "mark", read: decisions.words });

  const label = examples.ours("label");
  const found = examples.ours("found by");
  const isFlagged = (example) => Boolean(found && examples.text(found, example));

  function told(example) {
    const mark = decisions.words(example);
    const facts = ["path", "label", "split", "found by", "mark"].map(examples.ours).filter(Boolean);
    const title = facts.map((column) => [column.name, examples.text(column, example)]).filter(([, cell]) => cell);
    return {
      caption: examples.visible(examples.text(label, example)),
      title: title.map(([name, cell]) => `${name} ${examples.visible(cell)}`).join(", "),
      mark: examples.visible(mark),
      flagged: isFlagged(example),
      selected: state.selected.has(example),
      current: example === state.current,
    };
  }

  const detail = detailPane($("detail"), (example) => open(example), close, (action, example) => act(action, [example]));
  const grid = browsed.thumbnails ? thumbnailGrid($("thumbnails"), told, pressed) : null;
  const rows = rowGrid($("rows"), told, pressed, ordered);

  // What is shown

  function ordered(order) {
    state.order = order;
    if (grid) grid.show(order);
    if (!detail.isOpen() || !order.includes(state.current)) state.current = order.length ? order[0] : -1;
    $("nothing").hidden = order.length > 0;
    count();
    chips();
    refresh();
  }

  function refresh() {
    if (grid && !state.asRows) grid.refresh();
    if (state.asRows) rows.refresh();
    const box = state.asRows ? $("rows-pane") : $("thumbnails");
    if (!state.asRows && state.current >= 0) box.setAttribute("aria-activedescendant", `thumbnail-${state.current}`);
    detail.refresh();
  }

  function count() {
    const chosen = state.selected.size ? `, ${state.selected.size.toLocaleString("en")} selected` : "";
    const marked = decisions.marked().length;
    const kept = decisions.isKept() ? "" : " This browser keeps no marks: export them before you close it.";
    $("shown").textContent = `${state.order.length.toLocaleString("en")} of ${examples.count.toLocaleString("en")} shown${chosen}.${kept}`;
    $("export").textContent = `Export decisions.csv (${marked.toLocaleString("en")})`;
    $("export").disabled = !marked;
    $("select-none").hidden = !state.selected.size;
  }

  function chips() {
    const sorts = rows.sorts();
    const made = [
      ...rows.filters().map(({ column, asked }) => chip(`${column.name}: ${asked}`, () => setFilter(column, ""))),
      ...sorts.map(({ column, down }, place) =>
        chip(`${down ? "↓" : "↑"} ${column.name}`, () => rows.sort(sorts.filter((_, other) => other !== place)))),
    ];
    $("chips").replaceChildren(...made);
  }

  function chip(text, away) {
    const item = element("li");
    const button = element("button", text, { type: "button", "aria-label": `Take away ${examples.visible(text)}` });
    button.addEventListener("click", away);
    item.append(button);
    return item;
  }

  function view(asRows) {
    state.asRows = asRows;
    document.body.classList.toggle("as-rows", asRows);
    $("as-rows").setAttribute("aria-pressed", asRows);
    $("as-thumbnails").setAttribute("aria-pressed", !asRows);
    if (asRows) rows.redraw();
    refresh();
    reveal();
  }

  // Going from one to another

  function pressed(example, event) {
    if (event.shiftKey || event.ctrlKey || event.metaKey) {
      select(example, event.shiftKey);
      state.current = example;
      refresh();
    } else open(example);
  }

  function open(example) {
    state.current = example;
    document.body.classList.add("with-detail");
    detail.show(example);
    refresh();
    reveal();
  }

  function close() {
    $("detail").hidden = true;
    document.body.classList.remove("with-detail");
    (state.asRows ? $("rows-pane") : $("thumbnails")).focus({ preventScroll: true });
    refresh();
  }

  function reveal() {
    const place = state.order.indexOf(state.current);
    if (place < 0) return;
    if (state.asRows) rows.reveal(state.current);
    else grid.reveal(place);
  }

  function move(steps) {
    const place = state.order.indexOf(state.current);
    const next = Math.min(state.order.length - 1, Math.max(0, place + steps));
    if (!state.order.length) return;
    if (detail.isOpen()) open(state.order[next]);
    else {
      state.current = state.order[next];
      refresh();
      reveal();
    }
  }

  function select(example, upTo) {
    const [from, to] = [state.order.indexOf(state.last), state.order.indexOf(example)].sort((a, b) => a - b);
    if (upTo && from >= 0) for (const one of state.order.slice(from, to + 1)) state.selected.add(one);
    else if (!state.selected.delete(example)) state.selected.add(example);
    state.last = example;
    count();
  }

  // Marking

  const chosen = () => (state.selected.size ? [...state.selected] : state.current >= 0 ? [state.current] : []);

  function act(action, marked = chosen()) {
    if (!marked.length) return;
    if (action === "clear") {
      decisions.clear(marked);
      done();
    } else if (action === "drop" || action === "keep") settle(marked, action, "", reason);
    else ask(marked, action);
  }

  /** What found an example is why it is marked, where nobody says more. */
  const reason = (example) => (found ? examples.text(found, example) : "");

  function ask(marked, action) {
    const single = marked.length === 1 ? marked[0] : -1;
    $("ask-title").textContent = `${action === "relabel" ? "Relabel" : "Put in a group"} ${marked.length === 1 ? "this example" : `${marked.length} examples`}`;
    $("ask-value-label").firstElementChild.textContent = action === "relabel" ? "Its label is" : "The group's name";
    $("ask-known").replaceChildren(...(action === "relabel" ? browsed.classes : groups()).map((name) => element("option", "", { value: name })));
    $("ask-value").value = action === "relabel" && single >= 0 ? suggested(single) : "";
    $("ask-why").value = single >= 0 ? reason(single) : "";
    $("ask").firstElementChild.onsubmit = (event) => { // at once: a key that follows is meant for the next example
      const [value, why] = [$("ask-value").value, $("ask-why").value];
      if (event.submitter.value === "mark" && value) settle(marked, action, value, (example) => why || reason(example));
    };
    $("ask").showModal();
    $("ask-value").select();
  }

  /** The label that a practice suggests for it. */
  function suggested(example) {
    for (const { columns, lines } of browsed.listed) {
      const place = columns.indexOf("suggested");
      const line = place < 0 ? undefined : lines.find((one) => one[0] === example);
      if (line) return line[2 + place];
    }
    return "";
  }

  const groups = () => [...new Set(decisions.marked().map(decisions.of).filter((one) => one.action === "group").map((one) => one.value))];

  function settle(marked, action, value, why) {
    decisions.mark(marked, action, value, why);
    done();
    if (marked.length === 1 && marked[0] === state.current) move(1);
  }

  function done() {
    rows.marksChanged();
    marks();
    count();
    refresh();
  }

  function download() {
    const address = URL.createObjectURL(new Blob([decisions.csv()], { type: "text/csv;charset=utf-8" }));
    const way = element("a", "", { href: address, download: "decisions.csv" });
    way.click();
    URL.revokeObjectURL(address);
  }

  // The tools

  /** The choices of a column of few words, in their order, with how many examples each has. */
  function choices(box, column) {
    const counts = new Map();
    if (column) for (let example = 0; example < examples.count; example++) {
      const word = examples.text(column, example);
      for (const one of column === found ? word.split(", ") : [word]) counts.set(one, (counts.get(one) || 0) + 1);
    }
    const words = [...counts.keys()].filter(Boolean).sort(new Intl.Collator(undefined, { numeric: true }).compare);
    box.closest("label").hidden = words.length < 1 || words.length > 200;
    const options = words.map((word) => element("option", `${word} (${counts.get(word).toLocaleString("en")})`, { value: word }));
    box.replaceChildren(element("option", "any", { value: "" }), ...options);
  }

  function choose(box, column, exact) {
    choices(box, column);
    box.addEventListener("change", () => setFilter(column, box.value && (exact ? `=${box.value}` : box.value)));
  }

  function setFilter(column, asked) {
    rows.ask(column, asked);
    for (const [box, name] of [["by-label", "label"], ["by-split", "split"], ["by-found", "found by"], ["by-mark", "mark"]]) {
      if (column === examples.ours(name)) $(box).value = asked.replace(/^=/, "");
    }
  }

  function marks() {
    const was = $("by-mark").value;
    choices($("by-mark"), examples.ours("mark"));
    $("by-mark").value = was;
  }

  function columnChoices(box) {
    box.replaceChildren(...examples.columns.map((column, place) => element("option", column.name, { value: place })));
  }

  function addSort(down) {
    const column = examples.columns[$("sort-column").value];
    rows.sort([...rows.sorts().filter((one) => one.column !== column), { column, down }]);
  }

  function addFilter() {
    setFilter(examples.columns[$("filter-column").value], $("filter-text").value);
    $("filter-text").value = "";
  }

  /** From what to do to its examples: those that a practice flags, or all, in the order of a column. */
  function showFirst(practice, column) {
    if (practice) setFilter(found, practice);
    if (column) rows.sort([{ column, down: true }]);
    $("view").scrollIntoView({ block: "start" });
    (state.asRows ? $("rows-pane") : $("thumbnails")).focus({ preventScroll: true });
  }

  // Keys

  function keyed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || $("ask").open || $("help").open) return;
    if (event.key === "Escape" && detail.isOpen()) return close();
    if (event.target.closest("input, select, textarea")) return;
    const across = state.asRows ? 1 : grid.across();
    const keys = {
      ArrowRight: () => move(1), ArrowLeft: () => move(-1), ArrowDown: () => move(across), ArrowUp: () => move(-across),
      Home: () => move(-Infinity), End: () => move(Infinity), PageDown: () => move(5 * across), PageUp: () => move(-5 * across),
      Enter: () => state.current >= 0 && open(state.current),
      x: () => selectCurrent(event), X: () => selectCurrent(event), " ": () => selectCurrent(event),
      r: () => act("relabel"), d: () => act("drop"), k: () => act("keep"), g: () => act("group"), u: () => act("clear"),
      "/": () => $("search").focus(), "?": () => $("help").showModal(),
    };
    const isPressed = event.target.closest("button, a, summary") && ["Enter", " "].includes(event.key);
    if (!keys[event.key] || isPressed) return;
    event.preventDefault();
    keys[event.key]();
  }

  function selectCurrent(event) {
    if (state.current >= 0) select(state.current, event.shiftKey);
    refresh();
  }

  function wire() {
    choose($("by-label"), label, true);
    choose($("by-split"), examples.ours("split"), true);
    choose($("by-found"), found, false);
    choose($("by-mark"), examples.ours("mark"), true);
    columnChoices($("filter-column"));
    columnChoices($("sort-column"));
    let typing = 0;
    $("search").addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => rows.search($("search").value), 120);
    });
    $("filter-text").addEventListener("keydown", (event) => event.key === "Enter" && addFilter());
    $("add-filter").addEventListener("click", addFilter);
    $("sort-up").addEventListener("click", () => addSort(false));
    $("sort-down").addEventListener("click", () => addSort(true));
    $("as-thumbnails").addEventListener("click", () => view(false));
    $("as-rows").addEventListener("click", () => view(true));
    $("export").addEventListener("click", download);
    $("help-button").addEventListener("click", () => $("help").showModal());
    $("select-shown").addEventListener("click", () => { state.order.forEach((one) => state.selected.add(one)); count(); refresh(); });
    $("select-none").addEventListener("click", () => { state.selected.clear(); count(); refresh(); });
    for (const button of document.querySelectorAll("[data-action]")) button.addEventListener("click", () => act(button.dataset.action));
    document.addEventListener("keydown", keyed);
    document.querySelector(".switch").hidden = !browsed.thumbnails;
  }

  writeOpening(showFirst);
  wire();
  rows.built.then(() => {
    view(state.asRows);
    const score = examples.ours("suspicion");
    if (score) rows.sort([{ column: score, down: true }]);
    document.documentElement.dataset.ready = "true";
  });
})();
