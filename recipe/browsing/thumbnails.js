// The examples as a grid of pictures, of which only those in view are there.
"use strict";

/** A picture of an example out of its sheet, at most `side` pixels a side. */
function picture(example, side) {
  const { width, height, across, down, names } = window.browsed.thumbnails;
  const place = example % (across * down);
  const scale = side / Math.max(width, height);
  const part = document.createElement("span");
  part.className = "picture";
  part.style.width = `${width * scale}px`;
  part.style.height = `${height * scale}px`;
  part.style.backgroundImage = `url("${names[Math.floor(example / (across * down))]}")`;
  part.style.backgroundSize = `${width * across * scale}px auto`;
  part.style.backgroundPosition = `${-(place % across) * width * scale}px ${-Math.floor(place / across) * height * scale}px`;
  return part;
}

/** The grid in `box`; `told(example)` says what is drawn: caption, title, mark, and whether it is flagged. */
function thumbnailGrid(box, told, opened) {
  const CELL = { width: 92, height: 106, picture: 68 };
  const SPARE = 2; // rows above and below what is in view
  const canvas = box.querySelector(".canvas");
  let order = [];
  let waiting = false;

  const across = () => Math.max(1, Math.floor(canvas.clientWidth / CELL.width));

  function draw() {
    waiting = false;
    const columns = across();
    const gap = (canvas.clientWidth - columns * CELL.width) / columns;
    canvas.style.height = `${Math.ceil(order.length / columns) * CELL.height}px`;
    const first = Math.max(0, Math.floor(box.scrollTop / CELL.height) - SPARE) * columns;
    const last = Math.min(order.length, (Math.ceil((box.scrollTop + box.clientHeight) / CELL.height) + SPARE) * columns);
    const cells = [];
    for (let place = first; place < last; place++) {
      const cell = drawn(order[place]);
      cell.style.transform = `translate(${(place % columns) * (CELL.width + gap) + gap / 2}px, ${Math.floor(place / columns) * CELL.height}px)`;
      cell.setAttribute("aria-posinset", place + 1);
      cells.push(cell);
    }
    canvas.replaceChildren(...cells);
  }

  function drawn(example) {
    const { caption, title, mark, flagged, selected, current } = told(example);
    const cell = document.createElement("div");
    cell.className = "thumbnail";
    cell.id = `thumbnail-${example}`;
    cell.dataset.example = example;
    cell.setAttribute("role", "option");
    cell.setAttribute("aria-selected", selected);
    cell.setAttribute("aria-setsize", order.length);
    cell.setAttribute("aria-label", title);
    cell.title = title;
    cell.classList.toggle("flagged", flagged);
    cell.classList.toggle("current", current);
    const below = document.createElement("span");
    below.className = "caption";
    below.textContent = mark || caption;
    below.classList.toggle("marked", Boolean(mark));
    cell.append(picture(example, CELL.picture), below);
    return cell;
  }

  function refresh() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  function reveal(place) {
    const top = Math.floor(place / across()) * CELL.height;
    if (top < box.scrollTop) box.scrollTop = top;
    if (top + CELL.height > box.scrollTop + box.clientHeight) box.scrollTop = top + CELL.height - box.clientHeight;
    refresh();
  }

  function show(shown) {
    order = shown;
    box.scrollTop = 0;
    refresh();
  }

  box.addEventListener("scroll", refresh, { passive: true });
  new ResizeObserver(refresh).observe(box);
  box.addEventListener("click", (event) => {
    const cell = event.target.closest(".thumbnail");
    if (cell) opened(Number(cell.dataset.example), event);
  });
  return { show, refresh, reveal, across };
}
