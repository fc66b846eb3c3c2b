// What the page says first: which data these are, and what to do.
"use strict";

/** `show(practice, column)` shows the examples that a practice flags, or all, in the order of a column. */
function writeOpening(show) {
  const $ = (id) => document.getElementById(id);
  const { name, notes, todo, ran } = window.browsed;
  const NUMBERS = ["No", "One", "Two", "Three", "Four", "Five"];
  const NAMED = 3; // columns in a line
  const written = (number) => number.toLocaleString("en");

  function point(one) {
    const item = element("li");
    const more = element("details");
    more.append(element("summary", "What was seen, and what to do"), element("p", one.summary, { dir: "auto" }), element("p", one.advice, { dir: "auto" }));
    item.append(
      element("h3", one.practice.split("/").pop().replaceAll("_", " ")),
      element("p", [examplesOf(one), columnsOf(one)].filter(Boolean).join("; "), { class: "worth", dir: "auto" }),
      element("p", one.at_stake, { class: "stake" }),
      more,
      ...ways(one),
    );
    return item;
  }

  function examplesOf({ touched, share }) {
    return touched && `${written(touched)} ${touched === 1 ? "example" : "examples"}, ${(100 * share).toPrecision(2)}% of all`;
  }

  function columnsOf({ columns }) {
    if (!columns.length) return "";
    return `${columns.length === 1 ? "the column" : "columns"} ${columns.slice(0, NAMED).join(", ")}${columns.length > NAMED ? ", …" : ""}`;
  }

  /** What one click shows of a finding: the examples it flags, the worst first, or all in the order of a column it flags. */
  function ways(one) {
    const column = one.columns.map(examples.named).find(Boolean);
    const score = examples.ours(one.practice) || examples.ours("suspicion");
    if (one.touched) return [way(`Show the ${written(one.touched)}`, one.practice, score)];
    return column ? [way(`Sort by ${column.name}`, "", column)] : [];
  }

  function way(text, practice, column) {
    const button = element("button", text, { type: "button" });
    button.addEventListener("click", () => show(practice, column));
    return button;
  }

  function headline() {
    if (!todo.length) return "Look at the data";
    return `${NUMBERS[todo.length]} ${todo.length === 1 ? "finding" : "findings"} to look at first`;
  }

  const calm = () => (ran
    ? "No practice flags a single example. Look at some of each class all the same: what no check knows, a person sees."
    : "No other practice of the data stage has been run with this page: recipe check data runs them all.");

  document.title = `${examples.visible(name)}: the data`;
  $("name").textContent = examples.visible(name);
  $("size").textContent = `${written(examples.count)} examples`;
  $("headline").textContent = headline();
  $("notes").replaceChildren(...notes.map((note) => element("li", note)));
  $("todo").replaceChildren(...todo.map(point));
  if (!todo.length) $("todo").replaceWith(element("p", calm()));
}
