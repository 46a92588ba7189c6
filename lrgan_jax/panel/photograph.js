// Opening a photograph: where its face lies, how its latent is found round by round, and then it is one of the faces.
import { contentOf, latest, make } from "./kit.js";

const POINTS = ["the eye on the left of the picture", "the eye on the right", "the corner of the mouth on the left", "the corner of the mouth on the right"];
const USUAL = [[0.45, 0.4], [0.45, 0.6], [0.65, 0.42], [0.65, 0.58]]; // rows and columns, to begin with where nobody can click
const WORDS = { invert: "Inverting", tune: "Tuning" };
const FIRST = "the first round takes longer";

/** The pane in which that happens, for a model of images of that size, [height, width], or of that shape. `kept(portrait)` hears of what became
 * a face, `shown(open)` of the pane's coming and going. */
export function photographer(ask, { size, largest }, kept, shown) {
  let sitting = null; // the photograph that is open, as Python told of it
  let points = []; // [row, column] each, in pixels of the photograph
  let way = null; // what clicks on it mean: "points", "box", or nothing
  let running = false;

  const picture = make("img", { alt: "the photograph", draggable: false });
  const shade = make("div", { className: "shade" });
  const marks = make("div");
  const frame = make("div", { className: "frame" }, picture, shade, marks);
  const title = make("h2");
  const told = make("p", { role: "status" });
  const [crop, made] = ["of the photograph", "as the model draws it"].map((alt) => make("img", { alt }));
  const figures = [crop, made].map((image) => make("figure", {}, image, make("figcaption", {}, image.alt)));
  const bar = make("progress", { max: 1, "aria-label": "how far it is" });

  const say = (text, kind = "") => {
    told.textContent = text;
    told.className = kind;
  };
  /** Do something with the photograph that is open; an answer that comes when it is no longer, is nobody's. */
  const attempt = (job) => async (...args) => {
    const mine = sitting;
    const ours = () => mine && mine === sitting;
    try {
      await job(ours, ...args);
    } catch (error) {
      if (ours()) say(error.message, "error");
    }
  };

  const button = (text, tip, onclick) => make("button", { textContent: text, title: tip, onclick });
  const byPoints = button("Place points", "Four clicks: the eyes, and the corners of the mouth", ({ detail }) => {
    const [height, width] = sitting.size;
    take("points", detail ? [] : USUAL.map(([row, column]) => [row * height, column * width])); // by key: to be moved by keys
    if (points.length) align({ points });
  });
  const byBox = button("Drag a box", "What part of the photograph is meant", () => take("box"));
  const middle = button("Take the middle", "As large as it can be", () => {
    take(null);
    align({ box: "middle" });
  });
  const invert = button("Invert", "Find a latent of which the model draws this", () => run("invert"));
  const stop = button("Stop here", "Keep what is there", () => {
    running = false;
    say("Stopping after this round…", "busy");
  });
  const keep = button("Edit it", "It becomes one of the faces", () => become());
  const tune = button("Tune", "Move the model's weights a little, for this photograph alone, until it draws it", () => run("tune"));
  const cancel = button("Cancel", "Forget this photograph", () => close());
  const ways = make("div", { className: "bar", role: "group", "aria-label": "what part is meant" }, byPoints, byBox, middle);
  const nodes = [make("div", { className: "left", hidden: true }, frame),
    make("div", { className: "right sitting", tabIndex: -1, hidden: true }, title, told, ways, make("div", { className: "figures" }, ...figures), bar,
      make("div", { className: "bar" }, invert, stop, keep, tune, cancel))];

  /** Show what can be done at this stage: "where", "crop", "running" or "made". */
  function stage(name) {
    running = name === "running";
    figures[0].hidden = name === "where";
    figures[1].hidden = !sitting.found;
    invert.hidden = running || name === "where" || sitting.found?.done >= sitting.found?.rounds;
    invert.textContent = sitting.found ? "Go on" : "Invert";
    stop.hidden = bar.hidden = !running;
    keep.hidden = tune.hidden = name !== "made";
    ways.hidden = running;
    marks.inert = running;
  }

  /** Another way to say what is meant, from the start. */
  function take(next, places = []) {
    [way, points, sitting.found] = [next, places, null];
    byPoints.setAttribute("aria-pressed", way === "points");
    byBox.setAttribute("aria-pressed", way === "box");
    stage("where");
    outline(null);
    mark();
    say(way === "box" ? "Drag a box over what is meant." : way === "points" ? wanted() : "");
  }
  const wanted = () => `Click ${POINTS[points.length]}.`;

  const share = (row, column) => [`${(100 * column) / sitting.size[1]}%`, `${(100 * row) / sitting.size[0]}%`];
  /** Darken what lies outside of the corners. */
  function outline(quad) {
    const corners = quad?.map((place) => share(...place).join(" "));
    shade.hidden = !quad;
    shade.style.clipPath = quad ? `polygon(evenodd, 0 0, 100% 0, 100% 100%, 0 100%, 0 0, ${[...corners, corners[0]].join(", ")})` : "";
  }
  const placed = (node, row, column) => {
    [node.style.left, node.style.top] = share(row, column);
    return node;
  };
  /** Boxes around the faces, where one is to be chosen, and points. */
  function mark() {
    const faces = way === null && sitting.faces.length > 1 ? sitting.faces : [];
    marks.replaceChildren(...faces.map(box), ...points.map(dot));
  }
  function box([top, left, height, width], face) {
    const node = make("button", { className: "box", title: "This face", "aria-label": `face ${face + 1} of ${sitting.faces.length}`, onclick: () => align({ face }) });
    [node.style.width, node.style.height] = share(height, width);
    return placed(node, top, left);
  }
  function dot(place, i) {
    const node = placed(make("button", { className: "dot", title: POINTS[i], "aria-label": `${POINTS[i]}, moved by the arrow keys` }), ...place);
    const move = (to) => placed(node, ...(points[i] = inside(to)));
    node.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      node.setPointerCapture(event.pointerId);
    });
    node.addEventListener("pointermove", (event) => node.hasPointerCapture(event.pointerId) && move(position(event)));
    node.addEventListener("pointerup", () => points.length === 4 && align({ points }));
    node.addEventListener("keydown", (event) => {
      const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!by) return;
      event.preventDefault();
      const step = Math.max(...sitting.size) / (event.shiftKey ? 50 : 400);
      move(points[i].map((at, axis) => at + step * by[axis]));
      if (points.length === 4) align({ points });
    });
    return node;
  }
  const inside = (place) => place.map((at, axis) => Math.min(Math.max(at, 0), sitting.size[axis]));
  const position = ({ clientX, clientY }) => {
    const { left, top, width, height } = frame.getBoundingClientRect();
    return inside([((clientY - top) / height) * sitting.size[0], ((clientX - left) / width) * sitting.size[1]]);
  };

  let from = null; // where a box begins
  let dragged = null; // top, left, height and width so far
  frame.addEventListener("pointerdown", (event) => {
    if (event.button || running || !sitting) return;
    if (way === "points" && points.length < 4) {
      points.push(position(event));
      mark();
      points.length < 4 ? say(wanted()) : align({ points });
    } else if (way === "box") {
      frame.setPointerCapture(event.pointerId);
      [from, dragged] = [position(event), null];
    }
  });
  frame.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = position(event);
    const room = from.map((at, axis) => (to[axis] < at ? at : sitting.size[axis] - at));
    const times = Math.min(Math.max(...to.map((at, axis) => Math.abs(at - from[axis]) / size[axis])), ...room.map((most, axis) => most / size[axis]));
    const [height, width] = size.map((side) => side * times);
    const [top, left] = from.map((at, axis) => (to[axis] < at ? at - [height, width][axis] : at));
    dragged = [top, left, height, width];
    outline([[top, left], [top, left + width], [top + height, left + width], [top + height, left]]);
  });
  const ended = () => {
    if (from && dragged) align({ box: dragged });
    from = null;
  };
  frame.addEventListener("pointerup", ended);
  frame.addEventListener("pointercancel", () => (from = null));

  const align = latest(attempt(async (ours, where) => {
    sitting.found = null;
    stage("where");
    const { image, quad, points: by } = await ask({ kind: "align", photograph: sitting.photograph, ...where });
    if (!ours()) return;
    crop.src = image;
    outline(quad);
    if (where.face !== undefined) {
      points = by; // where they were found, to be moved
      mark();
    }
    say(by ? "Is this the face? Points can be dragged." : sitting.note);
    stage("crop");
  }));

  const run = attempt(async (ours, kind) => {
    stage("running");
    bar.removeAttribute("value");
    say(`${WORDS[kind]}: ${FIRST}`, "busy");
    try {
      while (running) {
        const { done, rounds, image, psnr, note } = await ask({ kind, photograph: sitting.photograph });
        if (!ours()) return;
        made.src = image;
        bar.value = done / rounds;
        if (kind === "invert") sitting.found = { done, rounds };
        figures[1].hidden = false;
        say(`${WORDS[kind]}: ${done} of ${rounds}, ${psnr.toFixed(1)} dB. ${note}`);
        running &&= done < rounds;
      }
    } finally {
      if (ours()) stage(sitting.found ? "made" : "crop");
    }
  });

  const become = attempt(async (ours) => {
    const portrait = await ask({ kind: "keep", photograph: sitting.photograph });
    sitting = null;
    appear();
    kept(portrait);
  });

  function appear() {
    nodes.forEach((node) => (node.hidden = !sitting));
    shown(!!sitting);
  }
  function close() {
    if (!sitting) return;
    ask({ kind: "cancel", photograph: sitting.photograph }).catch(() => {}); // it may be forgotten already
    sitting = null;
    running = false;
    appear();
  }

  /** Show a file's photograph; what goes wrong before it is seen is the caller's. */
  async function open(file) {
    close();
    if (file.size > largest) throw new Error(`${file.name} is too large: at most ${largest >> 20} MB`);
    sitting = await ask({ kind: "photograph", name: file.name, content: await contentOf(file) });
    [points, from] = [[], null];
    title.textContent = file.name;
    picture.src = sitting.image;
    byPoints.hidden = !sitting.points;
    appear();
    take(null);
    nodes[1].focus();
    const { faces, note } = sitting;
    say(faces.length > 1 ? "Whose face? Click one." : note);
    if (faces.length === 1) return align({ face: 0 });
    if (!faces.length && sitting.points) {
      take("points");
      say(`${note}. ${wanted()}`);
    }
    if (!sitting.points) align({ box: "middle" });
  }

  return { nodes, open };
}
