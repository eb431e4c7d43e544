"use strict";
/* The page: what is chosen (method, layer, image, theme), and the texts and tables that follow from it. */

(() => {
  const { Card, colour, element, fill, token } = Charts;
  const { brief, last, percent, plural, short, three, whole } = Words;
  const data = JSON.parse(document.getElementById("data").textContent);
  const state = { method: data.recommended, layer: 0, example: 0, confusion: data.recommended, choose };
  const at = (id) => document.getElementById(id);

  const method = () => data.methods[state.method];
  const report = (one) => one.report;
  const className = (number) => data.classes[number];

  // ---- the texts beside the charts
  function writeTexts() {
    const one = report(method());
    const words = data.sentences[state.method];
    const run = method().layers[state.layer];
    const layer = data.layers[state.layer];
    at("interrupted").hidden = !words.complete;
    at("interrupted").textContent = words.complete;
    const { headline } = method();
    const points = 100 * (headline.accuracy - one.network_accuracy);
    at("tiles").replaceChildren(
      ...[["Accuracy", percent(headline.accuracy), Math.abs(points) < 0.005 ? "nothing lost" : `${points > 0 ? "+" : "−"}${Math.abs(points).toFixed(2)} points`, words.accuracy],
        ["Time", whole(headline.step), `of ${whole(one.latency)} steps`, words.steps],
        ["Spikes", three(headline.spikes_per_neuron), "per neuron", words.spikes],
        ["Energy", `${three(headline.energy_ratio)} ×`, "the original’s", words.energy],
      ].map(([title, value, unit, note]) => element("div", {}, element("dt", {}, title),
        element("dd", { className: "value" }, value, element("small", {}, unit)), element("dd", { className: "note" }, note))));
    at("layer-lead").textContent = `${layer.name}: ${plural(layer.neurons, "neuron")}, under ${method().name}. Looked into on the first ${plural(data.sampled, "image")} of ${whole(one.images)}.`;
    at("rates-text").textContent = `${run.correlation === null ? "No correlation is defined" : `Correlation ${run.correlation.toFixed(4)}`}${run.error === null ? "" : `, error ${percent(run.error, 1)} of the activations’ size`}. On the dashed line spikes say what the activation was. ${whole(run.activations.length)} points of ${whole(layer.values)}; the ${percent(run.silent, 0)} silent in both are left out.`;
    const hidden = run.scale.largest > 3 * layer.activations.high;
    at("activations-text").textContent = `The scale is the most that a neuron delivers per step of input: ${three(run.scale.median)}${run.scale.largest > run.scale.least ? ` in the middle, ${three(run.scale.least)} to ${three(run.scale.largest)} over the channels` : ""}${hidden ? " (far to the right of this chart)" : ""}. Activations beyond it saturate. ${percent(layer.zero, 0)} are zero and not drawn.`;
    at("membrane-text").textContent = `What neurons still hold at the end was never said. ${percent(run.stored, run.stored < 0.01 ? 2 : 1)} hold a threshold or more, which are spikes held back; ${percent(run.overdrawn, 1)} are below zero after spikes: they sent too much. Neurons that never fired and hold less than nothing are right to be silent, and left out.`;
    at("spikes-text").textContent = `${method().name}, mean of ${plural(data.sampled, "image")}.${run.expected === null ? " Few-spikes neurons send the bits of a number, so that few spikes say much." : " Diamonds: the spikes that would say each activation exactly."} Choose a bar to look into its layer.`;
    const example = data.examples[state.example];
    const raster = method().rasters[state.example];
    const decided = last(raster.outputs).indexOf(Math.max(...last(raster.outputs)));
    const right = decided === example.label;
    at("example-text").replaceChildren("It is ", element("strong", {}, className(example.label)), `. The original network says `,
      element("strong", {}, className(example.outputs.indexOf(Math.max(...example.outputs)))), `, the spiking one, by ${method().name}, `, element("strong", {}, className(decided)), right ? "." : ", which is wrong.");
    at("picture").hidden = !example.picture;
    if (example.picture) at("picture").src = `data:image/png;base64,${example.picture}`;
    at("picture").alt = `Image ${example.number}: ${className(example.label)}`;
    const shown = raster.layers.reduce((sum, each) => sum + each.neurons.length, 0);
    const fired = raster.layers.reduce((sum, each) => sum + each.fired, 0);
    at("raster-text").textContent = `Each mark is a spike, each row a neuron: ${whole(shown)} of the ${whole(fired)} that fired.${raster.left_out.length ? ` Too large to record: ${raster.left_out.join(", ")}.` : ""}`;
    at("decision-text").textContent = raster.outputs.length > 1
      ? "What each output would be if the run ended after a step, in units of the original’s. The topmost line is the decision."
      : "Layers run one after the other, so the output is there at once, after the last step.";
  }

  function confusionTable() {
    const network = state.confusion < 0;
    const { matrix, worst, images } = network ? data.confusion : data.methods[state.confusion].confusion;
    const who = network ? "the original network" : data.methods[state.confusion].name;
    const total = images.reduce((sum, count) => sum + count, 0);
    const wrong = matrix ? total - matrix.reduce((sum, row, number) => sum + row[number], 0) : null;
    at("confusion-text").textContent = matrix
      ? `Rows are what an image is, columns what ${who} takes it for: ${whole(wrong)} of ${plural(total, "image")} are wrong.`
      : `There are too many classes for a table of all: these are the most frequent mistakes of ${who}.`;
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
        if (!count) return;
        td.title = `${className(number)} taken for ${className(other)}: ${plural(count, "image")}`;
        td.style.setProperty("--cell", number === other ? `rgba(${token("heat")},${0.1 + 0.25 * share})` : `rgba(213,94,0,${0.25 + 0.6 * (count / most)})`);
      }));
    }
    at("worst").replaceChildren(worst.length ? "Most often: " + worst.slice(0, matrix ? 4 : 15).map(([is, taken, count]) => `${className(is)} taken for ${className(taken)} (${whole(count)})`).join(", ") + "." : "No image is taken for another.");
  }

  function resultsTable() {
    fill(at("results"), "", ["method", "accuracy", "lost, points", "at step", "spikes per neuron", "synaptic operations", "energy ratio", "all steps", "accuracy then", "energy ratio then", "network rounded to as many levels"],
      data.methods.map(({ name, headline, end, report: one }) => [name, percent(headline.accuracy), (100 * (one.network_accuracy - headline.accuracy)).toFixed(2).replace("-", "−"),
        one.steps_to_network_accuracy === null ? "never" : whole(headline.step), three(headline.spikes_per_neuron), brief(headline.synaptic_operations), `${three(headline.energy_ratio)} ×`,
        whole(one.latency), percent(end.accuracy), `${three(end.energy_ratio)} ×`, one.rounded_accuracy === null ? "–" : percent(one.rounded_accuracy)]));
    at("results").querySelectorAll("tbody tr").forEach((tr, number) => {
      const dot = element("i", { ariaHidden: "true" });
      dot.style.setProperty("--dot", colour(number));
      tr.classList.toggle("now", number === state.method);
      const heading = tr.querySelector("th");
      heading.prepend(dot);
      if (data.methods[number].pareto) heading.append(element("span", { className: "front", title: "on the Pareto front" }, "front"));
    });
  }

  function setupTable() {
    const options = (one) => Object.entries(one.options).map(([name, value]) => `${name} = ${value}`).join(", ");
    fill(at("setup"), "", ["method", "options", "schedule and input", "simulated by"], data.methods.map((one) => [
      one.name, options(report(one)) || "none", `${one.schedule}; ${one.coding}${report(one).seed === null ? "" : `, seed ${report(one).seed}`}`,
      `${report(one).engine}, ${report(one).seconds.toFixed(1)} s`]));
    at("sources").replaceChildren(...[...new Set(data.methods.flatMap((one) => one.cites))].map((cite) => element("li", {}, cite)));
    at("versions").textContent = `${data.network}, ${plural(data.images, "test image")} of ${data.dataset}, in order from the first. ${data.versions.map((pair) => pair.join(" ")).join(", ")}. Energy: ${report(data.methods[0]).energy_model}.`;
  }

  // ---- choosing
  const cards = Object.fromEntries([...document.querySelectorAll("[data-chart]")].map((figure) => [figure.dataset.chart, new Card(figure)]));
  const charts = Figures(data, state, cards);
  const readsLayer = new Set(["rates", "activations", "membrane", "spikes", "raster"]);
  const readsExample = new Set(["raster", "decision"]);

  function draw(wanted = () => true) {
    for (const [name, chart] of Object.entries(charts)) if (wanted(name)) cards[name].draw(chart());
  }

  function choose(change) {
    Object.assign(state, change);
    if ("method" in change) state.confusion = change.method;
    at("layer").value = state.layer;
    at("example").value = state.example;
    for (const [id, value] of [["methods", state.method], ["confusion-of", state.confusion]]) {
      for (const input of at(id).querySelectorAll("input")) input.checked = Number(input.value) === value;
    }
    writeTexts();
    resultsTable();
    confusionTable();
    if ("method" in change) draw();
    else if ("layer" in change) draw((name) => readsLayer.has(name));
    else if ("example" in change) draw((name) => readsExample.has(name));
  }

  function pills(id, names, chosen, then) {
    at(id).append(...names.map(([value, name]) => {
      const dot = element("i", { ariaHidden: "true" });
      dot.dataset.number = value;
      return element("label", {}, element("input", { type: "radio", name: id, value, checked: value === chosen, onchange: () => then(value) }), element("span", {}, dot, name));
    }));
  }

  function theme(name) {
    document.documentElement.dataset.theme = name;
    at("theme").textContent = name === "dark" ? "Light" : "Dark";
    at("theme").ariaLabel = name === "dark" ? "Show in light colours" : "Show in dark colours";
    at("theme").ariaPressed = String(name === "dark");
    for (const dot of document.querySelectorAll(".pills i")) dot.style.setProperty("--dot", dot.dataset.number < 0 ? token("soft") : colour(Number(dot.dataset.number)));
  }

  const names = data.methods.map((one, number) => [number, one.name]);
  pills("methods", names, state.method, (method) => choose({ method }));
  pills("confusion-of", [[-1, "original network"], ...names], state.confusion, (confusion) => choose({ confusion }));
  at("layer").append(...data.layers.map((layer, number) => element("option", { value: number }, layer.name)));
  at("layer").onchange = () => choose({ layer: Number(at("layer").value) });
  at("example").append(...data.examples.map((example, number) => element("option", { value: number }, `number ${example.number} (${example.why})`)));
  at("example").onchange = () => choose({ example: Number(at("example").value) });
  at("theme").onclick = () => {
    const name = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("respike-theme", name); } catch { /* a page opened from a file may have no storage */ }
    theme(name);
    choose({ method: state.method });
  };
  let stored = null;
  try { stored = localStorage.getItem("respike-theme"); } catch { /* as above */ }
  theme(stored || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));

  at("subject").textContent = `${data.network}, ${plural(data.images, "test image")} of ${data.dataset}, ${data.methods.length === 1 ? "one method" : `${data.methods.length} methods`}`;
  at("headline").textContent = data.sentences[data.recommended].headline;
  at("why").textContent = data.methods.length === 1 ? "" : `${method().name} is the method with the least energy among those within half a point of the best accuracy. Choose another one below; everything on this page follows.`;
  setupTable();
  choose({ method: state.method });
  document.documentElement.dataset.ready = "yes";
})();
