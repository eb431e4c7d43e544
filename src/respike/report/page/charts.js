"use strict";
/* A card with one chart: drawing, zoom, the keyboard, and the table of its numbers. Knows nothing of spikes. */

const Charts = (() => {
  const LIGHT = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
  const DARK = ["#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#FFFFFF"];
  const SYMBOLS = ["circle", "rect", "triangle", "diamond", "roundRect", "emptyCircle", "emptyRect"];
  const DASHES = ["solid", [7, 4], [2, 3], [9, 3, 2, 3], [12, 4], [4, 2], [1, 2]];
  const coarse = matchMedia("(pointer: coarse)").matches;

  const dark = () => document.documentElement.dataset.theme === "dark";
  const colour = (number) => (dark() ? DARK : LIGHT)[number % LIGHT.length];
  // Colour and dash, and colour and symbol, tell 49 methods apart.
  const turn = (number) => (number + Math.floor(number / LIGHT.length)) % LIGHT.length;
  const symbol = (number) => SYMBOLS[turn(number)];
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
      figure.append(this.plot, this.said, element("div", { className: "foot" }, this.details, zoom));
      this.chart = echarts.init(this.plot, null, { renderer: "svg" });
      this.details.addEventListener("toggle", () => this.fillTable());
      this.plot.addEventListener("keydown", (event) => this.key(event));
      this.plot.addEventListener("blur", () => this.chart.dispatchAction({ type: "hideTip" }));
      this.plot.addEventListener("dblclick", () => this.reset());
      this.chart.on("datazoom", () => this.noteZoom());
      new ResizeObserver(() => this.chart.resize()).observe(this.plot);
    }

    /**
     * Draws a chart.
     * spec: {option, label, tip(seriesIndex, dataIndex) → lines, table: () → {columns, rows, note}, axisTip, click}
     */
    draw(spec) {
      this.spec = spec;
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
        animation: !matchMedia("(prefers-reduced-motion: reduce)").matches, animationDuration: 250,
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
      this.place = [spec.first || 0, -1];
      this.noteZoom();
      this.fillTable();
    }

    fillTable() {
      if (!this.details.open) return;
      const { columns, rows, note } = this.spec.table();
      fill(this.table, note, columns, rows);
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

  return { Card, axis, colour, dash, element, fill, mark, symbol, token };
})();
