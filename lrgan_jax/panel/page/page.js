// The panel outside a notebook: its questions go over HTTP to the server that sent this page.
import panel from "./panel.js";

const token = new URLSearchParams(location.search).get("token") ?? "";
const listeners = new Set();
const model = {
  on: (_, listener) => listeners.add(listener),
  off: (_, listener) => listeners.delete(listener),
  async send({ id, ...request }) {
    const headers = { "Content-Type": "application/json", "X-Token": token };
    const reply = await fetch("ask", { method: "POST", headers, body: JSON.stringify(request) })
      .then((response) => response.json())
      .catch(() => ({ error: "lrgan explore does not answer: start it again and open the address it prints" }));
    listeners.forEach((listener) => listener({ id, ...reply }));
  },
};
for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault()); // beside the panel: stay here
const main = document.querySelector("main");
panel.render({ model, el: main }).catch((error) => main.replaceChildren(error.message));
document.addEventListener("keydown", (event) => { // undo works where nothing has the focus, too
  if (event.target === document.body) main.firstElementChild?.dispatchEvent(new KeyboardEvent("keydown", event)) || event.preventDefault();
});
