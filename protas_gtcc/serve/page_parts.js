"use strict";
// What the parts of the page share: elements, addresses, times and the look of a class.

const token = new URLSearchParams(location.search).get("token");
const query = (extra) => "?" + new URLSearchParams({ ...extra, ...(token ? { token } : {}) });
const at = (id) => document.getElementById(id);
const openSocket = (path, extra) =>
  new WebSocket(`${location.protocol === "https:" ? "wss://" : "ws://"}${location.host}${path}${query(extra)}`);

let facts = null; // of the model, and of the server

// Children may be texts from streams: they become text nodes, never markup.
function element(tag, name, ...children) {
  const one = document.createElement(tag);
  if (name) one.className = name;
  one.append(...children);
  return one;
}

// What is the same stays as it is, so that it is neither laid out nor drawn again.
const shown = new WeakMap();
function put(node, key, value) {
  const before = shown.get(node) ?? shown.set(node, {}).get(node);
  if (before[key] === value) return;
  before[key] = value;
  if (key === "text") node.textContent = value;
  else if (key === "hidden" || key === "className" || key === "title") node[key] = value;
  else if (key.startsWith("--")) node.style.setProperty(key, value);
  else node.style[key] = value;
}
const write = (id, text) => put(at(id), "text", text);

const percent = (share) => Math.round(100 * share) + " %";
const minutes = (seconds) =>
  Math.floor(Math.round(seconds) / 60) + ":" + String(Math.round(seconds) % 60).padStart(2, "0");
const when = (frame) => (facts.fps ? minutes(frame / facts.fps) : "frame " + frame);
const plural = (count, one, many = one + "s") => `${count} ${count === 1 ? one : many}`;
function clock(frames) {
  if (!facts.fps) return plural(frames, "frame");
  const tenths = Math.round((10 * frames) / facts.fps);
  return Math.floor(tenths / 600) + ":" + ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
}

// The look of a class is that of the report: its fill, and for some a stripe along the bottom.
const isIdle = (label) => facts.background.includes(label);
function ground(label) {
  const [fill, stripe] = facts.looks[label];
  return stripe ? `linear-gradient(to top, ${fill} 10%, ${stripe} 10% 24%, ${fill} 24%)` : fill;
}
function chip(label) {
  const one = element("span", "chip");
  put(one, "background", ground(label));
  return one;
}
const actionName = (label) => (isIdle(label) ? "no action" : facts.class_names[label]);

function emptyBar(fill, line) {
  put(fill, "width", "0%");
  put(line, "hidden", true);
}

// A bar of progress, and the line of its interval, which is as wide as its two stops at least.
function fillBar(fill, line, label, progress, low, high) {
  const idle = isIdle(label),
    hasInterval = !idle && low !== undefined && low !== null;
  put(fill, "width", (idle ? 0 : 100 * progress) + "%");
  put(fill, "background", ground(label));
  put(line, "hidden", !hasInterval);
  if (!hasInterval) return;
  put(line, "left", `min(${100 * low}%, 100% - 4px)`);
  put(line, "width", 100 * (high - low) + "%");
}

// A text whose middle is large.
function sentence(id, before, middle, after) {
  const box = at(id);
  if (!box.children.length) box.append(element("span"), element("b"), element("span"));
  [before, middle, after].forEach((text, i) => put(box.children[i], "text", text));
}

// Parts of the page are drawn together, twice a second: a frame costs a browser much, however little has changed.
// What a person waits for, and a picture, is drawn at once.
const drawing = (() => {
  const PERIOD = 500,
    waiting = new Set();
  let drawnAt = -PERIOD,
    timer = null;

  function drawAll() {
    [drawnAt, timer] = [performance.now(), null];
    for (const part of waiting) part();
    waiting.clear();
  }

  return {
    PERIOD,
    soon(part, isUrgent = false) {
      waiting.add(part);
      if (timer !== null && !isUrgent) return;
      clearTimeout(timer);
      const pause = isUrgent ? 0 : Math.max(0, drawnAt + PERIOD - performance.now());
      timer = setTimeout(() => requestAnimationFrame(drawAll), pause);
    },
  };
})();
