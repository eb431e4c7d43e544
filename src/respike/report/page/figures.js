"use strict";
/* Each chart of the page, as a function of what is chosen. */

/**
 * data: the page's; state: what is chosen, with state.at: where each method is read; cards: where the charts stand.
 * Gives a function for each card.
 */
const Figures = (data, state, cards) => {
  const { axis, colour, dash, mark, symbol, token } = Charts;
  const { apart, brief, last, percent, short, three, tick, times, whole } = Words;
  const method = () => data.methods[state.method];
  const here = () => state.at[state.method];
  const network = data.methods[state.method].report.network_accuracy;
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

  /** The marks of where methods are read; the chosen one is larger. */
  const readAt = (point) => ({
    type: "scatter", name: "read", silent: true, z: 8, animation: false,
    data: state.at.filter((one) => one.step).map((one) => ({
      value: point(one), symbol: symbol(one.method), symbolSize: one.method === state.method ? 15 : 10,
      itemStyle: { color: colour(one.method), borderColor: token("card"), borderWidth: 1.2 },
    })),
  });
  const original = (more) => mark({ yAxis: place(network) }, more, { place: "insideStartTop" });
  /** What the slider holds the same, as a line. */
  const held = (mode, position) => (state.mode === mode && state.value ? [mark(position(state.value), "", { type: "solid" })] : []);
  const allowed = () => held("loss", (most) => ({ yAxis: place(network - most / 100) }));

  function accuracyChart() {
    const methods = data.methods;
    const longest = Math.max(...methods.map((one) => last(one.curve.step)));
    const head = legend("accuracy", methods.map((one) => one.name), 30);
    const values = [...methods.flatMap((one) => one.curve.accuracy), network].map(place);
    const series = methods.map((one, number) => ({
      type: "line", name: one.name, data: one.curve.step.map((step, index) => [step, place(one.curve.accuracy[index])]),
      color: colour(number), symbol: symbol(number), symbolSize: 8, showSymbol: one.curve.step.length === 1, z: number === state.method ? 5 : 3,
      lineStyle: { width: number === state.method ? 3 : 1.7, type: dash(number) },
      ...(number ? {} : { markLine: { silent: true, animation: false, symbol: ["none", "none"], data: [original("original network"), ...allowed(), ...held("step", (step) => ({ xAxis: step }))] } }),
    }));
    return {
      label: `Accuracy of ${methods.length} methods after each time step, beside the original network's ${percent(network)}.`,
      grid: { top: head.top, left: 70 },
      option: {
        legend: { ...head.legend, data: methods.map((one) => one.name) },
        xAxis: axis("time steps", longest > 20
          ? { type: "log", logBase: 2, min: 1, max: longest, axisLabel: { formatter: (value) => (Number.isInteger(Math.log2(value)) ? String(value) : "") } }
          : { min: 1, max: Math.max(2, longest), minInterval: 1 }),
        yAxis: accuracyAxis(Math.min(...values), Math.max(...values)),
        series: [...series, readAt((one) => [one.step, place(one.accuracy)])],
      },
      axisTip: true,
      tip: (seriesIndex, dataIndex) => {
        const step = methods[Math.min(seriesIndex, methods.length - 1)].curve.step[dataIndex] || here().step;
        return [`step ${step}`, ...methods.flatMap((one, number) => {
          const index = one.curve.step.indexOf(step);
          return index < 0 ? [] : [[one.name, percent(one.curve.accuracy[index]), colour(number)]];
        })];
      },
      first: state.method,
      table: () => ({
        columns: [["step"], ...methods.map((one) => [one.name, percent])],
        rows: [...new Set(methods.flatMap((one) => one.curve.step))].sort((a, b) => a - b).map((step) => [step, ...methods.map((one) => {
          const index = one.curve.step.indexOf(step);
          return index < 0 ? null : one.curve.accuracy[index];
        })]),
      }),
    };
  }

  function energyChart() {
    const read = state.at.filter((one) => one.step);
    const front = new Set(state.front);
    // Before the first method is nearly right, there is little to see.
    const cheapest = Math.min(...read.map((one) => one.energy), 1) / 3;
    const all = data.methods.flatMap((one) => one.curve.energy).filter((ratio) => ratio >= cheapest);
    const [lowest, highest] = [Math.min(...all, 1), Math.max(...all, 1)];
    const span = highest / lowest > 6;
    const heights = [...data.methods.flatMap((one) => one.curve.accuracy), network].map(place);
    const bottom = Math.max(Math.min(...heights), Math.min(...read.map((one) => place(one.accuracy)), place(network)) - 0.6);
    const head = legend("energy", data.methods.map((one) => one.name), 30);
    const paths = data.methods.map((one, number) => ({
      type: "line", name: one.name, silent: true, symbol: symbol(number), symbolSize: 8, showSymbol: false, color: colour(number), z: 1, animation: false,
      data: one.curve.energy.map((ratio, index) => [ratio, place(one.curve.accuracy[index])]),
      lineStyle: { width: number === state.method ? 2.8 : 1.5, opacity: number === state.method ? 1 : 0.7, type: dash(number) },
    }));
    const steps = read.filter((one) => front.has(one.method)).map((one) => [one.energy, place(one.accuracy)]).sort((a, b) => a[0] - b[0]);
    return {
      label: `${read.length} methods by energy and accuracy, where they are read; on the Pareto front: ${state.front.map((number) => data.methods[number].name).join(", ") || "none"}.`,
      grid: { left: 70, top: head.top + 14 },
      option: {
        legend: { ...head.legend, data: data.methods.map((one) => one.name) },
        xAxis: axis("energy, as a multiple of the original’s", {
          type: span ? "log" : "value", min: span ? lowest / 1.4 : Math.max(0, lowest - 0.1 * (highest - lowest) - 0.02),
          max: span ? highest * 1.4 : highest + 0.15 * (highest - lowest) + 0.02, axisLabel: { showMaxLabel: false, showMinLabel: false, formatter: tick },
        }),
        yAxis: accuracyAxis(bottom, Math.max(...heights)),
        series: [
          { type: "scatter", name: "methods", z: 6, animation: false,
            data: read.map((one) => ({
              value: [one.energy, place(one.accuracy)], symbol: symbol(one.method), symbolSize: one.method === state.method ? 18 : 13,
              itemStyle: { color: colour(one.method), borderColor: front.has(one.method) ? token("ink") : token("card"), borderWidth: front.has(one.method) ? 2 : 1 },
            })),
            markLine: { silent: true, animation: false, symbol: ["none", "none"], data: [
              mark({ xAxis: 1 }, "same energy", { place: "end", align: highest < 1.6 ? "right" : "center" }), original(""), ...allowed(), ...held("energy", (ratio) => ({ xAxis: ratio })),
            ] } },
          { type: "line", name: "Pareto front", silent: true, symbol: "none", step: "end", z: 2, data: steps, lineStyle: { color: token("ink"), width: 1.2 }, animation: false },
          ...paths,
        ],
      },
      click: ({ seriesIndex, dataIndex }) => (seriesIndex === 0 ? state.choose({ method: read[dataIndex].method }) : null),
      tip: (_, dataIndex) => {
        const one = read[dataIndex];
        return [data.methods[one.method].name + (front.has(one.method) ? ", on the Pareto front" : ""), ["accuracy", percent(one.accuracy)],
          ["energy", times(one.energy)], ["step", whole(one.step)]];
      },
      table: () => ({
        columns: [["method"], ["step", whole], ["energy ratio", three], ["accuracy", percent], ["read here"]],
        rows: data.methods.flatMap((one, number) => one.curve.step.map((step, index) => [one.name, step, one.curve.energy[index], one.curve.accuracy[index], state.at[number].step === step ? "yes" : ""])),
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
      table: () => ({ columns: [["activation", three], ["spikes deliver", three]], rows: run.activations.map((value, number) => [value, run.delivered[number]]) }),
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
        columns: [[`${x}: from`, three], ["to", three], [noun, whole]],
        rows: [...(histogram.below ? [[null, histogram.low, histogram.below]] : []),
          ...lower.map((edge, number) => [edge, edge + width, histogram.counts[number]]),
          ...(histogram.above ? [[histogram.high, null, histogram.above]] : [])],
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

  /** The layers of a method where it is read: spikes, additions and multiply-accumulates until then, and their energy. */
  function layerCosts() {
    const place = here().place ?? method().curve.step.length - 1;
    return method().costs.map((cost) => {
      const [additions, spikes] = [cost.operations[place], cost.spikes[place]];
      return { ...cost, additions, spikes, energy: cost.macs * data.mac_energy + additions * data.addition_energy,
        original: cost.original_macs ? cost.original_macs * data.mac_energy : null };
    });
  }

  /** What a layer computes with, in words. */
  const kindOf = (cost) => (cost.kind === "spikes" ? "spikes" : cost.kind === "input" ? (cost.macs ? "input, as numbers" : "input, as spikes") : cost.kind === "held" ? "analog: a value that is held" : `analog: ${cost.kind}`);

  /** Bars that lie, one for each layer from the first at the top: their names stay readable however many there are. */
  function bars(rows, { name, top, x, series, tip, table, label, marks }) {
    const names = rows.map((row) => row.name);
    const room = Math.max(10, Math.min(26, Math.floor((0.36 * width(name)) / 6.8)));
    const cut = apart(names, room);
    const step = rows.length > 30 ? 17 : rows.length > 12 ? 21 : 28;
    const chosen = names.indexOf(layerName());
    return {
      label, zoomX: true, height: Math.max(220, top + 46 + step * rows.length),
      grid: { top, left: 14 + Math.max(...cut.map((text) => 6.8 * text.length)), right: 26 },
      option: {
        legend: marks.legend,
        xAxis: axis(x, { min: 0, axisLabel: { formatter: tick, showMaxLabel: true } }),
        yAxis: axis("", { type: "category", data: names, inverse: true, splitLine: { show: false },
          axisLabel: { interval: 0, hideOverlap: false, fontSize: step < 20 ? 11 : 12, color: (value, index) => token(index === chosen ? "ink" : "soft"), formatter: (value, index) => cut[index] } }),
        series: series.map((one) => ({ barMaxWidth: 16, animation: false, ...one })),
      },
      tip, table,
      click: ({ dataIndex }) => {
        const layer = data.layers.findIndex((one) => one.name === names[dataIndex]);
        if (layer >= 0) state.choose({ layer });
      },
    };
  }

  const wanted = (values, name) => ({ type: "scatter", name, symbol: "diamond", symbolSize: 10, z: 5, itemStyle: { color: token("card"), borderColor: token("ink"), borderWidth: 1.6 }, data: values });

  /** The same room above both charts of layers, so that a layer stands at one height in both. */
  const layersTop = () => legend("layerEnergy", ["spikes: additions", "input: multiply-accumulates", ...(layerCosts().some((row) => !["spikes", "input"].includes(row.kind)) ? ["analog: multiply-accumulates"] : []), "in the original"], 16).top;

  function layerEnergyChart() {
    const rows = layerCosts();
    const percents = rows.map((row) => 100 * row.energy);
    const analog = rows.some((row) => !["spikes", "input"].includes(row.kind));
    const numbers = rows.some((row) => row.kind === "input" && row.macs);
    const parts = [["spikes: additions", (row) => row.kind === "spikes" || !row.macs, colour(state.method)],
      ...(numbers ? [["input: multiply-accumulates", (row) => row.kind === "input" && row.macs, token("soft")]] : []),
      ...(analog ? [["analog: multiply-accumulates", (row) => !["spikes", "input"].includes(row.kind), token("analog")]] : [])];
    const head = legend("layerEnergy", [...parts.map(([name]) => name), "in the original"], 16);
    return bars(rows, {
      name: "layerEnergy", top: layersTop(), x: "energy, in % of the original network’s", marks: head,
      label: `Energy of ${rows.length} layers under ${method().name}, in percent of the original network's.`,
      series: [...parts.map(([name, belongs, tint]) => ({ type: "bar", name, stack: "energy", color: tint, data: rows.map((row, number) => (belongs(row) ? percents[number] : 0)) })),
        wanted(rows.map((row) => (row.original === null ? null : 100 * row.original)), "in the original")],
      tip: (_, index) => {
        const row = rows[index];
        return [row.name, [kindOf(row), `${three(percents[index])} %`], ...(row.original === null ? [] : [["in the original", `${three(100 * row.original)} %`]]),
          ...(row.additions ? [["additions", brief(row.additions)]] : []), ...(row.macs ? [["multiply-accumulates", brief(row.macs)]] : [])];
      },
      table: () => ({
        note: `For one image, ${method().name} until step ${whole(here().step ?? last(method().curve.step))}.`,
        columns: [["layer"], ["computes with"], ["values", whole], ["spikes per value", three], ["additions", brief], ["multiply-accumulates", brief], ["energy, % of the original network", three], ["in the original, %", three]],
        rows: rows.map((row, number) => [row.name, kindOf(row), row.neurons, row.spikes / row.neurons, row.additions, row.macs, percents[number], row.original === null ? null : 100 * row.original]),
      }),
    });
  }

  function spikesChart() {
    const place = here().place ?? method().curve.step.length - 1;
    const share = method().input_share[place];
    const rows = layerCosts();
    const sends = (row) => row.kind === "spikes" || row.spikes > 0;
    const looked = new Map(data.layers.map((layer, number) => [layer.name, method().layers[number]]));
    const expected = rows.map((row) => {
      const run = looked.get(row.name);
      return run && run.expected !== null ? (share * run.expected) / row.neurons : null;
    });
    const known = expected.some((value) => value !== null);
    const head = legend("spikes", known ? ["sent", "activations would send"] : ["sent"], 16);
    const sent = rows.map((row) => (sends(row) ? row.spikes / row.neurons : null));
    return bars(rows, {
      name: "spikes", top: layersTop(), x: "spikes of a neuron for an image", marks: head,
      label: `Spikes per neuron of ${rows.filter(sends).length} layers under ${method().name}.`,
      series: [{ type: "bar", name: "sent", color: colour(state.method), data: rows.map((row, number) => ({ value: sent[number], itemStyle: { opacity: row.name === layerName() ? 1 : 0.68 } })) },
        ...(known ? [wanted(expected, "activations would send")] : [])],
      tip: (_, index) => [rows[index].name, ["spikes per neuron", three(sent[index])], ...(expected[index] === null ? [] : [["activations would send", three(expected[index])]]), ["spikes", brief(rows[index].spikes)], ["neurons", whole(rows[index].neurons)]],
      table: () => ({
        columns: [["layer"], ["neurons", whole], ["spikes", brief], ["spikes per neuron", three], ["activations would send", three]],
        rows: rows.map((row, number) => [row.name, row.neurons, row.spikes, sent[number], expected[number]]).filter((_, number) => sends(rows[number])),
      }),
    });
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
    const cut = apart(raster.layers.map((layer) => layer.name), width("raster") > 600 ? 22 : 12);
    const names = new Map(middles.map((middle, number) => [middle, cut[number]]));
    const crowded = raster.layers.length > 14;
    const left = 18 + Math.max(...[...names.values()].map(textWidth), 20);
    const height = Math.max(2, Math.min(9, 340 / Math.max(top, 1)));
    const read = raster.outputs.length > 1 && here().step < raster.steps ? here().step : null;
    const across = Math.max(1.5, Math.min(14, (0.55 * (width("raster") - left)) / raster.steps));
    return {
      label: `Spikes of ${raster.layers.length} layers over ${raster.steps} steps for image ${data.examples[state.example].number}, ${method().name}.`,
      grid: { left, top: read ? 30 : 14 },
      option: {
        xAxis: axis("time steps", { min: 0.5, max: raster.steps + 0.5, minInterval: 1, axisLabel: { formatter: (value) => (Number.isInteger(value) ? String(value) : "") }, splitLine: { show: false } }),
        yAxis: axis("", { min: -2, max: top, inverse: true, splitLine: { show: false }, axisTick: { show: false, customValues: middles },
          axisLabel: { customValues: middles, interval: 0, hideOverlap: crowded, color: token("ink"), formatter: (value) => names.get(value) || "" } }),
        series: raster.layers.map((layer, number) => ({
          type: "scatter", name: layer.name, data: points[number], animation: false, symbol: "rect", symbolSize: [across, height],
          itemStyle: { color: colour(state.method), opacity: layer.name === layerName() ? 1 : 0.6 },
          ...(number || !read ? {} : { markLine: { silent: true, animation: false, symbol: ["none", "none"], data: [mark({ xAxis: read + 0.5 }, `read after step ${read}`, { place: "start", align: read > 0.8 * raster.steps ? "right" : "center" })] } }),
          markArea: { silent: true, animation: false, data: [[{ yAxis: rows[number] - 1, itemStyle: { color: token("wash"), opacity: layer.name === layerName() ? 1 : 0.5 } }, { yAxis: rows[number] + Math.max(layer.neurons.length, 1) + 1 }]] },
        })),
      },
      tip: (seriesIndex, index) => {
        const [step, row] = points[seriesIndex][index];
        const layer = raster.layers[seriesIndex];
        return [layer.name, ["neuron", whole(layer.neurons[Math.floor(row) - rows[seriesIndex]])], ["step", step]];
      },
      table: () => ({
        columns: [["layer"], ["neuron", whole], ["fired in steps"]],
        rows: raster.layers.flatMap((layer) => layer.neurons.map((neuron, row) => [layer.name, neuron, layer.times[row].map((step) => layer.first_step + step).join(" ")])),
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
  function withRoom(shown, end, right, range) {
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
    const labelled = withRoom(shown, end, example.label, Math.max(...raster.outputs.flat()) - Math.min(...raster.outputs.flat()));
    const read = here().step < raster.steps ? here().step : null;
    const leaders = raster.outputs.map((outputs) => outputs.indexOf(Math.max(...outputs)));
    return {
      label: `Outputs of ${shown.length} classes over ${raster.steps} steps; ${className(shown[0])} wins.`,
      axisTip: true, first: 0, grid: { left: 70, top: read ? 30 : 14, right: 14 + Math.max(...labelled.map((number) => textWidth(short(className(number), 11)))) },
      option: {
        xAxis: axis("time steps", { min: 0.5, max: raster.steps + 0.5, minInterval: 1, axisLabel: { formatter: (value) => (Number.isInteger(value) ? String(value) : "") }, splitLine: { show: false } }),
        yAxis: axis("output so far", { nameGap: 54, axisLabel: { formatter: tick } }),
        series: shown.map((number, rank) => ({
          type: "line", name: className(number), data: raster.outputs.map((outputs, step) => [step + 1, outputs[number]]), symbol: "none", color: tint(number), animation: false,
          ...(rank || !read ? {} : { markLine: { silent: true, animation: false, symbol: ["none", "none"], data: [mark({ xAxis: read }, `read after step ${read}`, { place: "end", align: read > 0.8 * raster.steps ? "right" : "center" })] } }),
          lineStyle: { width: rank === 0 ? 3 : number === example.label ? 2.2 : 1.2, opacity: rank === 0 || number === example.label ? 1 : 0.6 }, z: 10 - rank,
          endLabel: { show: labelled.includes(number), formatter: () => short(className(number), 11), color: tint(number), fontSize: 12.5, fontWeight: rank === 0 ? 650 : 400, distance: 6 },
        })),
      },
      tip: (_, index) => [`step ${index + 1}: ${className(leaders[index])}`, ...classesOf(raster.outputs[index], 4).slice(0, 4).map((number) => [className(number), three(raster.outputs[index][number])])],
      table: () => ({
        columns: [["step"], ["decision"], ...shown.map((number) => [className(number), three])],
        rows: raster.outputs.map((outputs, step) => [step + 1, className(leaders[step]), ...shown.map((number) => outputs[number])]),
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
      table: () => ({ columns: [["class"], ["spiking", three], ["original network", three]], rows: shown.map((number) => [className(number), outputs[number], wanted[number]]) }),
    };
  }

  const charts = {
    accuracy: accuracyChart, energy: energyChart, layerEnergy: layerEnergyChart, spikes: spikesChart, rates: ratesChart,
    activations: activationsChart, membrane: membraneChart, raster: rasterChart, decision: decisionChart,
  };
  return { charts, layerCosts };
};
