// Drawing by keys: a box that arrows move and size, or a cursor that they move and that sets corners or paints.

const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
export const HELP = {
  box: "Arrows move the box, Shift with arrows sizes it, Enter searches, Escape clears.",
  polygon: "Arrows move the cursor, with Shift faster, Space sets a corner, Enter closes and searches, Escape clears.",
  brush: "Arrows move the cursor, with Shift they paint, Space paints a spot, Enter searches, Escape clears.",
  eraser: "Arrows move the cursor, with Shift they erase, Space erases a spot, Enter searches, Escape clears.",
};

const within = (at, least, most) => Math.min(Math.max(at, least), most);

/** For a painter: `press(event)`, the `cursor` where there is one, and `forget()` of both. */
export function drawnByKeys(paint) {
  const sizes = [paint.grid[1], paint.grid[0]];
  const pace = Math.max(1, Math.round(paint.longer / 64));
  let box = null; // corner and size, [left, top], [width, height]
  let cursor = null;

  function moveBox(by, sizing) {
    if (!box) {
      paint.begin({});
      box = { corner: sizes.map((size) => Math.round(size * 0.375)), size: sizes.map((size) => Math.round(size * 0.25)) };
    } else if (sizing) box.size = box.size.map((size, axis) => within(size + by[axis] * pace, 1, sizes[axis] - box.corner[axis]));
    else box.corner = box.corner.map((at, axis) => within(at + by[axis] * pace, 0, sizes[axis] - box.size[axis]));
    const [[left, top], [width, height]] = [box.corner, box.size];
    paint.box([left, top], [left + width, top + height]);
    paint.told(`Box ${width} wide, ${height} high, ${left} from the left, ${top} from the top`);
  }
  function moveCursor(by, shifted) {
    const before = cursor ?? sizes.map((size) => size / 2);
    const paints = shifted && paint.tool.name !== "polygon";
    const far = pace * (shifted && !paints ? 8 : 1);
    cursor = cursor ? before.map((at, axis) => within(at + by[axis] * far, 0, sizes[axis])) : before;
    if (paints) {
      paint.begin({});
      paint.stroke(before, cursor);
    }
    paint.told(`Cursor ${cursor[0]} from the left, ${cursor[1]} from the top`);
  }
  function set() {
    if (!cursor) return moveCursor([0, 0]);
    paint.begin({});
    if (paint.tool.name === "polygon") paint.corner(cursor);
    else paint.stroke(cursor, cursor);
  }
  function escape() {
    if (paint.draft || paint.corners.length) return paint.giveUp();
    paint.drop();
    paint.cleared();
  }
  function press(event) {
    const { name } = paint.tool;
    const { key, shiftKey } = event;
    if (ARROWS[key]) (name === "box" ? moveBox : moveCursor)(ARROWS[key], shiftKey);
    else if (key === " " && name !== "box") set();
    else if (key === "Enter") paint.corners.length ? paint.close() : paint.end();
    else if (key === "Escape") escape();
    else return;
    event.preventDefault();
    if (key !== "Enter" && key !== "Escape") paint.draw();
  }

  return {
    press,
    get cursor() { return cursor; },
    forget() { box = cursor = null; },
  };
}
