// Drawing a mask over the image, by mouse, pen, finger or keys. A drawing under way is a draft; what it is added to stays until it is finished.
import { drawnByKeys } from "./keys.js";
import { Mask } from "./mask.js";
import { show } from "./outline.js";

const SCREEN = 512; // pixels along the longer side of the drawing over the image, about, whatever the image has
const CORNERS = "Click the corners; click the first one again, or double-click, to close it. Escape gives up.";

/** What a stroke does to what is there: "new", "add" or "subtract". */
const howOf = ({ name, mode }, { shiftKey, altKey }) =>
  name === "eraser" || altKey ? "subtract" : name === "brush" || shiftKey ? "add" : mode;

/** Drawing on the canvas, over a grid [height, width]. `finished(mask)` hears of every completed drawing, `cleared()` of none left,
 * `told(text)` of where the keys are. */
export function painter(canvas, grid, { finished, cleared, told }) {
  const [rows, columns] = grid;
  const longer = Math.max(rows, columns);
  const scale = Math.max(1, Math.round(SCREEN / longer));
  canvas.width = columns * scale;
  canvas.height = rows * scale;
  let kept = new Mask(grid);
  let draft = null;
  let corners = []; // of the polygon under way
  let from = null; // where the pointer went down, or was last
  let dragged = false;
  let hover = null; // where the polygon's next corner would be
  let how = "new"; // of the drawing under way

  const position = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * columns, ((event.clientY - top) / height) * rows];
  };
  const near = ([x0, y0], [x1, y1]) => Math.hypot(x1 - x0, y1 - y0) < longer / 24;

  const forget = () => {
    from = draft = hover = null;
    corners = [];
  };

  const paint = {
    grid, longer,
    tool: { name: "box", mode: "new", width: 1 },
    get draft() { return draft; },
    get corners() { return corners; },
    choose(tool) {
      if (tool.name !== paint.tool.name) paint.giveUp();
      paint.tool = tool;
    },
    /** What is there changes without a stroke. */
    show(mask) {
      if (mask === kept) return;
      kept = mask ?? new Mask(grid);
      paint.drop();
    },
    draw() {
      const open = corners.length ? [...corners, hover ?? corners[0]] : [];
      show(canvas, draft ?? kept, { scale, draft: draft !== null, corners: open, cursor: keys.cursor });
    },
    begin(event) {
      how = howOf(paint.tool, event);
    },
    box(a, b) {
      draft = kept.with(new Mask(grid).box(a, b), how);
    },
    stroke(a, b) {
      draft = (draft ?? kept).with(new Mask(grid).stroke(a, b, paint.tool.width), how);
    },
    corner(at) {
      corners.push(at);
    },
    close() {
      if (corners.length > 2) draft = kept.with(new Mask(grid).polygon(corners), how);
      paint.end();
    },
    end() {
      const result = draft;
      forget();
      paint.draw();
      if (!result || (how !== "subtract" && result.isEmpty())) return;
      kept = result;
      paint.draw();
      kept.isEmpty() ? cleared() : finished(kept);
    },
    giveUp() {
      if (corners.length) told("");
      paint.drop();
    },
    drop() {
      forget();
      keys.forget();
      paint.draw();
    },
    told,
    cleared,
  };
  const keys = drawnByKeys(paint);

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    keys.forget();
    from = position(event);
    dragged = false;
    if (!corners.length) paint.begin(event);
    if (paint.tool.name !== "polygon") {
      draft = null;
      if (paint.tool.name !== "box") paint.stroke(from, from);
    } else if (corners.length > 2 && near(corners[0], from)) return paint.close();
    else {
      if (!corners.length) told(CORNERS);
      paint.corner(from);
    }
    paint.draw();
  });
  canvas.addEventListener("dblclick", () => {
    corners.pop(); // the second click has set the last one again
    if (corners.length > 2) paint.close();
  });
  canvas.addEventListener("pointermove", (event) => {
    const to = position(event);
    if (!from) {
      hover = to;
      return void (corners.length && paint.draw());
    }
    if (paint.tool.name === "polygon") {
      if (near(corners.at(-1), to)) return;
      dragged = true;
      paint.corner(to);
    } else if (paint.tool.name === "box") paint.box(from, to);
    else {
      paint.stroke(from, to);
      from = to;
    }
    paint.draw();
  });
  canvas.addEventListener("pointerup", () => {
    if (!from) return;
    from = null;
    if (paint.tool.name !== "polygon") paint.end();
    else if (dragged) paint.close();
  });
  canvas.addEventListener("pointercancel", () => paint.drop());
  canvas.addEventListener("keydown", keys.press);
  return paint;
}
