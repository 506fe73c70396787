// In which way a class is wrong: whether its segments are found late or early, too short or too long, in pieces, or not.

const FOUND_TEXT =
  "Start, end and length of segments: the median difference from the true ones, over those that are found. A segment is " +
  "missed if no predicted segment of its class overlaps it.";
const PIECES_TEXT =
  "Pieces of a true segment are the predicted segments of its class that overlap it: it starts with the first, ends with " +
  "the last, and is as long as all together. A missed segment is taken for the class predicted in most of its frames. " +
  "Small: the middle half of the differences, and what is predicted instead in the frames of the class.";
const LEAST_SHIFT = 0.05,
  LEAST_TAKEN = 0.05,
  MOST_NAMED = 12;

// A difference in words, such as "0.8 s late"; of two, such as "0.2 to 0.8 s late".
function shiftWords(seconds, [more, less, none] = ["late", "early", "on time"]) {
  return Math.abs(seconds) < LEAST_SHIFT ? none : `${lasting(Math.abs(seconds))} ${seconds > 0 ? more : less}`;
}
function rangeWords(low, high, words) {
  const [from, to] = low < 0 && high < 0 ? [high, low] : [low, high], // the smaller one first
    texts = [from, to].map((seconds) => shiftWords(seconds, words)),
    [start, end] = texts.map((text) => text.split(" "));
  if (texts[0] === texts[1]) return texts[0];
  return start.slice(1).join() === end.slice(1).join() ? `${start[0]} to ${texts[1]}` : texts.join(" to ");
}
const LENGTH_WORDS = ["too long", "too short", "as long as true"];

const signed = (value) =>
  known(value) ? (Math.abs(value) < LEAST_SHIFT ? "0.0" : (value > 0 ? "+" : "−") + Math.abs(value).toFixed(1)) : "–";

// Figures of a class's segments, for tables and orders: medians in seconds, percent of segments that are missed.
function foundFigures(own) {
  const median = (quartiles) => quartiles?.[1] ?? null;
  return {
    start: median(own?.start),
    end: median(own?.end),
    length: median(own?.length),
    missed: own ? (100 * own.num_missed) / own.num : null,
  };
}

// The same in words, in parts.
function foundParts(group, run, name, letters = 60) {
  const own = run.found[group.class_names.indexOf(name)];
  if (!own) return [];
  const { num, num_missed: missed, num_in_pieces: inPieces, start, end, length } = own,
    parts = [];
  if (start) parts.push(`start ${shiftWords(start[1])}, end ${shiftWords(end[1])} (${shiftWords(length[1], LENGTH_WORDS)})`);
  if (num > 1 || missed) parts.push(missedWords(num, missed) + takenWords(group, own, letters));
  if (inPieces) parts.push(num === 1 ? "in several pieces" : `${inPieces} of ${num} in several pieces`);
  return parts;
}

// What the parts are of: "segments: …", or of a class with one segment "only segment: …" or "only segment is missed".
function foundLead(group, run, name) {
  const own = run.found[group.class_names.indexOf(name)];
  return own?.num === 1 ? `only segment${own.num_missed ? " is" : ":"}` : "segments:";
}

function missedWords(num, missed) {
  if (num === 1) return "missed";
  if (!missed) return `none of ${num} missed`;
  if (missed === num) return num > 2 ? `all ${num} missed` : "both missed";
  return `${missed} of ${num} missed (${Math.round((100 * missed) / num)} %)`;
}

function takenWords(group, { num_missed: missed, taken_for: taken }, letters) {
  if (!taken) return "";
  const [label, count] = taken,
    name = short(group.class_names[label], letters);
  if (count === missed) return `, taken for ${name}`;
  return count === 1 ? ", taken for different classes" : `, ${count} of them taken for ${name}`;
}

// What is predicted instead of a class, in the frames of it: of each such class its percent, the most frequent first.
function insteadWords(group, run, name, most) {
  const label = group.class_names.indexOf(name),
    frames = run.confusion[label].reduce((a, b) => a + b, 0),
    taken = run.confusion[label].map((count, other) => [count / frames, other]),
    others = taken.filter(([share, other]) => other !== label && share >= LEAST_TAKEN).sort(([one], [other]) => other - one);
  return others.slice(0, most).map(([share, other]) => `${percent(100 * share)} % as ${group.class_names[other]}`);
}

// Names in order, and of many how many more there are.
function fewNames(names) {
  const left = names.length - MOST_NAMED;
  return names.sort(compareNames).slice(0, MOST_NAMED).join(", ") + (left > 0 ? ` and ${left} more` : "");
}

// The class of which the fewest frames are right, what they are taken for, and how its segments are found.
function worstClass(group, run) {
  const figures = classFigures(group, run),
    [worst] = classesInOrder(group, { key: "right", run, isReversed: false, wanted: "" });
  if (!known(worst) || !known(figures.get(worst).right)) return "";
  const { right, frames } = figures.get(worst),
    texts = insteadWords(group, run, worst, 3),
    instead = texts.length ? `; predicted instead: ${texts.join(", ")}` : "",
    others = [...figures].filter(([name, one]) => name !== worst && one.right === right).map(([name]) => name),
    equal = others.length ? ` (the same in ${fewNames(others)})` : "",
    words = `: fewest frames right in ${worst}, ${percent(right)} % of ${frames}${equal}${instead}.`;
  const found = `Its ${foundLead(group, run, worst)} ${foundParts(group, run, worst).join("; ")}.`;
  return make("p", {}, make("strong", {}, run.name), `${words} ${found}`, ...longestWrong(group, run, group.class_names.indexOf(worst)));
}

// The middle half of the differences, where there is more than one.
function middleHalf({ num, num_missed: missed, start, end, length }) {
  if (num - missed < 2) return [];
  const half = ([low, , high], words) => rangeWords(low, high, words);
  return [`middle half: start ${half(start)}, end ${half(end)}, ${half(length, LENGTH_WORDS)}`];
}

// Each class with a line for each run.
function foundList(group, names) {
  const runs = shownRuns(group);
  const lines = (name) =>
    runs.map((run) => {
      const own = run.found[group.class_names.indexOf(name)],
        instead = insteadWords(group, run, name, 2),
        small = [...(own ? middleHalf(own) : []), ...(instead.length ? [`instead: ${instead.join(", ")}`] : [])];
      return make(
        "dd",
        {},
        ...(group.runs.length > 1 ? [make("strong", {}, run.name), ": "] : []),
        ...(own?.num === 1 ? [`The ${foundLead(group, run, name)} `] : []),
        foundParts(group, run, name).join("; ") + ".",
        ...longestWrong(group, run, group.class_names.indexOf(name)),
        ...small.map((text) => make("small", {}, text)),
      );
    });
  return [make("p", {}, PIECES_TEXT), make("dl", {}, ...names.flatMap((name) => [make("dt", {}, name), ...lines(name)]))];
}
