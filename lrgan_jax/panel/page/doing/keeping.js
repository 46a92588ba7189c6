// What leaves the page: pictures, masks, directions, the session, code.
import { maskOf } from "../asking/search.js";
import { bytesOf, contentOf, download } from "../files.js";
import { editsOf } from "../state.js";

export function keeping(bench, { flush, anew }) {
  const { ask, attempt } = bench;
  const here = () => {
    const { here: face, truncation } = bench.document;
    return { face, truncation, edits: editsOf(bench.face) };
  };
  /** Ask for a file, and hand it over. */
  const save = (request, told = "") => attempt(async (...args) => {
    bench.say("Saving…", "busy");
    const { name, content } = await ask(request(...args));
    download(name, content);
    bench.say(`${name} saved${told && `: ${told(name)}`}`);
  });
  const picture = (what) => ({ kind: "picture", what, ...here(), ...(what === "image" || what === "before_after" ? {} : bench.state.lastSlider) });

  return {
    savePicture: save(picture),
    savePhotograph: save(() => ({ kind: "put_back", ...here() })),
    saveDirections: save((found) => ({ kind: "save", found }), (name) => `lrgan edit ${name} uses it`),
    saveMask: save(() => ({ kind: "mask_file", ...maskOf(bench.face.drawing) })),
    saveSession: attempt(async () => {
      await flush();
      await save(() => ({ kind: "session" }), () => "it opens again here and in a notebook")();
    }),
    openSession: attempt(async (file) => {
      bench.say("Opening the session…", "busy");
      await ask({ kind: "open_session", name: file.name, content: await contentOf(file) });
      await anew();
    }),
    copyPicture: attempt(async () => {
      const blob = ask(picture("image")).then(({ content, type }) => new Blob([bytesOf(content)], { type }));
      try {
        await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        bench.say("The picture is on the clipboard");
      } catch {
        await blob; // what went wrong with it says more
        bench.say("This browser lets no page copy pictures: save it instead", "error");
      }
    }),
    copyCode: attempt(async () => {
      const { code } = await ask({ kind: "code", ...here() });
      try {
        await navigator.clipboard.writeText(code);
        bench.say("Python for this picture is on the clipboard");
      } catch { // a page without leave to use it
        bench.set({ code });
        bench.say("Copy the Python from the box below the sliders");
      }
    }),
  };
}
