"use strict";
/* The page's tables and the texts beside its charts, as functions of what is chosen. */

/** data: the page's; state: what is chosen, with state.at; layerCosts: see Figures. */
const Tables = (data, state, layerCosts) => {
  const { colour, downloads, element, fill, shown, swatch, token } = Charts;
  const { brief, last, percent, plural, points, short, three, times, whole } = Words;
  const at = (id) => document.getElementById(id);
  const method = () => data.methods[state.method];
  const here = () => state.at[state.method];
  const className = (number) => data.classes[number];
  const best = (outputs) => outputs.indexOf(Math.max(...outputs));

  function tiles() {
    const [one, read, { report, curve, window }] = [here(), here().step, method()];
    const end = last(curve.step);
    const none = (title) => [title, "–", one.why, ""];
    const lost = one.loss;
    const rounded = report.rounded_accuracy === null ? "" : ` With activations rounded to as many levels, it has ${percent(report.rounded_accuracy)}.`;
    const within = `${plural(report.decisions, "decision")} of ${whole(report.images)}`;
    const stands = curve.stands === null ? `The accuracy never comes to stay within ${within} of the original’s.` : `From step ${whole(curve.step[curve.stands])} on the accuracy stays within ${within} of the original’s.`;
    const layered = window === null ? "" : ` Each layer takes K = ${window}, one after the other.`;
    const later = (value) => (read === end ? "" : ` After all steps: ${value}.`);
    const all = read ? [
      [report.labelled ? "Accuracy" : "Agreement", percent(one.accuracy), Math.abs(lost) < 0.005 ? "nothing lost" : `${points(Math.abs(lost))} points ${lost > 0 ? "lost" : "gained"}`,
        `${percent(one.low)} to ${percent(one.high)} with 95 % confidence, from ${plural(report.images, "image")}. ${report.labelled ? `The original network has ${percent(report.network_accuracy)}.` : "They have no labels: what the original network decides counts as right."}${rounded}${later(percent(last(curve.accuracy)))}`],
      ["Time", whole(read), `of ${plural(end, "step")}`, `${stands}${layered} The next image can follow after ${whole(report.interval)} steps.`],
      ["Spikes", three(one.spikes), "per neuron", `Sent for an image until then, on average over ${whole(report.neurons)} neurons.${later(three(last(curve.spikes)))}`],
      ["Energy", times(one.energy), "the original’s", `Arithmetic until then: additions where there were multiplications. Memory and communication are left out.${later(times(last(curve.energy)))}`],
    ] : ["Accuracy", "Time", "Spikes", "Energy"].map(none);
    at("tiles").replaceChildren(...all.map(([title, value, unit, note]) => element("div", {}, element("dt", {}, title),
      element("dd", { className: "value" }, value, element("small", {}, unit)), element("dd", { className: "note" }, note))));
  }

  const resultsData = () => {
    const rounded = data.methods.some((one) => one.report.rounded_accuracy !== null);
    return {
      columns: [["method"], ["accuracy", percent], ["points lost", points], ["after step", whole], ["spikes per neuron", three], ["additions", brief], ["energy ratio", times],
        ["all steps", whole], ["accuracy then", percent], ["energy ratio then", times], ...(rounded ? [["original, rounded to as many levels", percent]] : [])],
      rows: data.methods.map(({ name, curve, report }, number) => {
        const one = state.at[number];
        return [name, one.accuracy, one.loss, one.step, one.spikes, one.operations, one.energy, last(curve.step), last(curve.accuracy), last(curve.energy), ...(rounded ? [report.rounded_accuracy] : [])];
      }),
    };
  };

  function results() {
    const { columns, rows } = resultsData();
    const table = { columns: columns.slice(0, 7), rows: rows.map((row) => row.slice(0, 7)) };
    const ends = data.methods.map(({ curve }) => `${percent(last(curve.accuracy))}, ${times(last(curve.energy))}, step ${whole(last(curve.step))}`);
    fill(at("results"), "", [...table.columns.map(([name]) => name), "at the end"], shown(table).map((row, number) => [...row, ends[number]]));
    at("results").querySelectorAll("tbody tr").forEach((tr, number) => {
      const one = state.at[number];
      tr.classList.toggle("now", number === state.method);
      const heading = tr.querySelector("th");
      heading.prepend(swatch(number));
      if (state.front.includes(number)) heading.append(element("span", { className: "front", title: "on the Pareto front" }, "front"));
      const step = tr.querySelectorAll("td")[2];
      if (!one.step) step.textContent = one.why;
      else if (one.never) step.textContent = `${whole(one.step)} (never stays)`;
    });
  }

  function failed() {
    at("failed").hidden = !data.failed.length;
    at("failed-cards").replaceChildren(...data.failed.map(([name, why]) => element("div", { className: "card failure" },
      element("h3", {}, name), element("p", {}, why))));
  }

  function layerWords() {
    const costs = layerCosts();
    const sum = (fits) => costs.filter(fits).reduce((total, cost) => total + cost.energy, 0);
    const total = sum(() => true);
    const share = (part) => `${three((100 * part) / Math.max(total, 1e-12))} %`;
    const input = sum((cost) => cost.kind === "input");
    const kinds = [...new Set(costs.map((cost) => cost.kind))].filter((kind) => !["spikes", "input"].includes(kind))
      .map((kind) => [kind === "held" ? "values that are held" : kind, sum((cost) => cost.kind === kind)]).sort((a, b) => b[1] - a[1]);
    const analog = kinds.length
      ? ` ${share(kinds.reduce((sum, [, part]) => sum + part, 0))} goes into what stays analog: ${kinds.map(([kind, part]) => `${kind} ${share(part)}`).join(", ")}.`
      : " Nothing else stays analog.";
    const first = costs.find((cost) => cost.kind === "input");
    at("cost-lead").textContent = `Where ${method().name} spends its ${times(total)} of the original’s energy: ${share(sum((cost) => cost.kind === "spikes"))} on additions for spikes, ${share(input)} on the input (${first.macs ? "an image is numbers, which are multiplied once" : "which is spikes, too"}).${analog}`;
  }

  function layerTexts() {
    const run = method().layers[state.layer];
    const layer = data.layers[state.layer];
    at("layer-lead").textContent = `${layer.name}: ${plural(layer.neurons, "neuron")}, under ${method().name}. Looked into on the first ${plural(data.sampled, "image")} of ${whole(method().report.images)}, after all steps.`;
    at("rates-text").textContent = `${run.correlation === null ? "No correlation is defined" : `Correlation ${run.correlation.toFixed(4)}`}${run.error === null ? "" : `, error ${percent(run.error, 1)} of the activations’ size`}. On the dashed line spikes say what the activation was. ${whole(run.activations.length)} points of ${whole(layer.values)}; the ${percent(run.silent, 0)} silent in both are left out.`;
    const hidden = run.scale.largest > 3 * layer.activations.high;
    at("activations-text").textContent = `The scale is the most that a neuron delivers per step of input: ${three(run.scale.median)}${run.scale.largest > run.scale.least ? ` in the middle, ${three(run.scale.least)} to ${three(run.scale.largest)} over the channels` : ""}${hidden ? " (far to the right of this chart)" : ""}. Activations beyond it saturate. ${percent(layer.zero, 0)} are not positive and not drawn.`;
    at("membrane-text").textContent = `What neurons still hold at the end was never said. ${percent(run.stored, run.stored < 0.01 ? 2 : 1)} hold a threshold or more, which are spikes held back; ${percent(run.overdrawn, 1)} are below zero after spikes: they sent too much. Neurons that never fired and hold less than nothing are right to be silent, and left out.`;
    at("spikes-text").textContent = data.methods[state.method].layers.some((one) => one && one.expected !== null)
      ? "Until the step at which the method is read. Diamonds: the spikes that would say each activation exactly."
      : "Few-spikes neurons send the digits of a number, so that few spikes say much.";
  }

  /** After which step the outputs of an image are read, as a place in `raster.outputs`. */
  const readOutput = (raster) => (raster.outputs.length > 1 ? Math.min(here().step ?? raster.steps, raster.outputs.length) : raster.outputs.length) - 1;

  function exampleTexts() {
    const example = data.examples[state.example];
    const raster = method().rasters[state.example];
    const place = readOutput(raster);
    const decided = best(raster.outputs[place]);
    const when = raster.outputs.length > 1 ? ` after step ${whole(place + 1)}` : "";
    at("example-text").replaceChildren("It is ", element("strong", {}, className(example.label)), ". The original network says ",
      element("strong", {}, className(best(example.outputs))), `, the spiking one, by ${method().name}${when}, `, element("strong", {}, className(decided)), decided === example.label ? "." : ", which is wrong.");
    at("picture").hidden = !example.picture;
    if (example.picture) at("picture").src = `data:image/png;base64,${example.picture}`;
    at("picture").alt = `Image ${example.number}: ${className(example.label)}`;
    const layers = method().costs.filter((cost) => cost.kind === "spikes").length - raster.left_out.length;
    const some = raster.layers.length < layers ? ` in ${raster.layers.length} of ${layers} layers, at even distances` : "";
    const rows = raster.layers.reduce((sum, each) => sum + each.neurons.length, 0);
    const fired = raster.layers.reduce((sum, each) => sum + each.fired, 0);
    at("raster-text").textContent = `Each mark is a spike, each row a neuron: ${whole(rows)} of the ${whole(fired)} that fired${some}.${raster.left_out.length ? ` Too large to record: ${raster.left_out.join(", ")}.` : ""}`;
    at("decision-text").textContent = raster.outputs.length > 1
      ? "What each output would be if the run ended after a step, in units of the original’s. The topmost line is the decision."
      : "Layers run one after the other, so the output is there at once, after the last step.";
  }

  // ---- images that are lost
  /** What is decided when, as [from, to, class] in steps. */
  function segments(told, end) {
    const found = [];
    for (let place = 0; place < told.length; place += 2) found.push([told[place], place + 2 < told.length ? told[place + 2] - 1 : end, told[place + 1]]);
    return found;
  }

  const lostHere = () => {
    const step = here().step ?? last(method().curve.step);
    const decidedAt = (told) => segments(told, last(method().curve.step)).find(([from, to]) => step >= from && step <= to)?.[2];
    return data.lost.filter((one) => one.decisions[state.method] && decidedAt(one.decisions[state.method]) !== one.label)
      .map((one) => ({ ...one, decided: decidedAt(one.decisions[state.method]) }));
  };

  function strip(one) {
    const end = last(method().curve.step);
    const first = method().curve.step[0];
    const parts = segments(one.decisions[state.method], end);
    const total = end - first + 1;
    const said = parts.map(([from, , decided]) => `from step ${from} ${className(decided)}`).join(", ");
    const line = element("i", { ariaHidden: "true" });
    line.style.left = `${(100 * ((here().step ?? end) - first + 1)) / total}%`;
    return element("div", { className: "strip", role: "img", ariaLabel: said, title: said },
      ...parts.map(([from, to, decided]) => {
        const part = element("span", { className: decided === one.label ? "right" : "wrong" }, (to - from + 1) / total > 0.06 ? short(className(decided), 12) : "");
        part.style.flexGrow = to - from + 1;
        return part;
      }), ...(end > first ? [line] : []));
  }

  const lostData = () => ({
    columns: [["image"], ["class"], ["original network"], ["spiking network"], ["decisions: step, class"]],
    rows: lostHere().map((one) => [one.number, className(one.label), className(one.label), className(one.decided),
      segments(one.decisions[state.method], last(method().curve.step)).map(([from, , decided]) => `${from} ${className(decided)}`).join("; ")]),
  });

  function lost() {
    const one = here();
    const rows = lostHere();
    const when = one.step ? `after step ${whole(one.step)}` : "after all steps";
    const [missing, won] = one.step ? [one.lost, one.gained] : [last(method().curve.lost), last(method().curve.gained)];
    const part = rows.length < missing ? ` ${rows.length ? `Here are ${rows.length} of them: those that come right last, or never.` : "None of them is kept on this page; it keeps those that come right last."}` : "";
    at("lost-text").textContent = `${method().name} ${when} is wrong on ${plural(missing, "image")} on which the original network is right, and right on ${whole(won)} on which the original is wrong.${part}`;
    at("lost-box").hidden = !rows.length;
    const end = last(method().curve.step);
    fill(at("lost"), "", ["image", "is, and the original says", `${short(method().name, 24)} says`, `its decision over ${plural(end, "step")}`], rows.map((row) => {
      const name = element("span", { className: "thumb" }, ...(row.picture ? [element("img", { src: `data:image/png;base64,${row.picture}`, alt: "" })] : []), whole(row.number));
      return [name, className(row.label), className(row.decided), strip(row)];
    }));
  }

  // ---- confusions
  function matrixAt(number) {
    if (number < 0) return data.confusion.matrix;
    const { matrix, changes } = data.methods[number].confusion;
    if (!matrix) return null;
    const place = state.at[number].place ?? changes.length - 1;
    const found = matrix.map((row) => row.map(() => 0));
    for (const cells of changes.slice(0, place + 1)) for (let cell = 0; cell < cells.length; cell += 3) found[cells[cell]][cells[cell + 1]] += cells[cell + 2];
    return found;
  }

  const worstOf = (matrix) => matrix.flatMap((row, is) => row.map((count, taken) => [is, taken, count])).filter(([is, taken, count]) => is !== taken && count).sort((a, b) => b[2] - a[2]);

  const confusionData = () => {
    const matrix = matrixAt(state.confusion);
    const { worst } = state.confusion < 0 ? data.confusion : data.methods[state.confusion].confusion;
    return matrix
      ? { columns: [["class"], ...matrix.map((_, number) => [className(number)])], rows: matrix.map((row, number) => [className(number), ...row]) }
      : { columns: [["class"], ["taken for"], ["images"]], rows: worst.map(([is, taken, count]) => [className(is), className(taken), count]) };
  };

  function confusion() {
    const network = state.confusion < 0;
    const { worst, images } = network ? data.confusion : data.methods[state.confusion].confusion;
    const matrix = matrixAt(state.confusion);
    const step = network ? null : state.at[state.confusion].step;
    const who = network ? "the original network" : `${data.methods[state.confusion].name} after ${step ? `step ${whole(step)}` : "all steps"}`;
    const total = images.reduce((sum, count) => sum + count, 0);
    const wrong = matrix ? total - matrix.reduce((sum, row, number) => sum + row[number], 0) : null;
    at("confusion-text").textContent = matrix
      ? `Rows are what an image is, columns what ${who} takes it for: ${whole(wrong)} of ${plural(total, "image")} are wrong.`
      : `There are too many classes for a table of all: these are the most frequent mistakes of ${network ? who : `${data.methods[state.confusion].name} after all steps`}.`;
    const table = at("confusion");
    table.closest(".scroll").hidden = !matrix;
    if (matrix) {
      table.classList.toggle("long", matrix.some((_, number) => className(number).length > 3));
      fill(table, "", ["is ↓ taken for →", ...matrix.map((_, number) => short(className(number), 10))], matrix.map((row, number) => [short(className(number), 14), ...row.map((count) => String(count))]));
      const most = Math.max(1, ...matrix.flatMap((row, number) => row.filter((_, other) => other !== number)));
      table.querySelectorAll("tbody tr").forEach((tr, number) => tr.querySelectorAll("td").forEach((td, other) => {
        const count = matrix[number][other];
        const share = number === other ? count / Math.max(1, images[number]) : 0;
        td.classList.toggle("zero", !count);
        td.classList.toggle("mistake", count > 0 && number !== other);
        if (!count) return;
        td.title = `${className(number)} taken for ${className(other)}: ${plural(count, "image")}`;
        td.style.setProperty("--cell", number === other ? `rgba(${token("heat")},${0.1 + 0.25 * share})` : `rgba(${token("warm")},${0.18 + 0.37 * (count / most)})`);
      }));
    }
    const mistakes = matrix ? worstOf(matrix).slice(0, 4) : worst;
    at("worst").textContent = mistakes.length ? "Most often: " + mistakes.map(([is, taken, count]) => `${className(is)} taken for ${className(taken)} (${whole(count)})`).join(", ") + "." : "No image is taken for another.";
  }

  function setup() {
    const options = (one) => Object.entries(one.options).map(([name, value]) => `${name} = ${value}`).join(", ");
    fill(at("setup"), "", ["method", "options", "schedule and input", "simulated by"], data.methods.map((one) => [
      one.name, options(one.report) || "none", `${one.schedule}; ${one.coding}${one.report.seed === null ? "" : `, seed ${one.report.seed}`}`,
      `${one.report.engine}, ${one.report.seconds.toFixed(1)} s`]));
    at("sources").replaceChildren(...[...new Set(data.methods.flatMap((one) => one.cites))].map((cite) => element("li", {}, cite)));
    at("versions").textContent = `${data.network}, ${plural(data.images, "test image")} of ${data.dataset}, in order from the first. ${data.versions.map((pair) => pair.join(" ")).join(", ")}. Energy: ${data.methods[0].report.energy_model}.`;
  }

  at("results-save").append(downloads("All methods", resultsData));
  at("lost-save").append(downloads("Images that are lost", lostData));
  at("confusion-save").append(downloads("Confusions", confusionData));
  failed();
  setup();

  /** What the operating point, the method, the layer or the image changes. */
  return {
    point: () => { tiles(); results(); layerWords(); lost(); confusion(); exampleTexts(); },
    layer: layerTexts, example: exampleTexts, confusion,
  };
};
