"use strict";
// The frame of the page: groups, which runs are shown, and plots that are drawn when they come into view.
// Names are untrusted: they enter the page as text only, and plots through plain().

const DATA = JSON.parse(document.getElementById("data").textContent);
const AVERAGES = ["macro", "frame", "video", "segment", "all_frames"];
const CONFIG = { displayModeBar: false, responsive: true };
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "pentagon", "star"];
// Pixels of a line and of the gap behind it, in turn.
const DASHES = [[], [6, 2], [2, 2], [6, 2, 2, 2]];
const MANY_VIDEOS = 20;
// Colours of the page, light or dark as the reader's system is, and on paper light.
const DARK = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => DARK.matches && !document.documentElement.classList.contains("printed");
const themed = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// An element with these properties; strings among its children become text.
function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Text for plotly, which reads some tags and entities as markup.
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function short(text, length = 30) {
  const half = Math.floor((length - 1) / 2);
  return text.length <= length ? text : text.slice(0, half) + "…" + text.slice(-half);
}

const counted = (things, what) => `${things.length} ${what}${things.length === 1 ? "" : "s"}`;
const known = (value) => value !== null && value !== undefined;
const percent = (value) => (known(value) ? value.toFixed(1) : "–");
const fraction = (value) => (known(value) ? value.toFixed(3) : "–");
const bracketed = (interval, write) => (interval ? `[${write(interval[0])}, ${write(interval[1])}]` : "");
const shownRuns = (group) => group.runs.filter((run) => run.shown);
// What has no figure comes last, in either direction.
const byFigure = (one, other, sign) => (known(one) && known(other) ? sign * (one - other) : known(other) - known(one));
const compareNames = (one, other) => one.localeCompare(other, "en", { numeric: true });
const bestLookup = (run, average, where = run.metrics.baselines) => {
  const best = where && where[run.best[average]];
  return best ? best.predicted_segments : null;
};

function layout(height, extra) {
  return {
    height,
    showlegend: false,
    hovermode: "closest",
    dragmode: "zoom",
    paper_bgcolor: themed("paper"),
    plot_bgcolor: themed("paper"),
    font: { family: "system-ui, sans-serif", size: 12, color: themed("text") },
    margin: { l: 60, r: 16, t: 12, b: 44 },
    hoverlabel: {
      bgcolor: themed("paper"),
      bordercolor: themed("edge"),
      font: { color: themed("text"), size: 12 },
      align: "left",
      namelength: -1,
    },
    ...extra,
  };
}
const axis = (title, extra) => ({
  title: { text: title, standoff: 8 },
  zeroline: false,
  gridcolor: themed("line"),
  automargin: true,
  ticklabeloverflow: "allow", // else each label is measured: half the time of a plot with many classes
  ...extra,
});
// Labels keep a small distance from the axis.
const SPACED = { ticks: "outside", ticklen: 5, tickcolor: "rgba(0,0,0,0)" };

// An element whose content is made again whenever other runs are shown.
function remade(group, content) {
  const place = make("div", {});
  const remake = () => place.replaceChildren(...[content()].flat());
  group.parts.push({ place, remake });
  remake();
  return place;
}

function chooser(group, text, choices, chosen) {
  const list = make("select", {}, ...choices.map(([value, name]) => new Option(name, value)));
  list.onchange = () => {
    chosen(list.value);
    changed(group);
  };
  return make("label", {}, text + " ", list);
}

// The background of an element in the look of a class: its fill, and its stripe along the bottom.
const ground = ([fill, stripe]) =>
  stripe ? `linear-gradient(to top, ${fill} 10%, ${stripe} 10% 24%, ${fill} 24%)` : fill;

// The line of a run as its curves have it.
function runLine(run) {
  const line = make("span", { className: "line" }),
    ends = run.dashes.map((_, index) => run.dashes.slice(0, index + 1).reduce((a, b) => a + b)),
    parts = ends.map((end, index) => `${index % 2 ? "#0000" : "currentColor"} ${end - run.dashes[index]}px ${end}px`);
  line.style.color = run.colour;
  line.style.background = parts.length ? `repeating-linear-gradient(to right, ${parts.join(", ")})` : "currentColor";
  return line;
}

function runBar(group) {
  const boxes = group.runs.map((run) => {
    const box = make("input", { type: "checkbox", checked: true });
    box.onchange = () => {
      run.shown = box.checked;
      changed(group);
    };
    return make("label", { title: run.path }, box, runLine(run), run.name);
  });
  const every = (shown) => () => {
    for (const [index, run] of group.runs.entries()) {
      run.shown = shown;
      boxes[index].firstChild.checked = shown;
    }
    changed(group);
  };
  const bar = make("div", { className: "runs" }, ...boxes);
  group.bar = bar;
  if (group.runs.length > 2) {
    bar.append(make("button", { onclick: every(true) }, "all"), make("button", { onclick: every(false) }, "none"));
  }
  // What is scrolled to stands below the bar, however many rows it has.
  const clear = () => bar.offsetHeight && (document.documentElement.style.scrollPaddingTop = `${bar.offsetHeight + 12}px`);
  new ResizeObserver(clear).observe(bar);
  return bar;
}

const titleOf = (group) => `${group.dataset}, split ${group.split}${group.simulated ? " (SIMULATED)" : ""}`;

function section(title, explanation, ...content) {
  return make(
    "section",
    { id: title.toLowerCase().replace(/[^a-z0-9]+/g, "-"), tabIndex: -1 },
    make("h2", {}, title),
    ...(explanation ? [make("p", {}, explanation)] : []),
    ...content,
  );
}

// Links to the sections of a group, of which only one is on the screen.
function contents(sections) {
  const links = sections.map((place) =>
    make("button", { onclick: () => goToSection(place) }, place.querySelector("h2").textContent),
  );
  return make("nav", { className: "contents", ariaLabel: "Sections" }, ...links);
}

// The next key goes on from there.
function goToSection(place) {
  place.scrollIntoView();
  place.focus({ preventScroll: true });
}

function buildGroup(group) {
  const seconds = group.videos.reduce((sum, video) => sum + video.num_frames, 0) / group.fps;
  const facts =
    `${counted(group.runs, "run")}, ${counted(group.videos, "test video")} ` +
    `(${lasting(seconds)} at ${group.fps} frames per second), ` +
    `${group.class_names.length} classes. True labels: ${group.dataset_file}` +
    (group.left_out ? `. Scores are of ${group.left_out} more test videos too, which are not shown` : "");
  const sections = [scores, procedureScores, procedureReliability, reliability, classes, lengths, confusion, further, videos, about].flatMap((part) =>
    part(group),
  );
  return make(
    "div",
    {},
    ...group.judgement.map((sentence) => make("p", { className: "judgement" }, sentence)),
    make("p", {}, facts),
    contents(sections),
    runBar(group),
    ...sections,
  );
}

function prepare(group) {
  Object.assign(group, { stamp: 0, parts: [], unseen: [], average: "macro", counted: "all" });
  colourRuns(group);
  for (const [index, run] of group.runs.entries()) {
    const round = Math.floor(index / DATA.run_colours.light.length),
      dashes = DASHES[(index + round) % DASHES.length];
    const dash = dashes.map((pixels) => `${pixels}px`).join() || "solid";
    Object.assign(run, { shown: true, dashes, dash, symbol: SYMBOLS[index % SYMBOLS.length] });
  }
}

// The colours of runs, of the look that the page has now.
function colourRuns(group) {
  const colours = DATA.run_colours[isDark() ? "dark" : "light"],
    lines = group.bar?.querySelectorAll(".line");
  for (const [index, run] of group.runs.entries()) {
    run.colour = colours[index % colours.length];
    if (lines) lines[index].style.color = run.colour;
  }
}

function build() {
  const page = document.getElementById("page"),
    groups = DATA.groups;
  groups.forEach(prepare);
  page.append(make("h1", {}, document.title));
  if (DATA.simulated) page.append(make("div", { className: "simulated" }, simulatedText(groups)));
  const places = groups.map(() => make("div", { hidden: true }));
  const tabs = groups.map((group, index) => make("button", { onclick: () => open(index) }, titleOf(group)));
  const open = (chosen) => {
    if (!places[chosen].hasChildNodes()) places[chosen].append(buildGroup(groups[chosen]));
    for (const [index, place] of places.entries()) {
      place.hidden = index !== chosen;
      tabs[index].setAttribute("aria-pressed", index === chosen);
    }
  };
  if (groups.length > 1) {
    page.append(
      make("p", {}, "Only runs on the same videos are compared frame by frame: choose a dataset and split."),
      overview(groups),
      make("nav", {}, ...tabs),
    );
  } else page.append(make("p", { className: "group" }, titleOf(groups[0])));
  page.append(...places, make("p", {}, `Made by protas_gtcc ${DATA.version}.`));
  open(0);
}

function simulatedText(groups) {
  const runs = groups.flatMap((group) => group.runs),
    simulated = runs.filter((run) => run.simulated);
  const which = simulated.length === runs.length ? "" : ` (${simulated.map((run) => run.name).join(", ")})`;
  return `SIMULATED DATA${which}: these figures say nothing about real video.`;
}
