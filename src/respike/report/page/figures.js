"use strict";
/* Each chart of the page, as a function of what is chosen. */

/** data: the page's; state: what is chosen; cards: where the charts stand. Gives a function for each card. */
const Figures = (data, state, cards) => {
  const { axis, colour, dash, mark, symbol, token } = Charts;
  const { brief, last, percent, short, tail, three, tick, whole } = Words;
  const method = () => data.methods[state.method];
  const report = (one) => one.report;
  const layerName = () => data.layers[state.layer].name;
  const className = (number) => data.classes[number];

  // Accuracies are drawn on a scale on which each unit further up means a tenth of the error.
  const place = (accuracy) => -Math.log10(Math.max(1 - accuracy, 2e-4));
  const TICKS = [0, 0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999].map(place);
  const FINE = [0.2, 0.3, 0.4, 0.6, 0.7, 0.85, 0.88, 0.92, 0.94, 0.96, 0.97, 0.985, 0.992, 0.993, 0.994, 0.996, 0.997].map(place);
  function accuracyAxis(low, high) {
    const margin = 0.06 * Math.max(high - low, 0.3);
    const [min, max] = [Math.max(-0.02, low - margin), high + margin];
    const near = 0.05 * (max - min);
    const inside = (value) => value >= min && value <= max;
    const ticks = TICKS.filter(inside).length > 2 ? TICKS : [...TICKS, ...FINE].sort((a, b) => a - b);
    const customValues = ticks.filter(inside)
      .filter((value, number, all) => !number || value - all[number - 1] > near);
    return axis("accuracy (log of the error)", {
      min, max, nameGap: 46, axisLabel: { customValues, formatter: (value) => `${Number((100 - 100 * 10 ** -value).toPrecision(4))} %` },
      axisTick: { show: false, customValues }, splitLine: { show: true, customValues, lineStyle: { color: token("line") } },
    });
  }

  const width = (name) => cards[name].plot.clientWidth;
  const textWidth = (text) => 7.4 * text.length;
  /** A legend that may wrap, and the room above a chart that it takes. */
  function legend(name, entries, swatch = 22) {
    let [rows, used] = [1, 0];
    for (const entry of entries) {
      const room = swatch + 5 + textWidth(entry) + 16;
      if (used && used + room > width(name)) [rows, used] = [rows + 1, 0];
      used += room;
    }
    return {
      top: 24 * rows + 18,
      legend: { top: 2, left: 0, width: width(name), itemWidth: swatch, itemHeight: 12, itemGap: 16, textStyle: { color: token("ink"), fontSize: 13 } },
    };
  }

  function accuracyChart() {
    const methods = data.methods.map((one) => ({ ...report(one), method: one.name, times: one.times }));
    const longest = Math.max(...methods.map((one) => one.latency));
    const head = legend("accuracy", methods.map((one) => one.method));
    const values = methods.flatMap((one) => [...one.accuracy, one.network_accuracy]).map(place);
    const steps = (one) => one.times;
    const series = methods.map((one, number) => ({
      type: "line", name: one.method, data: steps(one).map((step, index) => [step, place(one.accuracy[index])]),
      color: colour(number), symbol: symbol(number), symbolSize: one.accuracy.length === 1 ? 12 : 7,
      showSymbol: one.accuracy.length === 1, z: number === state.method ? 5 : 3,
      lineStyle: { width: number === state.method ? 3.2 : 1.8, type: dash(number) },
      ...(number ? {} : { markLine: { silent: true, animation: false, symbol: ["none", "none"], data: [mark({ yAxis: place(methods[0].network_accuracy) }, "original network", { place: "insideStartTop" })] } }),
    }));
    return {
      label: `Accuracy of ${methods.length} methods after each time step, beside the original network's ${percent(methods[0].network_accuracy)}.`,
      grid: { top: head.top, left: 70 },
      option: {
        legend: head.legend,
        xAxis: axis("time steps", longest > 20
          ? { type: "log", logBase: 2, min: 1, max: longest, axisLabel: { formatter: (value) => (Number.isInteger(Math.log2(value)) ? String(value) : "") } }
          : { min: 1, max: Math.max(2, longest), minInterval: 1 }),
        yAxis: accuracyAxis(Math.min(...values), Math.max(...values)),
        series,
      },
      axisTip: true,
      tip: (seriesIndex, dataIndex) => {
        const step = steps(methods[seriesIndex])[dataIndex];
        return [`step ${step}`, ...methods.flatMap((one, number) => {
          const index = steps(one).indexOf(step);
          return index < 0 ? [] : [[one.method, percent(one.accuracy[index]), colour(number)]];
        })];
      },
      first: state.method,
      table: () => ({
        columns: ["step", ...methods.map((one) => one.method)],
        rows: [...new Set(methods.flatMap(steps))].sort((a, b) => a - b).map((step) => [step, ...methods.map((one) => {
          const index = steps(one).indexOf(step);
          return index < 0 ? "–" : percent(one.accuracy[index]);
        })]),
      }),
    };
  }

  function energyChart() {
    const cost = ({ energy_ratio: ratio, accuracy }) => [ratio, place(accuracy)];
    const heads = data.methods.map((one) => cost(one.headline));
    const ends = data.methods.map((one) => cost(one.end));
    const ratios = [...heads, ...ends].map(([ratio]) => ratio);
    const [lowest, highest] = [Math.min(...ratios, 1), Math.max(...ratios, 1)];
    const span = highest / lowest > 6;
    const heights = [...[...heads, ...ends].map(([, height]) => height), place(report(data.methods[0]).network_accuracy)];
    const low = Math.min(...heights) - 0.35;
    const front = data.methods.map((one, number) => [one, heads[number]]).filter(([one]) => one.pareto).map(([, head]) => head).sort((a, b) => a[0] - b[0]);
    const fill = (number) => symbol(number).replace("empty", "").toLowerCase();
    const paths = data.methods.map((one, number) => ({
      type: "line", silent: true, symbol: "none", name: `${one.name} over time`, color: colour(number), z: 1,
      data: report(one).energy_over_time.length > 1 ? report(one).energy_over_time.map((ratio, step) => [ratio, place(report(one).accuracy[step])]) : [],
      lineStyle: { width: number === state.method ? 2.6 : 1.6, opacity: number === state.method ? 0.9 : 0.6, type: dash(number) },
    }));
    return {
      label: `${data.methods.length} methods by energy and accuracy; on the Pareto front: ${data.methods.filter((one) => one.pareto).map((one) => one.name).join(", ")}.`,
      grid: { left: 70, top: 30 },
      option: {
        xAxis: axis("energy, as a multiple of the original's", {
          type: span ? "log" : "value", min: span ? lowest / 1.6 : Math.max(0, lowest - 0.25 * (highest - lowest) - 0.05),
          max: span ? highest * 1.6 : highest + 0.25 * (highest - lowest) + 0.05, axisLabel: { showMaxLabel: false, showMinLabel: span ? false : null, formatter: tick },
        }),
        yAxis: accuracyAxis(low, Math.max(...heights, ...data.methods.flatMap((one) => report(one).accuracy.map(place)))),
        series: [
          { type: "scatter", name: "methods", z: 6,
            data: heads.map((value, number) => ({
              value, label: { position: value[0] > Math.sqrt(lowest * highest) && value[0] > 0.6 * highest ? "left" : "right" }, symbol: fill(number), symbolSize: number === state.method ? 17 : 13,
              itemStyle: { color: colour(number), borderColor: data.methods[number].pareto ? token("ink") : token("card"), borderWidth: data.methods[number].pareto ? 2.5 : 1 },
            })),
            label: { show: true, color: token("ink"), fontSize: 13, backgroundColor: token("card"), padding: [2, 4], borderRadius: 4, formatter: (point) => short(data.methods[point.dataIndex].name, 14) },
            labelLayout: { moveOverlap: "shiftY" },
            markLine: { silent: true, animation: false, symbol: ["none", "none"], data: [
              mark({ xAxis: 1 }, "same energy", { place: "end" }),
              mark({ yAxis: place(report(data.methods[0]).network_accuracy) }, ""),
            ] } },
          { type: "line", name: "Pareto front", silent: true, symbol: "none", step: "end", z: 2, data: front, lineStyle: { color: token("ink"), width: 1.2 } },
          { type: "scatter", name: "after all steps", silent: true, z: 5, data: ends.map((value, number) => ({ value, symbol: fill(number), symbolSize: 7, itemStyle: { color: colour(number) } })) },
          ...paths,
        ],
      },
      tip: (_, dataIndex) => {
        const one = data.methods[dataIndex];
        return [one.name + (one.pareto ? ", on the Pareto front" : ""), ["accuracy", percent(one.headline.accuracy)],
          ["energy", `${three(one.headline.energy_ratio)} ×`], ["step", whole(one.headline.step)],
          ["after all steps", `${percent(one.end.accuracy)}, ${three(one.end.energy_ratio)} ×, ${whole(one.end.step)}`]];
      },
      table: () => ({
        columns: ["method", "energy ratio", "accuracy", "step", "Pareto front", "energy ratio at the end", "accuracy at the end"],
        rows: data.methods.map((one) => [one.name, three(one.headline.energy_ratio), percent(one.headline.accuracy), whole(one.headline.step), one.pareto ? "yes" : "no",
          three(one.end.energy_ratio), percent(one.end.accuracy)]),
      }),
    };
  }

  function ratesChart() {
    const run = method().layers[state.layer];
    const top = Math.max(...run.activations, ...run.delivered, 1e-9);
    const low = Math.min(0, ...run.activations, ...run.delivered);
    return {
      label: `Layer ${layerName()}, ${method().name}: ${run.activations.length} neurons' activations against what their spikes deliver; correlation ${run.correlation === null ? "not defined" : run.correlation.toFixed(4)}.`,
      option: {
        xAxis: axis("activation in the original network", { min: low, max: top, axisLabel: { formatter: tick, showMaxLabel: false } }),
        yAxis: axis("what the spikes deliver", { min: low, max: top, nameGap: 42, axisLabel: { formatter: tick, showMaxLabel: false } }),
        series: [{
          type: "scatter", data: run.activations.map((value, number) => [value, run.delivered[number]]), symbolSize: 5, animation: false,
          itemStyle: { color: colour(state.method), opacity: 0.5 },
          markLine: { silent: true, animation: false, symbol: ["none", "none"], data: [[
            { coord: [low, low], symbol: "none" },
            { coord: [top, top], symbol: "none", lineStyle: { color: token("soft"), type: [5, 4], width: 1.2 }, label: { show: false } },
          ]] },
        }],
      },
      tip: (_, index) => [layerName(), ["activation", three(run.activations[index])], ["spikes deliver", three(run.delivered[index])]],
      table: () => ({ columns: ["activation", "spikes deliver"], rows: run.activations.map((value, number) => [three(value), three(run.delivered[number])]) }),
    };
  }

  const edges = (histogram) => histogram.counts.map((_, bin) => histogram.low + (bin * (histogram.high - histogram.low)) / histogram.counts.length);

  /** A histogram as an area with steps, on a logarithmic axis. */
  function histogramChart(histogram, { x, y, tint, marks, areas = [], max = histogram.high, min = histogram.low, label, noun }) {
    const lower = edges(histogram);
    const width = (histogram.high - histogram.low) / histogram.counts.length;
    const points = lower.map((edge, bin) => [edge, Math.max(histogram.counts[bin], 0.7)]);
    points.push([histogram.high, Math.max(last(histogram.counts), 0.7)]);
    const range = (bin) => `${three(lower[bin])} to ${three(lower[bin] + width)}`;
    const bin = (index) => Math.min(index, lower.length - 1);
    return {
      label, axisTip: true,
      grid: { top: 34 },
      option: {
        xAxis: axis(x, { min, max, axisLabel: { formatter: tick, showMaxLabel: false, showMinLabel: min === 0 } }),
        yAxis: axis(y, { type: "log", min: 0.7, nameGap: 42, axisLabel: { formatter: (value) => (value >= 1 ? brief(value) : "") } }),
        series: [{
          type: "line", step: "end", data: points, symbol: "none", color: tint, lineStyle: { width: 1.6 }, areaStyle: { color: tint, opacity: 0.28, origin: "start" }, animation: false,
          markLine: { silent: true, animation: false, symbol: ["none", "none"], data: marks },
          markArea: { silent: true, animation: false, data: areas },
        }],
      },
      tip: (_, index) => [range(bin(index)), [noun, whole(histogram.counts[bin(index)])]],
      table: () => ({
        columns: [x, noun],
        rows: [...(histogram.below ? [[`below ${three(histogram.low)}`, whole(histogram.below)]] : []),
          ...lower.map((_, number) => [range(number), whole(histogram.counts[number])]),
          ...(histogram.above ? [[`above ${three(histogram.high)}`, whole(histogram.above)]] : [])],
      }),
    };
  }

  function activationsChart() {
    const layer = data.layers[state.layer];
    const { scale } = method().layers[state.layer];
    const histogram = layer.activations;
    const seen = scale.largest <= 3 * histogram.high;
    const near = (value) => value > 0.55 * Math.max(histogram.high, scale.largest);
    return histogramChart(histogram, {
      x: "positive activations", y: "neurons × images", noun: "activations", tint: token("soft"),
      max: seen ? Math.max(histogram.high, 1.06 * scale.largest) : histogram.high, min: 0,
      marks: seen ? [mark({ xAxis: scale.median }, `${short(method().name, 12)}: ${three(scale.median)}`, { colour: colour(state.method), type: "solid", width: 2.4, place: "end", align: near(scale.median) ? "right" : "center" })] : [],
      areas: seen && scale.largest > scale.least ? [[{ xAxis: scale.least, itemStyle: { color: colour(state.method), opacity: 0.12 } }, { xAxis: scale.largest }]] : [],
      label: `Histogram of the positive activations of ${layer.name}, and the scale that ${method().name} chose: ${three(scale.median)}.`,
    });
  }

  function membraneChart() {
    const run = method().layers[state.layer];
    const { membrane } = run;
    const beyond = membrane.high > 1.02;
    return histogramChart(membrane, {
      x: "potential after the last step, in thresholds", y: "neurons × images", noun: "neurons", tint: colour(state.method),
      marks: [mark({ xAxis: 0 }, ""), mark({ xAxis: 1 }, beyond ? "threshold" : "", { place: "end", align: 1 - membrane.low < 0.2 * (membrane.high - membrane.low) ? "left" : "center" })],
      areas: beyond ? [[{ xAxis: 1, itemStyle: { color: token("soft"), opacity: 0.1 } }, { xAxis: membrane.high }]] : [],
      label: `Histogram of the potentials left in ${layerName()} under ${method().name}; ${percent(run.stored, 1)} at the threshold or above.`,
    });
  }

  function spikesChart() {
    const runs = method().layers;
    const names = data.layers.map((layer) => layer.name);
    const known = runs.some((run) => run.expected !== null);
    const head = legend("spikes", known ? ["sent", "activations would send"] : ["sent"], 16);
    const all = runs.flatMap((run) => [run.spikes, run.expected || 0]).filter((value) => value > 0);
    const log = Math.max(...all, 1) / Math.min(...all, Infinity) > 60;
    const shown = (value) => (log ? Math.max(value, 0.7) : value);
    const wants = { type: "scatter", name: "activations would send", symbol: "diamond", symbolSize: 13, z: 5,
      itemStyle: { color: token("card"), borderColor: token("ink"), borderWidth: 2 }, data: runs.map((run) => (run.expected === null ? null : shown(run.expected))) };
    return {
      label: `Spikes per image of ${names.length} layers under ${method().name}.`,
      grid: { top: head.top, left: 64 }, zoomX: true,
      option: {
        legend: head.legend,
        xAxis: axis("", { type: "category", data: names, splitLine: { show: false }, axisLabel: { formatter: (name) => tail(name, names.length > 6 ? 9 : 16), rotate: names.length > 6 ? 40 : 0, interval: Math.ceil((19 * names.length) / Math.max(1, width("spikes") - 80)) - 1 } }),
        yAxis: axis("spikes of an image", { type: log ? "log" : "value", ...(log ? { min: 0.7 } : {}), nameGap: 46, axisLabel: { formatter: (value) => (log && value < 1 ? "" : brief(value)) } }),
        series: [{ type: "bar", name: "sent", barMaxWidth: 54, color: colour(state.method), itemStyle: { color: colour(state.method), borderRadius: [4, 4, 0, 0] },
          data: runs.map((run, number) => ({ value: shown(run.spikes), itemStyle: { opacity: number === state.layer ? 1 : 0.62 } })) }, ...(known ? [wants] : [])],
      },
      tip: (_, index) => [names[index], ["sent", brief(runs[index].spikes)], ...(runs[index].expected === null ? [] : [["activations would send", brief(runs[index].expected)]]),
        ["per neuron", three(runs[index].spikes / data.layers[index].neurons)]],
      click: ({ dataIndex }) => state.choose({ layer: dataIndex }),
      table: () => ({
        columns: ["layer", "neurons", "spikes sent", "activations would send", `of all ${whole(report(method()).images)} images`],
        rows: names.map((name, number) => [name, whole(data.layers[number].neurons), brief(runs[number].spikes), runs[number].expected === null ? "–" : brief(runs[number].expected),
          name in report(method()).spikes_per_layer ? brief(report(method()).spikes_per_layer[name]) : "–"]),
      }),
    };
  }

  function rasterChart() {
    const raster = method().rasters[state.example];
    const rows = [];
    let top = 0;
    for (const layer of raster.layers) {
      rows.push(top);
      top += Math.max(layer.neurons.length, 1) + 3;
    }
    const points = raster.layers.map((layer, number) => layer.times.flatMap((times, row) => times.map((step) => [layer.first_step + step, rows[number] + row + 0.5])));
    const middles = raster.layers.map((layer, number) => rows[number] + Math.max(layer.neurons.length, 1) / 2);
    const names = new Map(middles.map((middle, number) => [middle, tail(raster.layers[number].name, 11)]));
    const crowded = raster.layers.length > 14;
    const left = 18 + Math.max(...[...names.values()].map(textWidth), 20);
    const height = Math.max(2, Math.min(9, 340 / Math.max(top, 1)));
    const across = Math.max(1.5, Math.min(14, (0.55 * (width("raster") - left)) / raster.steps));
    return {
      label: `Spikes of ${raster.layers.length} layers over ${raster.steps} steps for image ${data.examples[state.example].number}, ${method().name}.`,
      grid: { left },
      option: {
        xAxis: axis("time steps", { min: 0.5, max: raster.steps + 0.5, minInterval: 1, axisLabel: { formatter: (value) => (Number.isInteger(value) ? String(value) : "") }, splitLine: { show: false } }),
        yAxis: axis("", { min: -2, max: top, inverse: true, splitLine: { show: false }, axisTick: { show: false, customValues: middles },
          axisLabel: { customValues: middles, interval: 0, hideOverlap: crowded, color: token("ink"), formatter: (value) => names.get(value) || "" } }),
        series: raster.layers.map((layer, number) => ({
          type: "scatter", name: layer.name, data: points[number], animation: false, symbol: "rect", symbolSize: [across, height],
          itemStyle: { color: colour(state.method), opacity: layer.name === layerName() ? 1 : 0.6 },
          markArea: { silent: true, animation: false, data: [[{ yAxis: rows[number] - 1, itemStyle: { color: token("wash"), opacity: layer.name === layerName() ? 1 : 0.5 } }, { yAxis: rows[number] + Math.max(layer.neurons.length, 1) + 1 }]] },
        })),
      },
      tip: (seriesIndex, index) => {
        const [step, row] = points[seriesIndex][index];
        const layer = raster.layers[seriesIndex];
        return [layer.name, ["neuron", whole(layer.neurons[Math.floor(row) - rows[seriesIndex]])], ["step", step]];
      },
      table: () => ({
        columns: ["layer", "neuron", "fired in steps"],
        rows: raster.layers.flatMap((layer) => layer.neurons.map((neuron, row) => [layer.name, whole(neuron), layer.times[row].map((step) => layer.first_step + step).join(" ")])),
      }),
    };
  }

  function decisionChart() {
    const raster = method().rasters[state.example];
    return raster.outputs.length > 1 ? decisionOverTime(raster) : decisionAtOnce(raster);
  }

  /** The classes worth drawing: those with the largest outputs, and the right one. */
  function classesOf(outputs, count) {
    const order = outputs.map((value, number) => [value, number]).sort((a, b) => b[0] - a[0]).map(([, number]) => number);
    const { label } = data.examples[state.example];
    const kept = order.slice(0, count);
    return kept.includes(label) ? kept : [...kept.slice(0, -1), label];
  }

  /** Of the classes, best first, those whose ends have room for a label. */
  function apart(shown, end, right, range) {
    const kept = [shown[0]];
    for (const number of [...new Set([right, ...shown])]) {
      if (!kept.includes(number) && kept.every((other) => Math.abs(end[other] - end[number]) > 0.065 * range)) kept.push(number);
    }
    return kept;
  }

  function decisionOverTime(raster) {
    const end = last(raster.outputs);
    const shown = classesOf(end, 10);
    const example = data.examples[state.example];
    const tint = (number) => (number === shown[0] ? colour(state.method) : number === example.label ? token("ink") : token("soft"));
    const labelled = apart(shown, end, example.label, Math.max(...raster.outputs.flat()) - Math.min(...raster.outputs.flat()));
    const leaders = raster.outputs.map((outputs) => outputs.indexOf(Math.max(...outputs)));
    return {
      label: `Outputs of ${shown.length} classes over ${raster.steps} steps; ${className(shown[0])} wins.`,
      axisTip: true, first: 0, grid: { left: 70, right: 14 + Math.max(...labelled.map((number) => textWidth(short(className(number), 11)))) },
      option: {
        xAxis: axis("time steps", { min: 0.5, max: raster.steps + 0.5, minInterval: 1, axisLabel: { formatter: (value) => (Number.isInteger(value) ? String(value) : "") }, splitLine: { show: false } }),
        yAxis: axis("output so far", { nameGap: 54, axisLabel: { formatter: tick } }),
        series: shown.map((number, rank) => ({
          type: "line", name: className(number), data: raster.outputs.map((outputs, step) => [step + 1, outputs[number]]), symbol: "none", color: tint(number), animation: false,
          lineStyle: { width: rank === 0 ? 3 : number === example.label ? 2.2 : 1.2, opacity: rank === 0 || number === example.label ? 1 : 0.6 }, z: 10 - rank,
          endLabel: { show: labelled.includes(number), formatter: () => short(className(number), 11), color: tint(number), fontSize: 12.5, fontWeight: rank === 0 ? 650 : 400, distance: 6 },
        })),
      },
      tip: (_, index) => [`step ${index + 1}: ${className(leaders[index])}`, ...classesOf(raster.outputs[index], 4).slice(0, 4).map((number) => [className(number), three(raster.outputs[index][number])])],
      table: () => ({
        columns: ["step", "decision", ...shown.map(className)],
        rows: raster.outputs.map((outputs, step) => [step + 1, className(leaders[step]), ...shown.map((number) => three(outputs[number]))]),
      }),
    };
  }

  function decisionAtOnce(raster) {
    const [outputs] = raster.outputs;
    const { outputs: wanted } = data.examples[state.example];
    const shown = classesOf(outputs, 10);
    const head = legend("decision", ["spiking", "original network"], 16);
    return {
      label: `Outputs of ${shown.length} classes; ${className(shown[0])} wins.`, zoomX: true,
      grid: { left: 64, top: head.top },
      option: {
        legend: head.legend,
        xAxis: axis("", { type: "category", data: shown.map(className), splitLine: { show: false }, axisLabel: { formatter: (name) => short(name, 10), rotate: shown.some((number) => className(number).length > 5) ? 40 : 0 } }),
        yAxis: axis("output", { nameGap: 44, axisLabel: { formatter: tick } }),
        series: [
          { type: "bar", name: "spiking", color: colour(state.method), barMaxWidth: 34, data: shown.map((number) => outputs[number]) },
          { type: "scatter", name: "original network", symbol: "diamond", symbolSize: 12, itemStyle: { color: token("card"), borderColor: token("ink"), borderWidth: 2 }, data: shown.map((number) => wanted[number]) },
        ],
      },
      tip: (_, index) => [className(shown[index]), ["spiking", three(outputs[shown[index]])], ["original network", three(wanted[shown[index]])]],
      table: () => ({ columns: ["class", "spiking", "original network"], rows: shown.map((number) => [className(number), three(outputs[number]), three(wanted[number])]) }),
    };
  }

  return {
    accuracy: accuracyChart, energy: energyChart, rates: ratesChart, activations: activationsChart,
    membrane: membraneChart, spikes: spikesChart, raster: rasterChart, decision: decisionChart,
  };
};
