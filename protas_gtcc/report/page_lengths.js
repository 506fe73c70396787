// Plots by the length of the true segments.

function lengths(group) {
  // Lengths that some true segment has: no column is empty.
  const counts = group.runs[0].lengths.segments,
    found = DATA.length_bins.map((_, i) => i).filter((i) => counts[i]),
    bins = found.map((i) => DATA.length_bins[i]);
  const draw = (figure, title, write, top) => () => [
    shownRuns(group).map((run) => {
      const { segments, frames, [figure]: values } = run.lengths;
      return {
        type: "scatter",
        mode: "lines+markers",
        x: bins,
        y: found.map((i) => values[i]),
        connectgaps: false,
        hovertemplate: "%{text}<extra></extra>",
        text: found.map(
          (i) =>
            `${hoverText(run, `segments of ${DATA.length_bins[i]} frames`, values[i], null, write)}` +
            `<br>${segments[i]} segments, ${frames[i]} frames`,
        ),
        line: { color: run.colour, width: 1.6, dash: run.dash },
        marker: { color: run.colour, symbol: run.symbol, size: 8 },
      };
    }),
    layout(320, {
      xaxis: axis("frames of the true segment", {
        type: "category",
        categoryorder: "array",
        categoryarray: bins,
        range: [-0.3, bins.length - 0.7],
      }),
      yaxis: axis(title, top ? { range: [0, top] } : { rangemode: "tozero" }),
    }),
  ];
  return [
    section(
      "Segment lengths",
      "Frames of actions, pooled by the length of their true segment. " +
        `Number of true segments by their length in frames: ${found.map((i) => `${DATA.length_bins[i]}: ${counts[i]}`).join(", ")}.`,
      make(
        "div",
        { className: "pair" },
        addPlot(group, () => 320, draw("error", "progress error", fraction)),
        addPlot(group, () => 320, draw("acc", "frames predicted correctly, percent", percent, 102)),
      ),
    ),
  ];
}
