"use strict";
// Draws the figures, in the colours and the width of the page, and again when these change.

const narrowWidth = 560; // pixels; below it the legend stands under the plot
const legendRow = 22;

async function loadPlotly() {
  const text = document.getElementById("plotly").textContent.trim();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Changes of the layout that give a graph the page's colours.
function themed(layout) {
  const changes = {
    "font.color": colour("--text"), "hoverlabel.bgcolor": colour("--back"), "hoverlabel.font.color": colour("--text"),
    "hoverlabel.bordercolor": colour("--line"), "legend.bgcolor": "rgba(0,0,0,0)",
    "modebar.bgcolor": "rgba(0,0,0,0)", "modebar.color": colour("--faint"), "modebar.activecolor": colour("--text"),
  };
  for (const axis of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
    changes[`${axis}.gridcolor`] = colour("--grid");
    changes[`${axis}.linecolor`] = colour("--line");
    changes[`${axis}.zerolinecolor`] = colour("--line");
  }
  return changes;
}

// Changes of the layout that make it fit its place: the height follows the legend, or the width of an image.
function fitted(graph, width) {
  const { square, captions } = graph.layout.meta || {};
  if (square) {
    const changes = { height: Math.round((width - 8) * square) + 8 };
    const size = Math.max(6, Math.min(12, 0.8 * captions * width));
    (graph.layout.annotations || []).forEach((_, number) => (changes[`annotations[${number}].font.size`] = size));
    return changes;
  }
  const entries = graph.data.filter((trace) => trace.showlegend);
  if (!entries.length) return { height: graph.height };
  if (width >= narrowWidth) {
    return { height: Math.max(graph.height, 80 + 20 * entries.length), "legend.orientation": "v", "legend.x": 1.02,
      "legend.y": 1, "legend.yanchor": "top", "margin.b": 52 };
  }
  const letters = Math.max(...entries.map((trace) => trace.name.length));
  const columns = Math.max(1, Math.floor((width - 40) / (50 + 7.5 * letters)));
  const legend = Math.ceil(entries.length / columns) * legendRow;
  const plot = graph.height - 68;
  return { height: graph.height + legend, "legend.orientation": "h", "legend.x": 0, "legend.xanchor": "left",
    "legend.y": -64 / plot, "legend.yanchor": "top", "margin.b": 60 + legend };
}

function changesOf(graph) {
  const changes = { ...themed(graph.layout), ...fitted(graph, graph.place.clientWidth) };
  graph.place.style.height = `${changes.height}px`;
  return changes;
}

// {"a.b": 1} into the layout, as Plotly.relayout does.
function apply(layout, changes) {
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.match(/[^.[\]]+/g);
    const last = keys.pop();
    let place = layout;
    for (const key of keys) place = place[key] = place[key] || {};
    place[last] = value;
  }
}

async function draw(graph) {
  apply(graph.layout, changesOf(graph));
  const images = graph.layout.meta && graph.layout.meta.square;
  await Plotly.newPlot(graph.place, graph.data, graph.layout,
    { responsive: false, displaylogo: false, displayModeBar: images ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], scrollZoom: false,
      toImageButtonOptions: { filename: graph.place.id } });
}

function drawAgain(graphs) {
  for (const graph of graphs) {
    if (graph.place.data) Plotly.relayout(graph.place, { ...changesOf(graph), width: graph.place.clientWidth });
  }
}

async function main() {
  const graphs = [...document.querySelectorAll(".graph")].map((place) => {
    const { data, layout } = JSON.parse(place.nextElementSibling.textContent);
    return { place, data, layout, height: layout.height };
  });
  await loadPlotly();
  for (const graph of graphs) {
    await draw(graph);
    await new Promise((resume) => setTimeout(resume)); // the page stays alive while it is drawn
  }
  const again = () => drawAgain(graphs);
  let width = window.innerWidth, waiting;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return; // a phone's address bar comes and goes
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(again, 150);
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  window.matchMedia("print").addEventListener("change", again);
  document.documentElement.dataset.drawn = graphs.length;
}

main().catch((error) => {
  document.querySelector("header").insertAdjacentHTML("beforeend", "<p class=note></p>");
  document.querySelector("header").lastElementChild.textContent =
    `The figures cannot be drawn (${error.message}); this page needs a browser of 2023 or newer.`;
  throw error;
});
