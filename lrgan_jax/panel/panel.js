// The region painter and its sliders, for notebooks (anywidget) and for the page of `lrgan explore` alike. Whoever shows it hands over a
// `model` with send(request) and on("msg:custom", listener); studio.py lists the requests and their replies.
import { Mask, packed, unpacked } from "./mask.js";
import { painter } from "./painter.js";

const TOOLS = {
  box: "Drag a box; with Shift it is added to what is there",
  brush: "Paint over the region",
  eraser: "Take away from the region",
  polygon: "Click the corners, or drag a line around the region; a click on the first corner, or Enter, closes it",
};
const BUSY = "Looking for directions…";
const OPENED = "A black and white PNG of the image's shape; white is the region";
const KEEP = "keep only these still";
const NOTCHES = 100; // of a slider, from the middle to either end

/** Questions to Python: ask({kind, ...}) resolves to the reply, or rejects with its one line. */
function connect(model) {
  const view = Math.random().toString(36).slice(2); // several views of one widget hear each other's replies
  const waiting = new Map();
  let count = 0;
  const listen = (reply) => {
    const { resolve, reject } = waiting.get(reply.id) ?? {};
    if (!resolve) return;
    waiting.delete(reply.id);
    reply.error === undefined ? resolve(reply) : reject(new Error(reply.error));
  };
  model.on("msg:custom", listen);
  const ask = (request) =>
    new Promise((resolve, reject) => {
      const id = `${view}-${count++}`;
      waiting.set(id, { resolve, reject });
      model.send({ id, ...request });
    });
  return [ask, () => model.off("msg:custom", listen), view];
}

/** Run the job with the newest arguments, one run at a time: what comes in meanwhile replaces what waits. */
function latest(job) {
  let running = false;
  let next = null;
  return async (...args) => {
    next = args;
    if (running) return;
    running = true;
    while (next) {
      const now = next;
      next = null;
      await job(...now);
    }
    running = false;
  };
}

/** An element with properties and children; data- and aria- names become attributes. */
function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** One slider of a region, and the two pictures at its ends. */
function sliderRow(region, index, changed) {
  const reach = region.reaches[index];
  const name = `${region.title}, direction ${index + 1}`;
  const value = make("output");
  const slider = make("input", { type: "range", min: -NOTCHES, max: NOTCHES, "aria-label": name });
  const tell = () => {
    value.textContent = (region.steps[index] > 0 ? "+" : "") + region.steps[index].toFixed(1);
    slider.style.setProperty("--at", `${50 + (50 * slider.value) / NOTCHES}%`);
  };
  const moved = () => {
    region.steps[index] = (reach * slider.value) / NOTCHES;
    tell();
    changed();
  };
  const go = (to) => () => {
    slider.value = to;
    moved();
  };
  slider.value = Math.round((region.steps[index] / reach) * NOTCHES);
  slider.oninput = moved;
  slider.ondblclick = go(0);
  tell();
  const percent = 100 * region.leaks[index];
  const meaning = "What changes where it should keep still for what changes in the region, by the linear estimate";
  const leak = make("span", { title: meaning }, `leak ${percent.toFixed(percent < 10 ? 1 : 0)} %`);
  const images = ["left", "right"].map((side) => make("img", { alt: `${name}, far ${side}`, hidden: true }));
  const ends = images.map((end, i) => make("button", { className: "end", title: "Go to this end", onclick: go(i ? NOTCHES : -NOTCHES) }, end));
  const middle = make("div", {}, slider, make("div", { className: "words" }, leak, value));
  return { node: make("div", { className: "row" }, ends[0], middle, ends[1]), region, index, images };
}

/** Buttons that are on or off, one a name. `changed(chosen)` hears the names of those that are on. */
function toggles(names, chosen, label, changed) {
  const on = new Set(chosen);
  return names.map((name) =>
    make("button", {
      textContent: name,
      "aria-label": label(name),
      "aria-pressed": on.has(name),
      onclick: ({ target }) => {
        on.delete(name) || on.add(name);
        target.setAttribute("aria-pressed", on.has(name));
        changed(names.filter((other) => on.has(other)));
      },
    }),
  );
}

/** A button that is held, by mouse or by key: before and after. `changed(held)` hears of both. */
function holdButton(changed) {
  const button = make("button", { className: "original", textContent: "Hold for original", title: "Before and after: hold the mouse or the space bar" });
  button.addEventListener("pointerdown", () => changed(true));
  button.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && changed(true));
  for (const kind of ["pointerup", "pointerleave", "pointercancel", "keyup", "blur"]) button.addEventListener(kind, () => changed(false));
  return button;
}

async function render({ model, el }) {
  const [ask, close, view] = connect(model);
  const { grid, ...about } = await ask({ kind: "hello" });
  const [rows, columns] = grid;
  const received = ({ mask }) => new Mask(grid, unpacked(mask, rows * columns));
  // What each face has been through: its pictures, the drawing and whether it was answered, and the `regions` found, each with the steps
  // of its sliders; the last of them may still be replaced.
  const fresh = (_, index) => ({ index, original: null, edited: null, mask: new Mask(grid), name: null, answered: true, busy: false, regions: [] });
  const faces = Array.from({ length: about.faces }, fresh);
  let here = faces[0];
  let held = false; // whether the original is looked at
  let protect = about.protect; // names of what alone keeps still; none: everything else; null: what the search came with

  const image = make("img", { className: "image", alt: "the generated image", draggable: false });
  const canvas = make("canvas", { tabIndex: 0, "aria-label": "drawing over the image" });
  const hint = make("p", { className: "hint" }, "Drag a box around what you want to change");
  const stage = make("div", { className: "stage" }, image, canvas, hint);
  stage.style.setProperty("--shape", columns / rows);
  const status = make("p", { className: "status", role: "status" });
  const sliders = make("div", { className: "sliders" });
  const which = make("span", { className: "which" });
  const file = make("input", { type: "file", accept: "image/png", hidden: true });
  const paint = painter(canvas, grid, (mask) => drawn(mask, null));
  canvas.addEventListener("pointerdown", () => (hint.hidden = true));

  const say = (text, kind = "") => {
    status.textContent = text;
    status.className = `status ${kind}`;
  };
  /** Run what a person asked for; what goes wrong becomes a line under the image. */
  const attempt = (job) => async (...args) => {
    try {
      await job(...args);
    } catch (error) {
      say(error.message, "error");
    }
  };
  const edits = () => here.regions.map(({ found, steps }) => [found, [...steps]]);
  const look = () => {
    const picture = (held && here.original) || here.edited;
    if (picture) image.src = picture;
  };

  const refresh = latest(attempt(async () => {
    const [asked, moves] = [here, edits()];
    asked.edited = (await ask({ kind: "render", face: asked.index, edits: moves })).image;
    if (!moves.some(([, steps]) => steps.some((step) => step))) asked.original = asked.edited;
    look();
  }));

  /** Search at a face; each has its own queue, so that none takes another's place. */
  faces.forEach((asked) => {
    const tell = (text, kind) => asked === here && say(text, kind);
    asked.search = latest(async (mask, name) => {
      asked.busy = true;
      tell(BUSY, "busy");
      const settings = { layers: layers.value, method: method.value, protect };
      const request = { kind: "find", face: asked.index, mask: packed(mask.pixels), name, ...settings };
      const reply = await ask(request).catch((error) => ({ error }));
      asked.busy = false;
      if (asked.mask !== mask) return; // drawn anew or cleared meanwhile
      if (reply.error) return tell(reply.error.message, "error");
      const { found, name: title, reaches, leaks, caveat } = reply;
      // What nobody has moved yet makes room for the new drawing; a region whose sliders were used stays, and both act together.
      if (asked.regions.at(-1)?.steps.every((step) => !step)) asked.regions.pop();
      asked.regions.push({ found, title, reaches, leaks, steps: leaks.map(() => 0), ends: leaks.map(() => null) });
      asked.answered = true;
      tell(`${leaks.length} ${leaks.length > 1 ? "directions" : "direction"} found: move a slider${caveat && ` (${caveat})`}`);
      if (asked !== here) return;
      list();
      refresh();
    });
  });

  function drawn(mask, name) {
    if (mask.isEmpty()) return cleared();
    Object.assign(here, { mask, name, answered: false });
    hint.hidden = true;
    here.search(mask, name);
  }

  function cleared() {
    Object.assign(here, { mask: new Mask(grid), name: null, answered: true });
    paint.show(here.mask);
    say("");
  }

  /** Pictures at the ends of the sliders, one after another, so that a slider that is moved meanwhile need not wait long. */
  const showEnds = latest(attempt(async (shown) => {
    for (const { region, index, images } of shown) {
      if (!images[0].isConnected) return; // another drawing has taken its place
      region.ends[index] ??= (await ask({ kind: "ends", found: region.found, index })).ends;
      images.forEach((end, i) => Object.assign(end, { src: region.ends[index][i], hidden: false }));
    }
  }));

  /** The sliders of this face's regions. */
  function list() {
    const { regions } = here;
    const all = [];
    sliders.replaceChildren(...regions.map((region) => {
      const own = region.leaks.map((_, index) => sliderRow(region, index, refresh));
      all.push(...own);
      return make("section", {}, heading(region), ...own.map(({ node }) => node));
    }));
    which.textContent = `Face ${here.index + 1} of ${faces.length}`;
    empty.hidden = regions.length > 0;
    note.hidden = actions.hidden = regions.length === 0;
    showEnds(all);
  }

  function heading(region) {
    const remove = make("button", { title: "Remove this region's sliders", textContent: "×", onclick: () => {
      here.regions = here.regions.filter((other) => other !== region);
      list();
      refresh();
    } });
    const save = make("button", { title: "Save these directions as a file", textContent: "Save", onclick: attempt(async () => {
      const { name, content } = await ask({ kind: "save", found: region.found });
      make("a", { href: `data:application/octet-stream;base64,${content}`, download: name }).click();
      say(`${name} saved: lrgan edit ${name} uses it`);
    }) });
    return make("header", {}, make("h3", {}, region.title), save, remove);
  }

  function turn(by) {
    const before = here;
    here = faces[(here.index + by + faces.length) % faces.length];
    say(here.busy ? BUSY : "", here.busy ? "busy" : "");
    list();
    look();
    refresh();
    if (here.mask.isEmpty() && !before.mask.isEmpty()) {
      paint.show(before.mask); // faces are alike enough for the same region to be meant
      return drawn(before.mask, before.name);
    }
    paint.show(here.mask);
    if (!here.answered && !here.busy) here.search(here.mask, here.name); // it failed the last time
  }

  const tools = Object.entries(TOOLS).map(([name, title]) =>
    make("button", { title, textContent: name, "aria-pressed": name === "box", onclick: (event) => {
      paint.choose(name);
      tools.forEach((button) => button.setAttribute("aria-pressed", button === event.target));
      width.hidden = !["brush", "eraser"].includes(name);
    } }));
  const widest = Math.round(Math.max(...grid) / 4);
  const width = make("input", { type: "range", className: "width", min: 1, max: widest, value: paint.tool.width, hidden: true,
    title: "Width of the brush", "aria-label": "width of the brush", oninput: () => { paint.tool.width = Number(width.value); } });
  const names = about.regions.map((name) => make("button", { textContent: name, onclick: attempt(async () => {
    const mask = received(await ask({ kind: "region", name }));
    paint.show(mask);
    drawn(mask, name);
  }) }));
  file.addEventListener("change", attempt(async () => {
    const bytes = new Uint8Array(await file.files[0].arrayBuffer());
    file.value = "";
    const picture = btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
    const mask = received(await ask({ kind: "open", picture }));
    paint.show(mask);
    drawn(mask, null);
  }));
  const explained = make("p", { id: `${view}-method` });
  const options = about.methods.map(({ name, title, about: tip }) =>
    make("option", { value: name, textContent: title, title: tip, selected: name === about.method }));
  const method = make("select", { "aria-describedby": explained.id }, ...options);
  const layers = make("input", { type: "text", value: about.layers, placeholder: "all", size: 8 });
  const still = make("p", { id: `${view}-still` });
  const keep = toggles(about.regions, protect ?? [], (name) => `keep ${name} still`, (chosen) => {
    protect = chosen;
    tellSettings();
    again();
  });
  /** What is chosen, in words. */
  function tellSettings() {
    explained.textContent = about.methods.find(({ name }) => name === method.value).about;
    still.textContent = !protect ? "What the panel was opened with keeps still; all else may follow."
      : protect.length ? "All else may follow." : "None chosen: everything outside the region keeps still.";
  }
  const again = () => here.mask.isEmpty() || here.search(here.mask, here.name);
  method.addEventListener("change", () => (tellSettings(), again()));
  layers.addEventListener("change", again);

  const original = holdButton((now) => {
    held = now;
    look();
  });
  const reset = make("button", { textContent: "Reset", title: "All sliders to the middle", onclick: () => {
    here.regions.forEach((region) => region.steps.fill(0));
    list();
    refresh();
  } });
  const copy = make("button", { textContent: "Copy as code", title: "Python that makes this picture", onclick: attempt(async () => {
    const { code } = await ask({ kind: "code", face: here.index, edits: edits() });
    try {
      await navigator.clipboard.writeText(code);
      say("Python for this picture is on the clipboard");
    } catch { // a page without leave to use it
      text.value = code;
      text.hidden = false;
      text.select();
      say("Copy the Python from the box below the sliders");
    }
  }) });
  const text = make("textarea", { readOnly: true, hidden: true, rows: 8, "aria-label": "Python for this picture" });
  const actions = make("div", { className: "actions" }, original, reset, copy);
  const empty = make("p", { className: "empty" }, "Sliders appear here: draw a region on the image, or choose one by name.");
  const note = make("p", { className: "note" },
    "Leak: what changes where it should keep still, for what changes in the region. Double-click a slider to put it back.");

  el.classList.add("lrgan-panel");
  el.replaceChildren(
    make("div", { className: "left" },
      make("div", { className: "bar", role: "toolbar", "aria-label": "tools" }, ...tools, width,
        make("button", { textContent: "clear", title: "Forget the drawing", onclick: cleared }),
        make("button", { textContent: "open…", title: OPENED, onclick: () => file.click() }), file),
      stage,
      make("div", { className: "bar faces" }, make("button", { textContent: "‹", title: "Previous face", onclick: () => turn(-1) }), which,
        make("button", { textContent: "›", title: "Next face", onclick: () => turn(1) }), status),
    ),
    make("div", { className: "right" },
      make("div", { className: "bar names", role: "toolbar", "aria-label": "regions by name" }, ...names),
      empty, sliders, note, actions, text,
      make("details", {}, make("summary", {}, "Search settings"),
        make("label", {}, "method ", method), explained,
        make("div", { className: "bar keep", role: "group", "aria-label": KEEP, "aria-describedby": still.id },
          make("span", {}, KEEP), ...keep), still,
        about.num_layers > 1 ? make("label", {}, `layers (0 to ${about.num_layers - 1}) `, layers) : null),
    ),
  );
  paint.show(here.mask);
  tellSettings();
  list();
  refresh();
  return close;
}

export default { render };
