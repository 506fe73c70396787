// The confusion matrix, drawn on a canvas: hundreds of classes take milliseconds, where plotly's labels take seconds.
// The pointer or the arrow keys choose a cell, whose counts stand beside it.

const SCALES = {
  dark: [[0, 0x202327], [0.25, 0x2c4a66], [0.6, 0x5b9bd0], [1, 0xd8ecff]],
  light: [[0, 0xf5f5f5], [0.25, 0xbcd7eb], [0.6, 0x4f97c9], [1, 0x08306b]],
};
const scaleOfShares = () => SCALES[isDark() ? "dark" : "light"];
const MANY_CLASSES = 30,
  LEAST_CELL = 9,
  LARGEST_CELL = [90, 26],
  WIDEST_MATRIX = 8000; // browsers limit the size of a canvas
const FOOT_TITLE = 22;

// Red, green and blue of a share from 0 to 1.
function scaled(share) {
  const scale = scaleOfShares(),
    above = Math.max(1, scale.findIndex(([at]) => at >= share)),
    [from, one] = scale[above - 1],
    [to, other] = scale[above],
    part = (share - from) / (to - from);
  return [16, 8, 0].map((bits) => Math.round(((one >> bits) & 255) * (1 - part) + ((other >> bits) & 255) * part));
}

function confusion(group) {
  const beside = group.class_names.length <= MANY_CLASSES && group.runs.length > 1 ? [0, group.runs.length - 1] : [0];
  const parts = beside.map((first) => {
    const matrix = makeMatrix(group, group.runs[first]);
    const list = chooser(
      group,
      "Run",
      group.runs.map((run, index) => [index, run.name]),
      (index) => (matrix.run = group.runs[index]),
    );
    list.firstElementChild.value = first;
    return make("div", {}, ...(group.runs.length > 1 ? [list] : []), matrix.place);
  });
  const legend = () => {
    const scale = make("span", { className: "scale" }),
      colours = scaleOfShares().map(([at]) => `rgb(${scaled(at)}) ${100 * at}%`);
    scale.style.background = `linear-gradient(to right, ${colours})`;
    return make("p", { className: "legend" }, "0 % ", scale, " 100 %");
  };
  return [
    section(
      "Confusion matrix",
      "Percent of the frames of each true class (row). The pointer, or the arrow keys, show the counts of a cell.",
      remade(group, legend),
      make("div", { className: beside.length > 1 ? "pair" : "" }, ...parts),
    ),
  ];
}

function makeMatrix(group, run) {
  const canvas = make("canvas", {}),
    tip = make("div", { className: "tip", hidden: true, role: "status" }),
    matrix = { group, run, canvas, tip, cell: null };
  const box = addPlot(
    group,
    () => matrixSizes(matrix).height,
    () => drawMatrix(matrix),
  );
  matrix.place = box;
  box.classList.add("matrix");
  box.append(canvas, tip);
  Object.assign(box, { tabIndex: 0, role: "application", ariaLabel: "Confusion matrix: arrow keys choose a cell" });
  const at = ({ clientX, clientY }) => {
    const { left, top } = canvas.getBoundingClientRect(),
      { sides, cell } = matrixSizes(matrix),
      place = [Math.floor((clientY - top - sides.top) / cell[1]), Math.floor((clientX - left - sides.left) / cell[0])];
    return place.every((one) => one >= 0 && one < group.class_names.length) ? place : null;
  };
  canvas.onpointermove = (event) => chooseCell(matrix, at(event));
  canvas.onpointerleave = () => chooseCell(matrix, null);
  box.onblur = () => chooseCell(matrix, null);
  box.onkeydown = (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] },
      last = group.class_names.length - 1,
      step = steps[event.key];
    if (event.key === "Escape") chooseCell(matrix, null);
    if (!step) return;
    event.preventDefault();
    const next = matrix.cell ? matrix.cell.map((one, axis) => Math.min(Math.max(one + step[axis], 0), last)) : [0, 0];
    chooseCell(matrix, next, true);
  };
  return matrix;
}

// Width and height of a cell, what is left around the cells, and the size of it all; pixels.
function matrixSizes({ group, place }) {
  const count = group.class_names.length,
    width = place?.parentElement?.clientWidth || document.getElementById("page").clientWidth,
    letters = Math.min(22, Math.max(...group.class_names.map((name) => name.length))),
    names = Math.min(12 + letters * 5.6, width / 3),
    sides = { left: FOOT_TITLE + names, top: 4, bottom: FOOT_TITLE + names, right: 4 },
    least = Math.min(LEAST_CELL, WIDEST_MATRIX / count),
    wide = Math.min(Math.max((width - sides.left - sides.right) / count, least), LARGEST_CELL[0]),
    cell = [wide, Math.min(wide, LARGEST_CELL[1])];
  const size = { width: sides.left + count * cell[0] + sides.right, height: sides.top + count * cell[1] + sides.bottom };
  return { sides, cell, ...size };
}

function drawMatrix(matrix) {
  const { group, run, canvas } = matrix,
    { sides, cell, width, height } = matrixSizes(matrix),
    names = group.class_names,
    pen = canvas.getContext("2d"),
    totals = run.confusion.map((one) => one.reduce((a, b) => a + b, 0)),
    ratio = devicePixelRatio;
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  canvas.style.width = width + "px";
  pen.scale(ratio, ratio);
  const gap = names.length > 60 ? 0 : 1;
  pen.font = "10px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  run.confusion.forEach((row, label) =>
    row.forEach((frames, taken) => {
      if (!totals[label]) return;
      const share = frames / totals[label],
        [red, green, blue] = scaled(share),
        [x, y] = [sides.left + taken * cell[0], sides.top + label * cell[1]];
      pen.fillStyle = `rgb(${red}, ${green}, ${blue})`;
      pen.fillRect(x, y, cell[0] - gap, cell[1] - gap);
      if (names.length > MANY_CLASSES || share < 0.005 || cell[0] < 20) return;
      pen.fillStyle = 0.3 * red + 0.59 * green + 0.11 * blue > 140 ? "#000" : "#fff";
      pen.fillText((100 * share).toFixed(0), x + cell[0] / 2, y + cell[1] / 2);
    }),
  );
  drawNames(pen, names, sides, cell, height);
  matrix.picture = pen.getImageData(0, 0, canvas.width, canvas.height);
  chooseCell(matrix, matrix.cell);
  return null;
}

// Names of rows and columns, and what the axes are.
function drawNames(pen, names, sides, cell, height) {
  const size = Math.min(11, Math.max(cell[1], 6)),
    room = sides.left - FOOT_TITLE - 8,
    fits = Math.floor(room / (size * 0.56)),
    below = height - sides.bottom;
  pen.fillStyle = themed("text");
  pen.font = `${size}px system-ui, sans-serif`;
  pen.textAlign = "right";
  names.forEach((name, index) => {
    const text = short(name, fits);
    pen.fillText(text, sides.left - 6, sides.top + (index + 0.5) * cell[1], room);
    pen.save();
    pen.translate(sides.left + (index + 0.5) * cell[0], below + 6);
    pen.rotate(cell[0] > 60 ? -Math.PI / 6 : -Math.PI / 2);
    pen.fillText(text, 0, 0, room);
    pen.restore();
  });
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.fillText("predicted class", sides.left + (names.length * cell[0]) / 2, height - 8);
  pen.translate(8, sides.top + (names.length * cell[1]) / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText("true class", 0, 0);
}

// Mark a cell, and show what it counts; nothing for null. The words do not wait for the picture.
function chooseCell(matrix, chosen, byKey = false) {
  matrix.cell = chosen;
  matrix.tip.hidden = !chosen;
  if (chosen) showCounts(matrix, byKey);
  if (!matrix.picture) return;
  const pen = matrix.canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.putImageData(matrix.picture, 0, 0);
  if (!chosen) return;
  const { x, y, cell } = placeOfCell(matrix);
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.strokeStyle = themed("text");
  pen.lineWidth = 2;
  pen.strokeRect(x, y, cell[0], cell[1]);
}

// Where the chosen cell begins, and the sizes of the matrix; pixels.
function placeOfCell(matrix) {
  const [label, taken] = matrix.cell,
    { sides, cell } = matrixSizes(matrix);
  return { x: sides.left + taken * cell[0], y: sides.top + label * cell[1], sides, cell };
}

function showCounts(matrix, byKey) {
  const { group, run, tip, place } = matrix,
    [label, taken] = matrix.cell,
    { x, y, sides, cell } = placeOfCell(matrix),
    frames = run.confusion[label][taken],
    total = run.confusion[label].reduce((a, b) => a + b, 0);
  tip.replaceChildren(
    make("strong", {}, run.name),
    `\ntrue: ${group.class_names[label]}\npredicted: ${group.class_names[taken]}\n` +
      `${frames} of ${total} frames (${percent(total ? (100 * frames) / total : null)} %)`,
  );
  if (byKey) place.scrollLeft += Math.min(0, x - sides.left - place.scrollLeft) || Math.max(0, x + 2 * cell[0] - place.scrollLeft - place.clientWidth);
  const left = Math.min(x + cell[0] + 8, place.scrollLeft + place.clientWidth - tip.offsetWidth - 4);
  tip.style.left = Math.max(place.scrollLeft, left) + "px";
  tip.style.top = (y > tip.offsetHeight + 12 ? y - tip.offsetHeight - 8 : y + cell[1] + 8) + "px";
}
