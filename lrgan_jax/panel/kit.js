// What the panel is made of: elements, buttons, files, and jobs that wait for one another.

/** Run the job with the newest arguments, one run at a time: what comes in meanwhile replaces what waits. */
export function latest(job) {
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
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Buttons that are on or off, one a name. `changed(chosen)` hears the names of those that are on. */
export function toggles(names, chosen, label, changed) {
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
export function holdButton(changed) {
  const button = make("button", { className: "original", textContent: "Hold for original", title: "Before and after: hold the mouse or the space bar" });
  button.addEventListener("pointerdown", () => changed(true));
  button.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && changed(true));
  for (const kind of ["pointerup", "pointerleave", "pointercancel", "keyup", "blur"]) button.addEventListener(kind, () => changed(false));
  return button;
}

/** What a file holds, as base64. */
export const contentOf = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });

/** Give a file, whose content is base64, to whoever looks at the page. */
export function download(name, content) {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const href = URL.createObjectURL(new Blob([bytes]));
  make("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000); // when it has long begun
}
