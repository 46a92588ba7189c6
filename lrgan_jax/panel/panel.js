// The region painter and its sliders, for notebooks (anywidget) and for the page of `lrgan explore` alike. Whoever shows it hands over a
// `model` with send(request) and on("msg:custom", listener); studio.py lists the requests and their replies.
import { contentOf, download, holdButton, latest, make, toggles } from "./kit.js";
import { Mask, packed, unpacked } from "./mask.js";
import { painter } from "./painter.js";
import { photographer } from "./photograph.js";

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

async function render({ model, el }) {
  const [ask, close, view] = connect(model);
  const { grid, ...about } = await ask({ kind: "hello" });
  const [rows, columns] = grid;
  const received = ({ mask }) => new Mask(grid, unpacked(mask, rows * columns));
  // What each face has been through: its pictures, the drawing and whether it was answered, and the `regions` found, each with the steps
  // of its sliders; the last of them may still be replaced. Of a photograph also what it is, and whether it is looked at `whole`.
  const fresh = (index) => ({ index, original: null, edited: null, mask: new Mask(grid), name: null, answered: true, busy: false, regions: [],
    photograph: null, whole: false });
  const faces = [];
  let here;
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
  const pictures = (face) => (face.whole ? face.photograph : face);
  const edits = () => here.regions.map(({ found, steps }) => [found, [...steps]]);
  const look = () => {
    const { original, edited } = pictures(here);
    const picture = (held && original) || edited;
    if (picture) image.src = picture;
  };

  const refresh = latest(attempt(async () => {
    const [shown, moves] = [pictures(here), edits()];
    const request = { kind: "render", face: here.index, whole: here.whole };
    const moved = moves.some(([, steps]) => steps.some((step) => step));
    if (moved) shown.original ??= (await ask({ ...request, edits: [] })).image;
    shown.edited = (await ask({ ...request, edits: moves })).image;
    if (!moved) shown.original = shown.edited;
    look();
  }));

  /** One more face to choose from. Each has its own queue of searches, so that none takes another's place. */
  function add() {
    const asked = fresh(faces.length);
    faces.push(asked);
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
    return asked;
  }

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
    which.textContent = here.photograph?.name ?? `Face ${here.index + 1} of ${faces.length}`;
    thumbnails.hidden = !faces.some(({ photograph }) => photograph);
    photographed.hidden = !here.photograph;
    whole.setAttribute("aria-pressed", here.whole);
    thumbnails.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", button.face === here));
    stage.style.setProperty("--shape", here.whole ? here.photograph.shape : columns / rows);
    canvas.hidden = here.whole;
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
      download(name, content);
      say(`${name} saved: lrgan edit ${name} uses it`);
    }) });
    return make("header", {}, make("h3", {}, region.title), save, remove);
  }

  const turn = (by) => go(faces[(here.index + by + faces.length) % faces.length]);

  function go(next) {
    const before = here;
    here = next;
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
    const picture = await contentOf(file.files[0]);
    file.value = "";
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

  const whole = make("button", { textContent: "In the photograph", title: "The whole photograph, or what the model draws of it", onclick: () => {
    here.whole = !here.whole;
    list();
    look();
    refresh();
  } });
  const put = make("button", { textContent: "Save the photograph", title: "A PNG, with every pixel outside of the crop as it was", onclick: attempt(async () => {
    say("Saving…", "busy");
    const { name, content } = await ask({ kind: "put_back", face: here.index, edits: edits() });
    download(name, content);
    say(`${name} saved`);
  }) });
  const photographed = make("div", { className: "bar" }, whole, put);
  const thumbnails = make("div", { className: "bar thumbnails", role: "group", "aria-label": "photographs" });
  /** A photograph joins the faces. */
  function kept({ face, image: src, ...photograph }) {
    while (faces.length <= face) add(); // other pages may have opened some, too
    faces[face].photograph = { ...photograph, original: null, edited: null };
    thumbnails.append(make("button", { title: photograph.name, face: faces[face], onclick: () => go(faces[face]) }, make("img", { src, alt: photograph.name })));
    return faces[face];
  }
  const photo = make("input", { type: "file", accept: "image/*", hidden: true });
  const photographs = photographer(ask, { size: grid, largest: about.largest }, (made) => go(kept(made)), (open) => {
    left.hidden = right.hidden = open;
  });
  const openPhotograph = attempt(async (chosen) => {
    say("Opening the photograph…", "busy");
    await photographs.open(chosen);
    say("");
  });
  photo.addEventListener("change", () => {
    openPhotograph(photo.files[0]);
    photo.value = "";
  });
  el.addEventListener("dragover", (event) => event.preventDefault());
  el.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) openPhotograph(event.dataTransfer.files[0]);
  });

  const left =
    make("div", { className: "left" },
      make("div", { className: "bar", role: "toolbar", "aria-label": "tools" }, ...tools, width,
        make("button", { textContent: "clear", title: "Forget the drawing", onclick: cleared }),
        make("button", { textContent: "open…", title: OPENED, onclick: () => file.click() }), file),
      stage,
      make("div", { className: "bar faces" }, make("button", { textContent: "‹", title: "Previous face", onclick: () => turn(-1) }), which,
        make("button", { textContent: "›", title: "Next face", onclick: () => turn(1) }), status),
      photographed,
      make("div", { className: "bar" },
        make("button", { textContent: "Open a photograph", title: "Or drop one here", onclick: () => photo.click() }), photo, thumbnails),
    );
  const right =
    make("div", { className: "right" },
      make("div", { className: "bar names", role: "toolbar", "aria-label": "regions by name" }, ...names),
      empty, sliders, note, actions, text,
      make("details", {}, make("summary", {}, "Search settings"),
        make("label", {}, "method ", method), explained,
        make("div", { className: "bar keep", role: "group", "aria-label": KEEP, "aria-describedby": still.id },
          make("span", {}, KEEP), ...keep), still,
        about.num_layers > 1 ? make("label", {}, `layers (0 to ${about.num_layers - 1}) `, layers) : null),
    );
  el.classList.add("lrgan-panel");
  el.replaceChildren(left, right, ...photographs.nodes);
  while (faces.length < about.faces) add();
  here = faces[0];
  about.photographs.forEach(kept);
  paint.show(here.mask);
  tellSettings();
  list();
  refresh();
  return close;
}

export default { render };
