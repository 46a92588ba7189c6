// Files that come in and go out, as base64.

export const bytesOf = (content) => Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));

/** What a file holds. */
export const contentOf = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });

/** Give a file to whoever looks at the page. */
export function download(name, content) {
  const href = URL.createObjectURL(new Blob([bytesOf(content)]));
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000); // when it has long begun
}
