// A mask: one number a pixel, how it is drawn on, and how it travels.

/** Bits, rows first, as base64; and back to one number a pixel. */
export const packed = (mask) => {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((inside, i) => (bytes[i >> 3] |= inside << (7 - (i & 7))));
  return btoa(String.fromCharCode(...bytes));
};
export const unpacked = (text, length) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Uint8Array.from({ length }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
};

/** A mask of a grid, [height, width], and its changes. Corners and positions are [x, y] in pixels. */
export class Mask {
  constructor([height, width], pixels = new Uint8Array(height * width)) {
    this.height = height;
    this.width = width;
    this.pixels = pixels;
  }
  copy = () => new Mask([this.height, this.width], this.pixels.slice());
  at = (x, y) => x >= 0 && y >= 0 && x < this.width && y < this.height && this.pixels[y * this.width + x] === 1;
  isEmpty = () => !this.pixels.includes(1);
  /** The share of it, from 0 to 1, that lies in any of the others. */
  sharedWith(others) {
    const count = (rule) => this.pixels.reduce((sum, inside, i) => sum + (inside && rule(i)), 0);
    return count((i) => others.some(({ pixels }) => pixels[i])) / count(() => 1);
  }
  /** That shape in its place, added to it, or taken away. */
  with(shape, how) {
    if (how === "new") return shape;
    const inside = { add: (now, drawn) => now | drawn, subtract: (now, drawn) => now & ~drawn }[how];
    return new Mask([this.height, this.width], this.pixels.map((now, i) => inside(now, shape.pixels[i])));
  }

  /** Set the pixels whose centre [x, y] the rule accepts. */
  fill(rule, value = 1) {
    for (let y = 0; y < this.height; y++)
      for (let x = 0; x < this.width; x++) if (rule(x + 0.5, y + 0.5)) this.pixels[y * this.width + x] = value;
    return this;
  }
  /** Every pixel that the box touches. */
  box([x0, y0], [x1, y1]) {
    const [left, right] = [Math.floor(Math.min(x0, x1)), Math.max(x0, x1)];
    const [top, bottom] = [Math.floor(Math.min(y0, y1)), Math.max(y0, y1)];
    return this.fill((x, y) => x > left && x - 0.5 < right && y > top && y - 0.5 < bottom);
  }
  /** A round brush along a line. */
  stroke([x0, y0], [x1, y1], width, value) {
    const [dx, dy] = [x1 - x0, y1 - y0];
    return this.fill((x, y) => {
      const along = Math.min(Math.max(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1), 0), 1);
      return Math.hypot(x - x0 - along * dx, y - y0 - along * dy) <= width / 2;
    }, value);
  }
  /** The inside of a polygon: an odd number of edges lies to the right. */
  polygon(corners) {
    return this.fill((x, y) =>
      corners.reduce((inside, [x1, y1], i) => {
        const [x0, y0] = corners.at(i - 1);
        return y0 > y !== y1 > y && x < x0 + ((y - y0) * (x1 - x0)) / (y1 - y0) ? !inside : inside;
      }, false),
    );
  }
}
