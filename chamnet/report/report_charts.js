"use strict";
// Charts of the page: a map by variable and month, the cycle of a cell, the series of a region.
const chartData = JSON.parse(document.getElementById("chart-data").textContent);
const byId = id => document.getElementById(id);
const MONTHS = ["Jan","Feb","Mar","Apr","May","Jun","Jul","Aug","Sep","Oct","Nov","Dec"];
const TONES = {emission: "#c1520a", consumption: "#1768ac"};
const FONT = {family: "system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif", size: 12, color: "#1f242c"};
const SETTINGS = {responsive: true, displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"]};
const UNIT = "mg CH<sub>4</sub> m<sup>−2</sup> d<sup>−1</sup>";

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function unpackFloats(text) {
  const planes = await unpack(text), n = planes.length / 4, bytes = new Uint8Array(4 * n);
  for (let b = 0; b < 4; b++) for (let i = 0; i < n; i++) bytes[4 * i + b] = planes[b * n + i];
  return new Float32Array(bytes.buffer);
}

const cache = new Map();
async function monthsOf(name) {  // 12 x land cells, kg m-2 s-1
  if (name === "ch4_net_flux") {
    const [up, down] = await Promise.all([monthsOf("ch4_emission"), monthsOf("ch4_consumption")]);
    return up.map((v, i) => v - down[i]);
  }
  if (!cache.has(name)) cache.set(name, await unpackFloats(chartData.map.fields[name]));
  return cache.get(name);
}

function fieldOf(months, choice) {  // a month, or the mean of the year weighted by days
  const n = months.length / 12;
  if (choice !== "year") return months.subarray(choice * n, (choice + 1) * n);
  const total = chartData.map.days.reduce((a, b) => a + b, 0), mean = new Float64Array(n);
  for (let m = 0; m < 12; m++)
    for (let i = 0; i < n; i++) mean[i] += months[m * n + i] * chartData.map.days[m] / total;
  return mean;
}

function gridOf(land, values, factor) {
  const {latitude, longitude} = chartData.map, columns = longitude.length;
  const grid = latitude.map(() => new Array(columns).fill(null));
  land.forEach((place, i) => {
    const v = values[i];
    if (Number.isFinite(v)) grid[Math.floor(place / columns)][place % columns] = v * factor;
  });
  return grid;
}

function rangeOf(values, isSigned) {
  const sizes = Array.from(values).filter(Number.isFinite).map(Math.abs).sort((a, b) => a - b);
  const top = (sizes[Math.floor(0.98 * (sizes.length - 1))] || 1e-12) * chartData.map.scale;
  return isSigned ? [-top, top] : [0, top];
}

let land, drawn = 0;
async function drawMap() {
  const name = byId("map-variable").value, choice = byId("map-month").value, turn = ++drawn;
  const months = await monthsOf(name);
  land = land || new Int32Array((await unpack(chartData.map.land)).buffer);
  if (turn !== drawn) return;
  const values = fieldOf(months, choice === "year" ? "year" : Number(choice));
  const {latitude, longitude, coast, scale, variables} = chartData.map;
  const [low, high] = rangeOf(months, name === "ch4_net_flux");
  const isNarrow = byId("map").clientWidth < 560;
  const when = choice === "year" ? "mean of the year" : "mean of " + MONTHS[choice];
  const traces = [
    {type: "heatmap", x: longitude, y: latitude, z: gridOf(land, values, scale),
      customdata: gridOf(land, values, 1), zmin: low, zmax: high,
      colorscale: variables[name].colors, hoverongaps: false,
      hovertemplate: "%{y:.2f}° N, %{x:.2f}° E<br><b>%{z:.4~g}</b> " + UNIT +
        "<br>%{customdata:.4~e} kg m<sup>−2</sup> s<sup>−1</sup><extra></extra>",
      colorbar: {title: {text: UNIT, side: "bottom"}, orientation: "h", thickness: 12,
        len: isNarrow ? 1 : 0.6, y: isNarrow ? -0.2 : -0.09, yanchor: "top", outlinewidth: 0}},
    {type: "scatter", mode: "lines", x: coast[0], y: coast[1], hoverinfo: "skip",
      line: {color: "#555b65", width: 0.7}, showlegend: false}];
  const layout = {font: FONT, margin: {l: 42, r: 8, t: isNarrow ? 52 : 34, b: 84}, dragmode: isNarrow ? false : "zoom",
    title: {text: variables[name].title + (isNarrow ? ",<br>" : ", ") + when, font: {size: isNarrow ? 12 : 14}, x: 0.01},
    plot_bgcolor: "#f3f5f8", xaxis: {range: [-180, 180], dtick: isNarrow ? 120 : 60, ticksuffix: "°", showgrid: false, zeroline: false},
    yaxis: {range: [-58, 84], dtick: 30, ticksuffix: "°", showgrid: false, zeroline: false}};
  await Plotly.react("map", traces, layout, SETTINGS);
  await showCell();
  byId("map").dataset.ready = name + "|" + choice;
}

async function showCell() {  // the value at a place, for keyboards and screen readers
  const {latitude, longitude, scale, variables} = chartData.map;
  const name = byId("map-variable").value, choice = byId("map-month").value;
  const nearest = (axis, wanted) => axis.reduce(
    (best, v, i) => Math.abs(v - wanted) < Math.abs(axis[best] - wanted) ? i : best, 0);
  const row = nearest(latitude, Number(byId("at-latitude").value));
  const column = nearest(longitude, Number(byId("at-longitude").value));
  const place = land.indexOf(row * longitude.length + column), months = await monthsOf(name);
  const where = `${latitude[row].toFixed(2)}° N, ${longitude[column].toFixed(2)}° E`;
  if (place < 0) {
    byId("at-value").textContent = where + ": no land";
    Plotly.purge("cell-chart");
    return;
  }
  const cycle = MONTHS.map((_, m) => months[m * land.length + place]);
  const now = choice === "year"
    ? cycle.reduce((sum, v, m) => sum + v * chartData.map.days[m], 0) /
      chartData.map.days.reduce((a, b) => a + b, 0)
    : cycle[choice];
  byId("at-value").textContent =
    `${where}: ${Number((now * scale).toPrecision(4))} mg CH4 m−2 d−1 (${now.toExponential(3)} kg m−2 s−1)`;
  const tone = name.includes("consumption") ? TONES.consumption : TONES.emission;
  await Plotly.react("cell-chart",
    [{x: MONTHS, y: cycle.map(v => v * scale), mode: "lines+markers", line: {color: tone},
      hovertemplate: "%{x} %{y:.4~g} " + UNIT + "<extra></extra>"}],
    {font: FONT, height: 210, margin: {l: 52, r: 8, t: 30, b: 28},
      title: {text: "Seasonal cycle at " + where, font: {size: 13}, x: 0.01},
      yaxis: {title: {text: UNIT}, zeroline: true, rangemode: "tozero"}}, SETTINGS);
}

function bandOf(x, [mean, low, high], tone, axes, hover) {
  const line = {color: "rgba(0,0,0,0)", width: 0}, base = {...axes, showlegend: false};
  const bar = x.length > 1 ? {} : {error_y: {type: "data", symmetric: false, color: tone,  // no band of one year
    array: [high[0] - mean[0]], arrayminus: [mean[0] - low[0]], thickness: 2.2, width: 6}};
  return [
    {...base, x, y: low, mode: "lines", line, hoverinfo: "skip"},
    {...base, x, y: high, mode: "lines", line, hoverinfo: "skip", fill: "tonexty", fillcolor: tone + "33"},
    {...base, ...bar, x, y: mean, mode: "lines+markers", line: {color: tone, width: 2.2}, marker: {size: 6},
      customdata: mean.map((_, i) => [low[i], high[i]]),
      hovertemplate: "%{x}: %{y:.4~g} [%{customdata[0]:.3~g} to %{customdata[1]:.3~g}] " + hover + "<extra></extra>"}];
}

function drawRegion(row) {
  const {target, system, name} = row.dataset;
  const found = chartData.regions.series[`${target}|${system}|${name}`];
  if (!found) return;
  for (const other of row.parentNode.rows) other.classList.toggle("chosen", other === row);
  const tone = TONES[target], dashes = ["dash", "dot", "dashdot"];
  const years = chartData.regions.years, isNarrow = byId("region-chart").clientWidth < 560;
  const traces = [
    ...bandOf(years, found.years, tone, {}, "Tg yr<sup>−1</sup>"),
    ...bandOf(MONTHS, found.months, tone, {xaxis: "x2", yaxis: "y2"}, "Tg"),
    ...Object.entries(found.extents).map(([extent, y], i) => ({x: MONTHS, y, name: extent, mode: "lines",
      xaxis: "x2", yaxis: "y2", line: {color: tone, width: 1.2, dash: dashes[i % 3]},
      hovertemplate: extent + " %{x}: %{y:.4~g} Tg<extra></extra>"}))];
  const [left, right] = isNarrow ? [[0, 1], [0, 1]] : [[0, 0.46], [0.56, 1]];
  const [upper, lower] = isNarrow ? [[0.6, 1], [0, 0.4]] : [[0, 1], [0, 1]];
  Plotly.react("region-chart", traces, {font: FONT, height: isNarrow ? 520 : 290,
    margin: {l: 52, r: 10, t: 40, b: 34}, legend: {orientation: "h", x: 1, xanchor: "right", y: isNarrow ? 0.41 : 1.12, yanchor: "bottom"},
    title: {text: `${row.cells[0].textContent}, ${target}${isNarrow ? "" : ": years and mean season"}, 90 % bands`,
      font: {size: isNarrow ? 13 : 14}, x: 0.01},
    xaxis: {domain: left, dtick: years.length > 12 ? 5 : 1, range: [years[0] - 0.6, years[years.length - 1] + 0.6], tickformat: "d"},
    yaxis: {domain: upper, title: {text: "Tg CH<sub>4</sub> yr<sup>−1</sup>"}, rangemode: "tozero"},
    xaxis2: {domain: right, anchor: "y2"},
    yaxis2: {domain: lower, anchor: "x2", title: {text: "Tg CH<sub>4</sub> month<sup>−1</sup>"}, rangemode: "tozero"}},
    SETTINGS).then(() => { byId("region-chart").dataset.ready = `${target}|${system}|${name}`; });
}

if (chartData.map) {
  for (const id of ["map-variable", "map-month"]) byId(id).addEventListener("input", drawMap);
  for (const id of ["at-latitude", "at-longitude"]) byId(id).addEventListener("input", showCell);
  drawMap().then(() => byId("map").on("plotly_click", event => {
    const point = event.points[0];
    if (point.z === undefined) return;
    byId("at-latitude").value = point.y;
    byId("at-longitude").value = point.x;
    showCell();
  }));
}
if (chartData.regions) {
  const rows = byId("budget-table").tBodies[0];
  rows.addEventListener("click", event => drawRegion(event.target.closest("tr")));
  rows.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    drawRegion(event.target.closest("tr"));
  });
  drawRegion([...rows.rows].find(row => !row.hidden));
}
