// The figures of metrics.json that no other part of the page shows.

const SHOWN_ELSEWHERE = [
  "dataset",
  "split",
  "simulated",
  "feature_set",
  "seed",
  "versions",
  "num_videos",
  "num_people",
  "segmentation",
  "progress",
  "baselines",
  "intervals",
  "notes",
  "predictions",
];

// Every further entry of metrics.json that holds numbers.
function further(group) {
  const names = [...new Set(group.runs.flatMap((run) => Object.keys(run.metrics)))].filter(
    (name) => !SHOWN_ELSEWHERE.includes(name),
  );
  const parts = names.flatMap((name) => furtherPart(group, [name]));
  return parts.length
    ? [section("Further figures", "As in metrics.json; in brackets 95 % intervals.", ...parts)]
    : [];
}

const MANY_ROWS = 120,
  JOIN = "\u0000"; // no name holds that character
const at = (value, path) => path.reduce((inner, name) => inner?.[name], value);

// Every number or list of numbers within, by its path.
function leaves(value, path = [], found = new Map()) {
  const isList =
    Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "number" || one === null);
  if (typeof value === "number" || isList) found.set(path.join(JOIN), value);
  else if (value && typeof value === "object")
    for (const [name, inner] of Object.entries(value)) leaves(inner, [...path, name], found);
  return found;
}

// The figures at a path of metrics.json, to be opened: a table, or further parts where that would be long.
function furtherPart(group, path) {
  const values = group.runs.map((run) => at(run.metrics, path)),
    count = Math.max(...values.map((value) => leaves(value).size));
  if (!count) return [];
  const details = make("details", {}, make("summary", {}, inWords(path.at(-1))));
  const inner = [...new Set(values.flatMap((value) => Object.keys(value || {})))];
  details.ontoggle = () => {
    if (!details.open || details.children.length > 1) return;
    details.append(
      ...(count > MANY_ROWS && inner.length > 1
        ? inner.flatMap((name) => furtherPart(group, [...path, name]))
        : [remade(group, () => furtherTable(group, path))]),
    );
  };
  details.style.marginLeft = path.length > 1 ? "1rem" : "";
  return [details];
}

function furtherTable(group, path) {
  const runs = shownRuns(group),
    figures = runs.map((run) => leaves(at(run.metrics, path))),
    intervals = runs.map((run) => leaves(at(run.metrics.intervals, path)));
  if (!runs.length) return nothing();
  const line = (text, key) =>
    row([cell(text), ...figures.map((one, index) => valueCell(one.get(key), intervals[index].get(key)))]);
  const keys = [...new Set(figures.flatMap((one) => [...one.keys()]))].map((key) => key.split(JOIN)),
    label = (key) => key.map(inWords).join(" › ");
  const kinds = [...new Set(keys.map((key) => key.slice(1).join(JOIN)))],
    parts = [...new Set(keys.map((key) => key[0]))];
  // Parts with the same figures, such as bins: one block for each figure, with the parts below each other.
  const rows =
    parts.length > 2 && keys.length > parts.length && !kinds.includes("")
      ? kinds.flatMap((kind) => [
          row([make("td", { colSpan: runs.length + 1 }, label(kind.split(JOIN)))], "part"),
          ...parts.map((part) => line(part, [part, kind].join(JOIN))),
        ])
      : keys.map((key) => line(label(key) || inWords(path.at(-1)), key.join(JOIN)));
  return table(["figure", ...runs.map((run) => run.name)], rows);
}

const number = (value) =>
  known(value) ? String(Number.isInteger(value) ? value : Number(value.toPrecision(3))) : "–";

function valueCell(value, interval) {
  if (!Array.isArray(value))
    return figureCell(value, Array.isArray(interval) && interval.length === 2 ? interval : null, number);
  return make("td", { className: "text" }, value.map(number).join(", "));
}
