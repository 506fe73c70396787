// Printing: the page takes the width and the colours of paper, and every plot on it is drawn first, whether it was in view
// or not. And another look of the reader's system.

// Colour everything again, and draw again what is in view, the rest when it comes into view.
function recolour() {
  for (const group of DATA.groups) {
    colourRuns(group);
    changed(group);
  }
}

function drawForPrint(isPrinted) {
  document.documentElement.classList.toggle("printed", isPrinted);
  recolour();
  DATA.groups.forEach(remakeUnseen);
  for (const plot of plots.values()) if (plot.box.checkVisibility()) refresh(plot);
}

addEventListener("beforeprint", () => drawForPrint(true));
addEventListener("afterprint", () => drawForPrint(false));
DARK.addEventListener("change", recolour);
