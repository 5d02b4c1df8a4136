// The icons: strokes on a grid of 16, drawn in the colour of the text beside them. Decoration, never the only name.

const SHAPES = {
  overview: "M2 13V8M6 13V3M10 13V6M14 13V9",
  apps: "M2.5 2.5h4.5v4.5H2.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z",
  app: "M8 1.8 13.5 5v6L8 14.2 2.5 11V5zM2.5 5 8 8.2 13.5 5M8 8.2v6",
  stream: "M2 4h8M2 8h12M2 12h6",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.4 10.4 14 14",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  check: "M3 8.5 6.5 12 13 4.5",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.5v3.5M8 5v.2",
  warn: "M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.1",
  back: "M10 3 5 8l5 5",
  forward: "M6 3l5 5-5 5",
  down: "M3 6l5 5 5-5",
  plus: "M8 3v10M3 8h10",
  trash: "M2.5 4h11M6 4V2.5h4V4M4 4l.6 9.5h6.8L12 4M6.7 6.8v4M9.3 6.8v4",
  edit: "M3 13l.5-3L11 2.5 13.5 5 6 12.5z",
  refresh: "M13.5 3v3.5H10M13.2 6.5A5.5 5.5 0 1 0 13.3 10",
  pause: "M5.5 3v10M10.5 3v10",
  play: "M4.5 2.8v10.4L13 8z",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  moon: "M13.5 9.5A5.8 5.8 0 0 1 6.5 2.5a5.8 5.8 0 1 0 7 7z",
  system: "M2 3h12v8H2zM5.5 13.5h5M8 11v2.5",
  keyboard: "M1.5 4h13v8h-13zM4 6.7h.1M6.7 6.7h.1M9.3 6.7h.1M12 6.7h.1M5 9.5h6",
  "sign-out": "M6.5 2.5h-4v11h4M10 4.8 13.2 8 10 11.2M13 8H6",
  send: "M14 2 7.2 8.8M14 2 9.7 14 7.2 8.8 2 6.3z",
  hook: "M8 6.5V2.5M8 6.5a3.5 3.5 0 1 0 3.5 3.5M6 4.5l2-2 2 2",
  tag: "M2.5 2.5h5L13.8 8.7 8.7 13.8 2.5 7.5zM5.3 5.3h.1",
  channel: "M6 2 4.5 14M11.5 2 10 14M2.5 5.5h11.5M2 10.5h11.5",
  socket: "M5.5 2v3.5M10.5 2v3.5M3.5 5.5h9v2a4.5 4.5 0 0 1-9 0zM8 12v2.5",
  key: "M5.2 13a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4zM7.2 8.5 13.5 2.2M11 4.7l2 2M9.3 6.4l1.2 1.2",
  settings:
    "M2 4.5h6M12 4.5h2M2 11.5h2M8 11.5h6M10 6.3a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM6 13.3a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z",
  code: "M5.5 4 1.5 8l4 4M10.5 4l4 4-4 4",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z",
  lock: "M3.5 7h9v6.5h-9zM5.5 7V5a2.5 2.5 0 0 1 5 0v2",
  user: "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8zM2.8 14c.5-2.8 2.6-4 5.2-4s4.7 1.2 5.2 4",
  external: "M9.5 2.5h4v4M13.5 2.5 7 9M11.5 9.5v4h-9v-9h4",
  more: "M3 8h.1M8 8h.1M13 8h.1",
  empty: "M2 9.5h3.5l1 2h3l1-2H14M2 9.5 4 3h8l2 6.5V13H2z",
};

const SVG = "http://www.w3.org/2000/svg";

/** An icon by its name. @param {keyof typeof SHAPES | string} name @returns {SVGSVGElement} */
export function icon(name) {
  const element = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[/** @type {keyof typeof SHAPES} */ (name)] ?? SHAPES.more);
  for (const [key, value] of Object.entries({
    viewBox: "0 0 16 16",
    class: "icon",
    "aria-hidden": "true",
    width: "16",
    height: "16",
  })) {
    element.setAttribute(key, value);
  }
  element.append(path);
  return element;
}
