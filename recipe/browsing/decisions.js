// What a person has decided on examples, kept in this browser, and as decisions.csv.
"use strict";

const decisions = (() => {
  const KEY = `training-recipe.decisions.${window.browsed.key}`;
  // As recipe/report/spreadsheet.py: a quote before what a spreadsheet would compute, which its text_of takes away.
  const SIGNS = "=+\\-@\\t\\r\\n＝＋－＠";
  const FORMULA = new RegExp(`(?:^|(?<=[;\\t\\r\\n]))(?='*[${SIGNS}])`, "g");
  const ALONE = new RegExp(`^[${SIGNS}]+$`);
  const NUMBER = /^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/;
  const ids = examples.ours("id");
  let kept = true;
  const marks = stored();

  function stored() {
    try {
      return new Map(Object.entries(JSON.parse(localStorage.getItem(KEY) || "{}")));
    } catch {
      kept = false;
      return new Map();
    }
  }

  function store() {
    try {
      localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(marks)));
      kept = true;
    } catch {
      kept = false;
    }
  }

  const of = (example) => marks.get(examples.text(ids, example));

  function mark(chosen, action, value, why) {
    for (const example of chosen) marks.set(examples.text(ids, example), { action, value, why: why(example) });
    store();
  }

  function clear(chosen) {
    for (const example of chosen) marks.delete(examples.text(ids, example));
    store();
  }

  /** The mark in a word or two: drop, relabel 7. */
  function words(example) {
    const one = of(example);
    return one ? `${one.action} ${one.value}`.trim() : "";
  }

  const marked = () => Array.from({ length: examples.count }, (_, example) => example).filter(of);

  /** The marks as CSV in the data's order: id, action, value, why. */
  function csv() {
    const lines = marked().map((example) => {
      const { action, value, why } = of(example);
      return [examples.text(ids, example), action, value, why].map(cell).map(quoted).join(",");
    });
    return ["id,action,value,why", ...lines].join("\n") + "\n";
  }

  const cell = (text) => (NUMBER.test(text) || ALONE.test(text) ? text : text.replace(FORMULA, "'"));
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  return { of, mark, clear, words, marked, csv, isKept: () => kept };
})();
