"use strict";
/* A card with one chart: drawing, zoom, the keyboard, and the table of its numbers. Knows nothing of spikes. */

const Charts = (() => {
  const LIGHT = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
  const DARK = ["#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#FFFFFF"];
  // Marks as paths in a square of 10: circle, square, triangle, diamond, plus, cross, triangle upside down.
  const SHAPES = [
    "M0,5a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z", "M1,1h8v8h-8z", "M5,0l5,9h-10z", "M5,0l5,5l-5,5l-5,-5z",
    "M3.4,0h3.2v3.4h3.4v3.2h-3.4v3.4h-3.2v-3.4h-3.4v-3.2h3.4z", "M2.2,0l2.8,2.8l2.8,-2.8l2.2,2.2l-2.8,2.8l2.8,2.8l-2.2,2.2l-2.8,-2.8l-2.8,2.8l-2.2,-2.2l2.8,-2.8l-2.8,-2.8z", "M0,1h10l-5,9z",
  ];
  const DASHES = ["solid", [7, 4], [2, 3], [9, 3, 2, 3], [12, 4], [4, 2], [1, 2]];
  const coarse = matchMedia("(pointer: coarse)").matches;

  const dark = () => document.documentElement.dataset.theme === "dark";
  const colour = (number) => (dark() ? DARK : LIGHT)[number % LIGHT.length];
  // Colour and dash, and colour and symbol, tell 49 methods apart.
  const turn = (number) => (number + Math.floor(number / LIGHT.length)) % LIGHT.length;
  const symbol = (number) => `path://${SHAPES[turn(number)]}`;
  const dash = (number) => DASHES[turn(number)];
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  /** A new element with properties and children; text is only ever set as text. */
  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in made) made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  /** How a method looks in every chart: its line with its mark. */
  function swatch(number) {
    const of = "http://www.w3.org/2000/svg";
    const drawing = document.createElementNS(of, "svg");
    const drawn = (tag, properties) => {
      const made = document.createElementNS(of, tag);
      for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
      drawing.append(made);
    };
    for (const [name, value] of [["viewBox", "0 0 30 12"], ["aria-hidden", "true"], ["class", "swatch"]]) drawing.setAttribute(name, value);
    drawn("line", { x1: 0, x2: 30, y1: 6, y2: 6, stroke: colour(number), "stroke-width": 2.4, "stroke-dasharray": dash(number) === "solid" ? "none" : dash(number).join(" ") });
    drawn("path", { d: SHAPES[turn(number)], fill: colour(number), stroke: token("card"), "stroke-width": 1.4, transform: "translate(10 1)" });
    return drawing;
  }

  /** Fills a table; the first cell of each row is its heading. */
  function fill(table, caption, columns, rows) {
    table.replaceChildren(
      ...(caption ? [element("caption", {}, caption)] : []),
      element("thead", {}, element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell, place) =>
        place ? element("td", {}, cell) : element("th", { scope: "row" }, cell))))),
    );
  }

  /** An axis in the page's colours. */
  function axis(name, more = {}) {
    const { axisLabel = {}, ...rest } = more;
    return {
      name, nameLocation: "middle", nameGap: 30, type: "value",
      nameTextStyle: { color: token("soft"), fontSize: 13 },
      axisLabel: { color: token("soft"), fontSize: 12, hideOverlap: true, ...axisLabel },
      axisLine: { show: true, lineStyle: { color: token("line") } },
      axisTick: { show: false }, minorTick: { show: false },
      splitLine: { show: true, lineStyle: { color: token("line"), width: 1 } },
      ...rest,
    };
  }

  /** A dashed line across a chart, with a label. */
  function mark(position, label, more = {}) {
    return {
      ...position,
      lineStyle: { color: more.colour || token("soft"), type: more.type || [5, 4], width: more.width || 1.2 },
      label: {
        show: Boolean(label), formatter: () => label, color: more.ink || token("ink"), fontSize: 12,
        position: more.place || "insideEndTop", distance: 4, ...(more.align ? { align: more.align } : {}),
        backgroundColor: token("card"), padding: [1, 3], borderRadius: 3,
      },
    };
  }

  // ---- numbers as files: a table is {columns: [[name, shown as]], rows: [[value]]} with plain values
  const shown = ({ columns, rows }) => rows.map((row) => row.map((value, place) => {
    if (value === null || value === undefined) return "–";
    return columns[place][1] ? columns[place][1](value) : String(value);
  }));

  /** A cell of a CSV file (RFC 4180); a text that a spreadsheet would compute is kept a text. */
  function cell(value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function csv({ columns, rows }) {
    return [columns.map(([name]) => name), ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  }

  function json(title, { columns, rows, note }) {
    const plain = rows.map((row) => row.map((value) => value ?? null));
    return JSON.stringify({ title, ...(note ? { note } : {}), columns: columns.map(([name]) => name), rows: plain }) + "\n";
  }

  function save(name, content, type) {
    const url = URL.createObjectURL(new Blob([content], { type }));
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  /** Buttons that save a table as a file. */
  function downloads(title, table) {
    const file = title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
    const button = (text, act) => element("button", { type: "button", ariaLabel: `Save as ${text}: ${title}`, title: `Save the numbers as ${text}`, onclick: act }, text);
    return element("div", { className: "save" },
      button("CSV", () => save(`${file}.csv`, csv(table()), "text/csv")),
      button("JSON", () => save(`${file}.json`, json(title, table()), "application/json")));
  }

  const escape = (text) => echarts.format.encodeHTML(String(text));

  /** Lines of a tooltip: the first one is its heading. */
  function html(lines) {
    const [first, ...others] = lines;
    const rows = others.map(([name, value, tint]) =>
      `<div style="display:flex;gap:18px;justify-content:space-between"><span>${
        tint ? `<span style="display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:7px;background:${tint}"></span>` : ""
      }${escape(name)}</span><b style="font-weight:600">${escape(value)}</b></div>`);
    return `<div style="font-weight:600;margin-bottom:2px">${escape(first)}</div>${rows.join("")}`;
  }

  const spoken = ([first, ...others]) => [first, ...others.map(([name, value]) => `${name} ${value}`)].join(", ");

  class Card {
    constructor(figure) {
      this.title = figure.querySelector("h3").textContent;
      this.plot = element("div", { className: "plot", tabIndex: 0 });
      this.plot.setAttribute("role", "application");
      this.plot.setAttribute("aria-roledescription", "chart");
      this.said = element("p", { className: "sr" });
      this.said.setAttribute("aria-live", "polite");
      this.table = element("table");
      this.details = element("details", {}, element("summary", {}, "Numbers"),
        element("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: `${this.title}, numbers` }, this.table));
      const button = (text, label, act) => element("button", { type: "button", ariaLabel: `${label}: ${this.title}`, title: label, onclick: act }, text);
      const zoom = element("div", { className: "zoom" },
        button("+", "Zoom in", () => this.zoom(0.6)),
        button("−", "Zoom out", () => this.zoom(1 / 0.6)),
        button("Reset", "Whole chart", () => this.reset()));
      const save = downloads(this.title, () => this.spec.table());
      figure.append(this.plot, this.said, element("div", { className: "foot" }, this.details, save, zoom));
      this.chart = echarts.init(this.plot, null, { renderer: "svg" });
      this.details.addEventListener("toggle", () => this.fillTable());
      this.plot.addEventListener("keydown", (event) => this.key(event));
      this.plot.addEventListener("blur", () => this.chart.dispatchAction({ type: "hideTip" }));
      this.plot.addEventListener("dblclick", () => this.reset());
      this.chart.on("datazoom", () => this.noteZoom());
      this.onPaper = false;
      new ResizeObserver(() => { if (!this.onPaper) this.chart.resize(); }).observe(this.plot);
    }

    /**
     * Draws a chart.
     * spec: {option, label, tip(seriesIndex, dataIndex) → lines, table: () → {columns, rows, note}, axisTip, click, height}
     * keep: the zoom stays, since the same is drawn for another step.
     */
    draw(spec, keep = false) {
      const before = keep && this.spec ? this.window : null;
      this.spec = spec;
      if (spec.height) {
        this.plot.style.height = `${spec.height}px`;
        this.chart.resize();
      }
      const text = { color: token("ink"), fontFamily: getComputedStyle(document.body).fontFamily };
      const tooltip = {
        trigger: spec.axisTip ? "axis" : "item", confine: true, transitionDuration: 0.1,
        backgroundColor: token("card"), borderColor: token("line"), padding: [8, 12],
        textStyle: { color: token("ink"), fontSize: 13 },
        extraCssText: "box-shadow:0 4px 18px rgb(0 0 0/14%);border-radius:10px",
        axisPointer: { type: "line", lineStyle: { color: token("soft"), type: "dashed" }, label: { show: false } },
        formatter: (given) => {
          const one = Array.isArray(given) ? given[0] : given;
          return one ? html(spec.tip(one.seriesIndex, one.dataIndex)) : "";
        },
      };
      const zooms = [{ xAxisIndex: 0 }, { yAxisIndex: 0 }].filter((_, place) => !(place && spec.zoomX)).map((which) => ({
        type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseMove: false, moveOnMouseWheel: false,
        preventDefaultMouseMove: false, ...which,
      }));
      this.chart.setOption({
        animation: !keep && !matchMedia("(prefers-reduced-motion: reduce)").matches, animationDuration: 250,
        textStyle: text, aria: { enabled: false }, tooltip,
        grid: { left: 58, right: 18, top: 14, bottom: 46, ...spec.grid },
        dataZoom: zooms,
        toolbox: { top: -60, showTitle: false, feature: { dataZoom: { filterMode: "none", ...(spec.zoomX ? { yAxisIndex: "none" } : {}) } } },
        ...spec.option,
      }, { notMerge: true });
      if (!coarse) this.chart.dispatchAction({ type: "takeGlobalCursor", key: "dataZoomSelect", dataZoomSelectActive: true });
      this.chart.off("click");
      if (spec.click) this.chart.on("click", spec.click);
      this.plot.setAttribute("aria-label", `${this.title}. ${spec.label} Arrow keys read the points, plus and minus zoom, 0 shows the whole.`);
      if (!keep || !this.place) this.place = [spec.first || 0, -1];
      if (before?.some(([start, end]) => start > 0.01 || end < 99.99)) this.window = before;
      this.noteZoom();
      this.fillTable();
    }

    /** On paper the drawing shrinks with the page; on the screen it is drawn anew for its size. */
    set paper(on) {
      this.onPaper = on;
      const drawing = this.plot.querySelector("svg");
      if (on) drawing.setAttribute("viewBox", `0 0 ${this.chart.getWidth()} ${this.chart.getHeight()}`);
      else drawing.removeAttribute("viewBox");
    }

    fillTable() {
      if (!this.details.open) return;
      const table = this.spec.table();
      fill(this.table, table.note, table.columns.map(([name]) => name), shown(table));
    }

    /** The share of each axis that is seen, in percent. */
    get window() {
      return this.chart.getOption().dataZoom.filter((zoom) => zoom.type === "inside").map(({ start, end }) => [start, end]);
    }

    set window(parts) {
      this.chart.dispatchAction({ type: "dataZoom", batch: parts.map(([start, end], dataZoomIndex) => ({ dataZoomIndex, start, end })) });
    }

    zoom(factor) {
      this.window = this.window.map(([start, end]) => {
        const middle = (start + end) / 2;
        const half = Math.min(50, ((end - start) / 2) * factor);
        return [Math.max(0, middle - half), Math.min(100, middle + half)];
      });
    }

    reset() {
      this.window = this.window.map(() => [0, 100]);
    }

    noteZoom() {
      this.plot.dataset.zoomed = this.window.some(([start, end]) => start > 0.01 || end < 99.99);
    }

    key(event) {
      const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0], Home: [0, -Infinity], End: [0, Infinity] };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in moves) this.move(...moves[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoom(0.6);
      else if (event.key === "-") this.zoom(1 / 0.6);
      else if (event.key === "0" || event.key === "Escape") { this.reset(); this.chart.dispatchAction({ type: "hideTip" }); }
      else return;
      event.preventDefault();
    }

    /** Goes to another point, or to another series; series without points to read are passed over. */
    move(series, point) {
      const read = this.spec.option.series.map((one, place) => [place, one.data.length]).filter(([place, size]) => size && !this.spec.option.series[place].silent);
      if (!read.length) return;
      const here = Math.max(0, read.findIndex(([place]) => place === this.place[0]));
      const [seriesIndex, size] = read[(here + series + read.length) % read.length];
      const dataIndex = Math.min(size - 1, Math.max(0, this.place[1] + point));
      this.place = [seriesIndex, dataIndex];
      this.chart.dispatchAction({ type: "showTip", seriesIndex, dataIndex });
      this.said.textContent = spoken(this.spec.tip(seriesIndex, dataIndex));
    }
  }

  return { Card, axis, colour, dash, downloads, element, fill, mark, save, shown, swatch, symbol, token };
})();
