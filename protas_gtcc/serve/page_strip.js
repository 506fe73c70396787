// The strip of what was done: a bar for each segment, and below it the progress of each action.

const strip = (() => {
  const MOST_SEGMENTS = 512,
    MOST_POINTS = 2000; // one is little on the screen: beyond that, every second one is left out
  const BAR = 26,
    PERIOD = 2000; // milliseconds from one drawing to the next; a new segment is drawn at once
  let segments, points, drawnAt, drawnSegments;

  function add({ frame, label, progress }) {
    const last = segments[segments.length - 1];
    if (last?.label === label) [last.end, last.progress] = [frame + 1, progress];
    else segments.push({ label, start: frame, end: frame + 1, progress });
    if (segments.length > MOST_SEGMENTS) {
      segments.shift();
      points = points.slice(points.findIndex((one) => one.frame >= segments[0].start));
    }
    points.push({ frame, label, progress });
    const isInside = (i) => [-1, 1].every((step) => points[i + step]?.label === points[i].label);
    if (points.length > MOST_POINTS) points = points.filter((one, i) => i % 2 || !isInside(i));
  }

  function drawBars(pen, x) {
    pen.font = "13px system-ui, sans-serif";
    for (const one of segments) {
      const [fill, stripe, text] = facts.looks[one.label],
        left = x(one.start),
        wide = Math.max(1, x(one.end) - left),
        name = actionName(one.label);
      pen.fillStyle = fill;
      pen.fillRect(left, 0, wide, BAR);
      if (stripe) {
        pen.fillStyle = stripe;
        pen.fillRect(left, 0.76 * BAR, wide, 0.14 * BAR);
      }
      if (wide < 30 || isIdle(one.label) || pen.measureText(name).width > wide - 8) continue;
      pen.fillStyle = text;
      pen.fillText(name, left + 4, 15);
    }
  }

  function drawCurve(pen, x, y) {
    pen.beginPath();
    let before = null;
    for (const { frame, label, progress } of points) {
      if (isIdle(label)) before = null;
      else if (before === label) pen.lineTo(x(frame), y(progress));
      else pen.moveTo(x(frame), y(progress));
      if (!isIdle(label)) before = label;
    }
    pen.stroke();
  }

  function draw() {
    const canvas = at("timeline"),
      scale = devicePixelRatio,
      width = canvas.clientWidth,
      height = canvas.clientHeight;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d"),
      colour = (name) => getComputedStyle(document.body).getPropertyValue(name);
    const first = segments[0].start,
      span = Math.max(200, segments[segments.length - 1].end - first);
    const x = (frame) => ((frame - first) / span) * width,
      y = (progress) => height - 20 - progress * (height - BAR - 30);
    pen.scale(scale, scale);
    drawBars(pen, x);
    pen.fillStyle = colour("--faint");
    pen.strokeStyle = colour("--line");
    pen.font = "12px system-ui, sans-serif";
    for (const level of [0, 1]) pen.strokeRect(-1, y(level), width + 2, 0);
    pen.fillText("progress 1", 2, y(1) + 13);
    pen.fillText("0", 2, y(0) - 4);
    pen.fillText(clock(first), 2, height - 5);
    pen.textAlign = "right";
    pen.fillText(clock(first + span), width - 2, height - 5);
    pen.strokeStyle = colour("--text");
    pen.lineWidth = 1.5;
    drawCurve(pen, x, y);
  }

  function listPast() {
    const rows = segments.slice(-9, -1).reverse();
    const cells = (one) => [
      clock(one.start),
      clock(one.end - one.start),
      element("span", "", chip(one.label), actionName(one.label)),
      isIdle(one.label) ? "" : percent(one.progress),
    ];
    at("past").replaceChildren(
      ...rows.map((one) => element("tr", "", ...cells(one).map((cell) => element("td", "", cell)))),
    );
  }

  return {
    begin() {
      [segments, points, drawnSegments] = [[], [], null];
    },
    add,
    current: () => segments[segments.length - 1],

    // It moves slowly, so it is not drawn each time.
    show(isForced) {
      const last = segments[segments.length - 1],
        key = segments.length + " " + last.start,
        now = performance.now();
      if (!isForced && key === drawnSegments && now - drawnAt < PERIOD) return;
      if (key !== drawnSegments) listPast();
      [drawnSegments, drawnAt] = [key, now];
      draw();
    },
  };
})();
