// How a drawing looks: the edge of a mask, a polygon under way, a cursor for keys.

const SIDES = [[-1, 0, 0, 0, 0, 1], [1, 0, 1, 0, 1, 1], [0, -1, 0, 0, 1, 0], [0, 1, 0, 1, 1, 1]]; // of a pixel: which neighbour, from where to where
const LINES = [[4, "rgb(0 0 0 / 55%)"], [2, "#ff8c3c"]]; // seen on light and on dark

/** The mask's edge on a canvas of `scale` times its size; filled while it is a `draft`. `corners` are of a polygon under way. */
export function show(canvas, mask, { scale, draft, corners, cursor }) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "rgb(255 140 60 / 35%)";
  const edges = new Path2D();
  for (let y = 0; y < mask.height; y++)
    for (let x = 0; x < mask.width; x++) {
      if (!mask.at(x, y)) continue;
      if (draft) context.fillRect(x * scale, y * scale, scale, scale);
      for (const [dx, dy, x0, y0, x1, y1] of SIDES)
        if (!mask.at(x + dx, y + dy)) {
          edges.moveTo((x + x0) * scale, (y + y0) * scale);
          edges.lineTo((x + x1) * scale, (y + y1) * scale);
        }
    }
  corners.forEach(([x, y], i) => edges[i ? "lineTo" : "moveTo"](x * scale, y * scale));
  if (corners.length) edges.rect(corners[0][0] * scale - 4, corners[0][1] * scale - 4, 8, 8);
  if (cursor) cross(edges, ...cursor.map((at) => at * scale));
  for (const [width, colour] of LINES) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke(edges);
  }
}

function cross(edges, x, y, arm = 12) {
  edges.moveTo(x - arm, y);
  edges.lineTo(x + arm, y);
  edges.moveTo(x, y - arm);
  edges.lineTo(x, y + arm);
}
