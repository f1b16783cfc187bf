// SPDX-License-Identifier: MIT
//
// The interactive part of report.html: one chart at a time, of one experiment and one metric.
//
// All data stands in the page (#data), written by corobench/explorer.py; nothing is fetched.
// Names come from records that anyone may have written: they become text nodes and
// attributes, never markup. Without this script the page is still the whole report.
"use strict";

/* JSON, gzipped, in base64. */
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

(async function () {
  const data = await unpacked(document.getElementById("data").textContent);
  const form = document.getElementById("controls");
  const stage = document.getElementById("chart");
  const said = document.getElementById("said");
  const rows = document.getElementById("rows");
  const ALL = "(all)";
  const BY_CASE = "each case";

  const control = (name) => form.elements.namedItem(name);
  const unique = (values) => [...new Set(values)];
  const cases = data.runs.flatMap((run) =>
    run.cases.map((one) => ({ ...one, run: run.name,
      contract: one.contract === null ? null : run.contracts[one.contract] })));

  function fill(select, values, wanted) {
    select.replaceChildren(...values.map((value) => {
      const option = document.createElement("option");
      option.value = option.textContent = value;
      return option;
    }));
    select.value = values.includes(wanted) ? wanted : values[0] ?? "";
  }

  const format = (value) =>
    value === null ? "–" : new Intl.NumberFormat("en", { maximumSignificantDigits: 4 }).format(value);

  function contractWords(contract) {
    if (!contract) return "no contract";
    const kept = ["fp_control", "signal_mask", "tls_base", "kernel_entry"]
      .filter((name) => contract[name]).map((name) => name.replace("_", " "));
    const bytes = contract.bytes_saved < 0 ? "unknown" : contract.bytes_saved;
    return `saves ${contract.saves || "nothing"} (${bytes} B)` +
      (kept.length ? `; ${kept.join(", ")}` : "");
  }

  function words(point) {
    const interval = point.low === null
      ? "too few rounds for an interval"
      : `95 % interval ${format(point.low)} to ${format(point.high)}`;
    return [point.case, `${format(point.median)} ${point.unit}`, interval, `n = ${point.n}`,
      contractWords(point.contract), `run ${point.run}`].join("\n");
  }

  // What the controls ask for, as points.
  function chosen() {
    const metric = control("metric").value;
    const by = control("by").value;
    const text = control("text").value.toLowerCase();
    const shown = data.runs.map((run) => run.name)
      .slice(0, control("second")?.checked === false ? 1 : data.runs.length);
    return cases
      .filter((one) => one.experiment === control("experiment").value)
      .filter((one) => [ALL, one.subject].includes(control("subject").value))
      .filter((one) => [ALL, one.placement].includes(control("placement").value))
      .filter((one) => one.name.toLowerCase().includes(text) && shown.includes(one.run))
      .filter((one) => metric in one.metrics)
      .filter((one) => by === BY_CASE || Number.isFinite(Number(one.params[by] ?? NaN)))
      .map((one) => ({ case: one.name, subject: one.subject, run: one.run,
        contract: one.contract, x: Number(one.params[by]),
        series: seriesOf(one, by), label: one.name.slice(one.experiment.length + 1),
        ...one.metrics[metric] }));
  }

  function seriesOf(one, by) {
    const others = Object.entries(one.params).filter(([name]) => name !== by);
    return [one.subject, ...others.map((pair) => pair.join("=")), one.placement].join(" ");
  }

  function update() {
    const mine = cases.filter((one) => one.experiment === control("experiment").value);
    const numeric = (name) => unique(mine.map((one) => one.params[name])
      .filter((value) => value !== undefined && Number.isFinite(Number(value)))).length > 2;
    const metrics = unique(mine.flatMap((one) => Object.keys(one.metrics)));
    const names = unique(mine.flatMap((one) => Object.keys(one.params)));
    fill(control("subject"), [ALL, ...unique(mine.map((one) => one.subject))],
      control("subject").value);
    fill(control("placement"), [ALL, ...unique(mine.map((one) => one.placement))],
      control("placement").value);
    fill(control("metric"), metrics, control("metric").value);
    fill(control("by"), [BY_CASE, ...names.filter(numeric)], control("by").value);
    draw();
  }

  function draw() {
    const points = chosen();
    const raw = control("points").checked
      ? points.flatMap((point) => point.values.map((value) => ({ ...point, value })))
      : [];
    const figures = [...points.flatMap((p) => [p.median, p.low ?? p.median]),
      ...raw.map((p) => p.value)];
    const log = control("scale").value === "log" && figures.every((value) => value > 0);
    const scale = { type: log ? "log" : "linear", grid: true,
      label: points.length ? `${control("metric").value}, ${points[0].unit}` : null };
    const several = unique(points.map((point) => point.run)).length > 1;
    const plot = control("by").value === BY_CASE
      ? byCase(points, raw, scale, several) : byNumber(points, raw, scale, several);
    stage.replaceChildren(plot);
    describe(plot, points);
    table(points);
    said.textContent = `${points.length} figures shown` +
      (control("scale").value === "log" && !log ? "; linear, because some are not above 0" : "");
  }

  const width = () => Math.max(320, stage.clientWidth || 900);
  const facet = (several) => (several ? { fx: "run" } : {});
  const tip = (points, channels, pointer) =>
    Plot.tip(points, pointer({ ...channels, title: words, fontSize: 13, maxRadius: 60 }));

  function byCase(points, raw, scale, several) {
    const labels = unique(points.map((point) => point.label));
    const place = { y: "label", ...facet(several) };
    return Plot.plot({
      width: width(), height: 90 + 20 * labels.length, x: scale,
      marginLeft: Math.min(width() / 2, 20 + 6.3 * Math.max(8, ...labels.map((l) => l.length))),
      y: { domain: labels, label: null }, fx: { label: null },
      color: { type: "categorical", scheme: "observable10" }, ariaLabel: title(),
      marks: [
        Plot.dot(raw, { ...place, x: "value", r: 2, stroke: "subject", strokeOpacity: 0.45,
          ariaHidden: "true" }),
        Plot.ruleY(points.filter((p) => p.low !== null),
          { ...place, x1: "low", x2: "high", stroke: "subject", strokeWidth: 2 }),
        Plot.dot(points, { ...place, x: "median", fill: "subject", r: 4.5, className: "median" }),
        tip(points, { ...place, x: "median" }, Plot.pointerY),
      ],
    });
  }

  function byNumber(points, raw, scale, several) {
    const place = { x: "x", ...facet(several) };
    const positive = points.every((point) => point.x > 0);
    return Plot.plot({
      width: width(), height: 460, y: scale, marginLeft: 70, fx: { label: null },
      x: { type: positive ? "log" : "symlog", label: control("by").value, grid: true },
      color: { type: "categorical", scheme: "observable10", legend: true },
      ariaLabel: title(),
      marks: [
        Plot.dot(raw, { ...place, y: "value", r: 2, stroke: "series", strokeOpacity: 0.45,
          ariaHidden: "true" }),
        Plot.line(points, { ...place, y: "median", z: "series", stroke: "series", sort: "x" }),
        Plot.ruleX(points.filter((p) => p.low !== null),
          { ...place, y1: "low", y2: "high", stroke: "series", strokeWidth: 2 }),
        Plot.dot(points, { ...place, y: "median", fill: "series", r: 4.5, className: "median" }),
        tip(points, { ...place, y: "median" }, Plot.pointer),
      ],
    });
  }

  const title = () => `${control("experiment").value}: ${control("metric").value}`;

  // Each median can be reached by keyboard, and says what hovering shows.
  function describe(plot, points) {
    const svg = plot.tagName.toLowerCase() === "svg" ? plot : plot.querySelector("svg:last-of-type");
    svg.setAttribute("role", "group");
    plot.querySelectorAll("g[aria-label]").forEach((part) => part.setAttribute("role", "group"));
    svg.querySelectorAll("g.median circle").forEach((dot) => {
      const point = points[dot.__data__];
      if (!point) return;
      dot.setAttribute("tabindex", "0");
      dot.setAttribute("role", "img");
      dot.setAttribute("aria-label", words(point).replaceAll("\n", ", "));
      dot.addEventListener("focus", () => { said.textContent = words(point); });
    });
  }

  function table(points) {
    rows.replaceChildren(...points.map((point) => {
      const row = document.createElement("tr");
      const cells = [point.case, point.run, format(point.median), format(point.low),
        format(point.high), point.unit, point.n, contractWords(point.contract)];
      row.append(...cells.map((cell) => {
        const element = document.createElement("td");
        element.textContent = cell;
        return element;
      }));
      return row;
    }));
  }

  fill(control("experiment"), unique(cases.map((one) => one.experiment)), "switch");
  form.addEventListener("input", (event) => (event.target.name === "experiment" ? update() : draw()));
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("resize", draw);
  document.getElementById("explorer").hidden = false;
  update();
})();
