// Drawing a mask over the image, by mouse, pen or finger.
import { Mask } from "./mask.js";

const SCREEN = 512; // pixels along the longer side of the drawing over the image, about, whatever the image has

/** Drawing on the canvas, over a grid [height, width]. `finished(mask)` hears of every completed drawing. */
export function painter(canvas, grid, finished) {
  const [rows, columns] = grid;
  const longer = Math.max(rows, columns);
  const scale = Math.max(1, Math.round(SCREEN / longer));
  const context = canvas.getContext("2d");
  canvas.width = columns * scale;
  canvas.height = rows * scale;
  let mask = new Mask(grid); // what the drawing under way is added to
  let kept = mask; // and what stays if nothing comes of it
  let draft = null; // and with it
  let from = null; // where the pointer went down, or was last
  let corners = []; // of the polygon under way
  let dragged = false;
  let hover = null; // where the polygon's next corner would be
  const tool = { name: "box", width: Math.max(2, Math.round(longer / 12)) };

  const position = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * columns, ((event.clientY - top) / height) * rows];
  };
  const near = ([x0, y0], [x1, y1]) => Math.hypot(x1 - x0, y1 - y0) < longer / 24;

  function draw() {
    const shown = draft ?? mask;
    context.clearRect(0, 0, canvas.width, canvas.height);
    const edges = new Path2D();
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) {
        if (!shown.at(x, y)) continue;
        if (draft) {
          context.fillStyle = "rgb(255 140 60 / 35%)";
          context.fillRect(x * scale, y * scale, scale, scale);
        }
        for (const [dx, dy, x0, y0, x1, y1] of [[-1, 0, 0, 0, 0, 1], [1, 0, 1, 0, 1, 1], [0, -1, 0, 0, 1, 0], [0, 1, 0, 1, 1, 1]])
          if (!shown.at(x + dx, y + dy)) {
            edges.moveTo((x + x0) * scale, (y + y0) * scale);
            edges.lineTo((x + x1) * scale, (y + y1) * scale);
          }
      }
    if (corners.length) {
      [...corners, hover ?? corners[0]].forEach(([x, y], i) => edges[i ? "lineTo" : "moveTo"](x * scale, y * scale));
      edges.rect(corners[0][0] * scale - 4, corners[0][1] * scale - 4, 8, 8);
    }
    for (const [width, colour] of [[4, "rgb(0 0 0 / 55%)"], [2, "#ff8c3c"]]) { // seen on light and on dark
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke(edges);
    }
  }
  function end(result) {
    from = draft = hover = null;
    corners = [];
    const something = result && (tool.name === "eraser" || !result.isEmpty());
    kept = mask = something ? result : kept;
    if (something) finished(mask);
    draw();
  }
  const closed = () => end(corners.length > 2 ? mask.copy().polygon(corners) : null);

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    from = position(event);
    dragged = false;
    if (tool.name === "polygon") {
      if (corners.length > 2 && near(corners[0], from)) return closed();
      if (!corners.length && !event.shiftKey) mask = new Mask(grid);
      corners.push(from);
    } else {
      draft = tool.name === "box" && !event.shiftKey ? new Mask(grid) : mask.copy();
      if (tool.name === "box") mask = draft.copy();
      else draft.stroke(from, from, tool.width, tool.name === "brush" ? 1 : 0);
    }
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    const to = position(event);
    if (!from) {
      hover = to;
      return void (corners.length && draw());
    }
    if (tool.name === "polygon") {
      if (near(corners.at(-1), to)) return;
      dragged = true;
      corners.push(to);
    } else if (tool.name === "box") draft = mask.copy().box(from, to);
    else {
      draft.stroke(from, to, tool.width, tool.name === "brush" ? 1 : 0);
      from = to;
    }
    draw();
  });
  canvas.addEventListener("pointerup", () => {
    if (!from) return;
    from = null;
    if (tool.name !== "polygon") end(draft);
    else if (dragged) closed();
  });
  canvas.addEventListener("pointercancel", () => end(null));
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter") closed();
    if (event.key === "Escape") end(null);
  });

  return {
    tool,
    get mask() { return mask; },
    show(next) { kept = mask = next; end(null); },
    choose(name) { tool.name = name; end(null); },
  };
}
