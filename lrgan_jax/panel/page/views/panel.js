// All of it, side by side.
import { html, useEffect, useState } from "../vendor/preact.js";
import { Bar } from "./bar.js";
import { Faces } from "./faces.js";
import { Bench } from "./kit.js";
import { Photograph } from "./photograph.js";
import { Regions } from "./regions.js";
import { Feather, Names, Settings } from "./settings.js";
import { Stage, Status, Tools } from "./stage.js";

const typed = "input:not([type=range]), textarea, select"; // has an undo of its own

/** Undo and redo, wherever the focus is. Keys that the panel understands are not also the notebook's. */
const shortcuts = (act) => (event) => {
  event.stopPropagation();
  if (!(event.ctrlKey || event.metaKey) || event.target.closest?.(typed)) return;
  const key = event.key.toLowerCase();
  if (key === "y" || (key === "z" && event.shiftKey)) act.redo();
  else if (key === "z") act.undo();
  else return;
  event.preventDefault();
};

export function Panel({ bench, act, begin }) {
  const [, again] = useState(0);
  useEffect(() => bench.watch(() => again((count) => count + 1)), []);
  const { state, document, face } = bench;
  const drop = (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) act.openPhotograph(event.dataTransfer.files[0]);
  };
  return html`<${Bench.Provider} value=${{ bench, state, document, face, act }}>
    <div className="panes" tabIndex=${-1} onKeyDown=${shortcuts(act)} onDragOver=${(event) => event.preventDefault()} onDrop=${drop}>
      ${state.sitting && html`<${Photograph} key=${state.sitting.photograph} />`}
      <div className="whole" hidden=${Boolean(state.sitting)}><${Bar} model=${begin} /></div>
      <div className="left" hidden=${Boolean(state.sitting)}>
        <${Tools} /><${Stage} /><${Status} /><${Faces} openPhotograph=${act.openPhotograph} />
      </div>
      <div className="right" hidden=${Boolean(state.sitting)}>
        <${Names} /><${Feather} /><${Regions} /><${Code} code=${state.code} /><${Settings} />
      </div>
    </div>
  <//>`;
}

/** Python to be copied by hand, where the browser lets no page do it. */
function Code({ code }) {
  return code && html`<textarea readOnly rows="8" aria-label="Python for this picture" value=${code} ref=${(area) => area?.select()} />`;
}
