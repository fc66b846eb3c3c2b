// The examples as rows, in the grid component; it also holds the filters and the order for the thumbnails.
"use strict";

/** The grid in `box`. `changed(order)` is told the examples that are left, in their order, whenever they change. */
function rowGrid(box, told, opened, changed) {
  const LETTER = 7.6; // pixels of width, about
  const ROOM = 16; // beside the letters
  const [HEADING_LETTER, HEADING_ROOM] = [8.8, 36]; // it is bold, and has an arrow
  const MOST_LETTERS = 38; // of a cell in view; what is longer is cut, and whole in the detail
  const MANY = 20; // columns; of more only those in view are drawn
  const LOOKED_AT = 100; // examples that tell how wide a column is
  let ready = false;
  const { columns } = examples;
  const field = (column) => `c${columns.indexOf(column)}`;
  const columnOf = (name) => columns[Number(name.slice(1))];

  /** Text as a node: nothing of the data's own is ever markup. */
  function node(raw, name = "span") {
    const part = document.createElement(name);
    part.dir = "auto";
    part.textContent = examples.visible(raw);
    return part;
  }

  const pictured = {
    title: "", field: "picture", width: 48, headerSort: false, resizable: false, frozen: true,
    titleFormatter: () => "", formatter: (cell) => picture(cell.getData().example, 32),
  };

  /** From lengths of text: to measure what is drawn takes seconds where there are many columns. */
  function width(column) {
    const step = Math.max(1, Math.floor(examples.count / LOOKED_AT));
    let letters = 0;
    for (let example = 0; example < examples.count; example += step) {
      letters = Math.max(letters, examples.text(column, example).length);
    }
    return Math.max(ROOM + LETTER * Math.min(MOST_LETTERS, letters), HEADING_ROOM + HEADING_LETTER * Math.min(MOST_LETTERS, column.name.length));
  }

  function definition(column) {
    return {
      title: "", field: field(column), headerFilter: "input", headerFilterPlaceholder: " ", width: width(column),
      hozAlign: column.values ? "right" : "left",
      titleFormatter: () => node(column.name),
      formatter: (cell) => node(examples.text(column, cell.getData().example)),
      headerFilterFunc: (asked, _, row) => kept(`${field(column)} ${asked}`, () => examples.filter(column, asked))(row.example),
      headerSortTristate: true,
      sorter: (_a, _b, rowA, rowB, _column, direction) => {
        const down = direction === "desc";
        const compare = kept(`${field(column)} ${direction}`, () => examples.comparator(column, down));
        const order = compare(rowA.getData().example, rowB.getData().example);
        return down ? -order : order; // the component turns it around again
      },
    };
  }

  // What was made of a column once: it is asked for each of thousands of rows. Marks change, and their column with them.
  const made = new Map();
  function kept(name, make) {
    if (!made.has(name)) made.set(name, make());
    return made.get(name);
  }

  const table = new Tabulator(box, {
    data: Array.from({ length: examples.count }, (_, example) => ({ example })),
    index: "example",
    columns: [...(window.browsed.thumbnails ? [pictured] : []), ...columns.map(definition)],
    height: "100%",
    layout: "fitData",
    renderHorizontal: columns.length > MANY ? "virtual" : "basic",
    nestedFieldSeparator: false,
    columnHeaderSortMulti: true,
    columnDefaults: { vertAlign: "middle" },
    rowFormatter: (row) => {
      const { selected, current, flagged } = told(row.getData().example);
      const element = row.getElement();
      element.classList.toggle("chosen", selected);
      element.classList.toggle("current", current);
      element.classList.toggle("flagged", flagged);
      element.setAttribute("aria-selected", selected);
    },
    placeholder: "",
  });

  const tell = () => ready && changed(table.getRows("active").map((row) => row.getData().example));
  table.on("rowClick", (event, row) => opened(row.getData().example, event));
  table.on("dataFiltered", () => setTimeout(tell));
  table.on("dataSorted", () => setTimeout(tell));
  const built = new Promise((resolve) => table.on("tableBuilt", () => { ready = true; resolve(); tell(); }));

  const sorts = () => table.getSorters().map((one) => ({ column: columnOf(one.field), down: one.dir === "desc" })).reverse();
  const filters = () => table.getHeaderFilters().map((one) => ({ column: columnOf(one.field), asked: String(one.value) }));

  /** Sort by these columns, the first one first. */
  function sort(wanted) {
    if (!wanted.length) return clearSort();
    table.setSort([...wanted].reverse().map(({ column, down }) => ({ column: field(column), dir: down ? "desc" : "asc" })));
  }

  function clearSort() {
    table.clearSort();
    table.setSort([]);
  }

  function ask(column, asked) {
    table.setHeaderFilterValue(field(column), asked);
  }

  function search(typed) {
    const passes = examples.search(typed);
    if (typed.trim()) table.setFilter((row) => passes(row.example));
    else table.clearFilter();
  }

  /** Draw again what is in view: marks, selection, the current one. */
  function refresh() {
    for (const row of table.getRows("visible")) row.reformat();
  }

  function marksChanged() {
    made.clear();
  }

  function reveal(example) {
    table.scrollToRow(example, "nearest", false).catch(() => undefined);
  }

  return { built, sorts, sort, filters, ask, search, refresh, reveal, marksChanged, redraw: () => table.redraw(true) };
}
