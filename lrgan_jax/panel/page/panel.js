// The panel, for notebooks (anywidget) and for the page of `lrgan explore` alike. Whoever shows it hands over a `model` with send(request) and
// on("msg:custom", listener). What a person makes is the document (state.js) on the bench (bench.js); doing/ changes it, asking/ watches it and
// asks Python for what is missing, views/ shows it.
import { connect } from "./ask.js";
import { keepEnds, keepPicture, keepThumbs } from "./asking/pictures.js";
import { keepRemembering, keepTitles } from "./asking/remember.js";
import { keepSearching } from "./asking/search.js";
import { keepSoft } from "./asking/soft.js";
import { makeBench } from "./bench.js";
import { edits } from "./doing/edits.js";
import { faces } from "./doing/faces.js";
import { keeping } from "./doing/keeping.js";
import { photographs } from "./doing/photograph.js";
import { hideStill } from "./still.js";
import { html, render as mount } from "./vendor/preact.js";
import { Panel } from "./views/panel.js";

/** A bench with everyone who works on it. `begin(model)` begins anew, with another model or with a session that was opened. */
function staffed(ask, about, begin) {
  const bench = makeBench(ask, about);
  const remembering = keepRemembering(bench);
  const act = {};
  const session = { flush: remembering.flush, anew: () => begin(about.model) };
  Object.assign(act, edits(bench), faces(bench), keeping(bench, session), photographs(bench, act));
  for (const keep of [keepSearching, keepPicture, keepEnds, keepThumbs, keepSoft, keepTitles]) bench.watch(keep(bench));
  bench.watch(remembering);
  return { bench, act, flush: remembering.flush };
}

async function render({ model, el }) {
  const { ask, close } = connect(model);
  let flush = () => {};
  async function begin(name) {
    await flush();
    const about = await ask({ kind: "hello", ...(name && { model: name }) });
    const panel = staffed(ask, about, begin);
    flush = panel.flush;
    const focused = el.contains(el.ownerDocument.activeElement);
    mount(null, el);
    mount(html`<${Panel} ...${panel} begin=${begin} />`, el);
    if (focused) el.firstElementChild.focus();
  }
  el.classList.add("lrgan-panel");
  await begin();
  const showStill = hideStill(model);
  return () => {
    showStill();
    flush();
    mount(null, el);
    close();
  };
}

export default { render };
