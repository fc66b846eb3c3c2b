// The examples in columns: their text, their order, what a filter leaves of them, and which are neighbours.
"use strict";

const examples = (() => {
  const { count, columns } = window.browsed;
  // What shows nothing, or turns the reading direction, so that a name looks like another.
  const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;
  const NUMBER = /^\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*$/;
  const COMPARED = /^(>=|<=|>|<)\s*(.+)$/;
  const BETWEEN = /^(.+?)\.\.(.+)$/;

  /** A column of this page, and not of the user's own, which may be called alike. */
  const ours = (name) => columns.find((column) => column.name === name && column.role !== "own");
  const named = (name) => ours(name) || columns.find((column) => column.name === name);

  /** The cell as it is; empty where there is none. */
  function text(column, example) {
    if (column.read) return column.read(example);
    if (column.words) return column.codes[example] < 0 ? "" : column.words[column.codes[example]];
    const value = column.values[example];
    return value === null ? "" : String(value);
  }

  /** Text as a person may safely read it: what cannot be seen is written as its code point. */
  function visible(raw) {
    return raw.replace(UNSEEN, (one) =>
      one === "\n" || one === "\t" ? " " : `⟨U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
  }

  /** Compares two examples by a column, up or down; what is empty comes last either way. */
  function comparator(column, down) {
    const turn = down ? -1 : 1;
    const key = column.read || column.words ? ranks(column) : (example) => column.values[example];
    return (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return turn * (x - y);
    };
  }

  /** The place of an example's word among all of the column, numbers by their value and before the words. */
  function ranks(column) {
    const words = column.words || [...new Set(Array.from({ length: count }, (_, example) => column.read(example)))];
    const collator = new Intl.Collator(undefined, { numeric: true });
    const order = words.map((word, place) => ({ word, place, number: NUMBER.test(word) ? Number(word) : NaN }));
    order.sort((a, b) => {
      const [x, y] = [Number.isNaN(a.number), Number.isNaN(b.number)];
      return x || y ? x - y || collator.compare(a.word, b.word) : a.number - b.number;
    });
    const rank = new Map(order.map((one, place) => [one.place, place]));
    if (column.words) return (example) => (column.words[column.codes[example]] ? rank.get(column.codes[example]) : null);
    const places = new Map(words.map((word, place) => [word, rank.get(place)]));
    return (example) => (column.read(example) === "" ? null : places.get(column.read(example)));
  }

  /** Whether a cell holds what is asked: 7, =7, !=7, > 0.5, 2..5. */
  function asked(expression) {
    const wanted = expression.trim();
    const compared = COMPARED.exec(wanted);
    const between = BETWEEN.exec(wanted);
    if (compared && NUMBER.test(compared[2])) {
      const [sign, limit] = [compared[1], Number(compared[2])];
      const holds = { ">": (x) => x > limit, ">=": (x) => x >= limit, "<": (x) => x < limit, "<=": (x) => x <= limit }[sign];
      return (cell) => NUMBER.test(cell) && holds(Number(cell));
    }
    if (between && NUMBER.test(between[1]) && NUMBER.test(between[2])) {
      const [low, high] = [Number(between[1]), Number(between[2])];
      return (cell) => NUMBER.test(cell) && Number(cell) >= low && Number(cell) <= high;
    }
    if (wanted.startsWith("!=")) return (cell) => cell !== wanted.slice(2).trim();
    if (wanted.startsWith("=")) return (cell) => cell.trim() === wanted.slice(1).trim();
    return containing(wanted);
  }

  const containing = (part) => (cell) => cell.toLowerCase().includes(part.toLowerCase());

  const filter = (column, expression) => passing(column, asked(expression));

  /** Whether the cell of an example holds to something; each word of the column is asked once. */
  function passing(column, holds) {
    if (column.words) {
      const held = column.words.map(holds);
      const empty = holds("");
      return (example) => (column.codes[example] < 0 ? empty : held[column.codes[example]]);
    }
    return (example) => holds(text(column, example));
  }

  /** Whether any word of an example holds all that was typed, in whichever columns. */
  function search(typed) {
    const parts = typed.trim().split(/\s+/).filter(Boolean);
    const worded = columns.filter((column) => column.words || column.read);
    const found = parts.map((part) => worded.map((column) => passing(column, containing(part))));
    return (example) => found.every((anywhere) => anywhere.some((holds) => holds(example)));
  }

  /** The vectors as signed bytes, fetched when somebody first asks for neighbours. */
  let loading = null;
  function vectors() {
    loading = loading || new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = "vectors.js";
      script.onerror = () => resolve({ width: 0, bytes: new Int8Array() });
      script.onload = () => {
        const raw = atob(window.vectors.bytes);
        resolve({ width: window.vectors.width, bytes: Int8Array.from(raw, (letter) => letter.charCodeAt(0)) });
      };
      document.head.append(script);
    });
    return loading;
  }

  /** The `wanted` nearest examples to one, nearest first, by squared Euclidean distance: every one is compared. */
  async function neighbours(example, wanted) {
    const { width, bytes } = await vectors();
    if (!width) return [];
    const nearest = [];
    for (let other = 0; other < count; other++) {
      if (other === example) continue;
      const limit = nearest.length < wanted ? Infinity : nearest[nearest.length - 1].distance;
      let distance = 0;
      for (let place = 0; place < width && distance < limit; place++) {
        const apart = bytes[example * width + place] - bytes[other * width + place];
        distance += apart * apart;
      }
      if (distance < limit) {
        nearest.push({ other, distance });
        nearest.sort((a, b) => a.distance - b.distance);
        nearest.length = Math.min(nearest.length, wanted);
      }
    }
    return nearest.map((one) => one.other);
  }

  return { count, columns, ours, named, text, visible, comparator, filter, search, neighbours };
})();
