"use strict";
/* The page: what is chosen (method, operating point, layer, image, theme), and who is told when it changes. */

(() => {
  const { Card, element, save, swatch } = Charts;
  const { plural } = Words;
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const point = Point(data);
  const state = { method: data.recommended, layer: 0, example: 0, confusion: data.recommended, mode: "stands", value: null, at: [], front: [], choose };
  const method = () => data.methods[state.method];
  const read = () => {
    state.at = data.methods.map((_, number) => point.of(number, state.mode, state.value));
    state.front = point.front(state.at);
  };
  read();

  const cards = Object.fromEntries([...document.querySelectorAll("[data-chart]")].map((figure) => [figure.dataset.chart, new Card(figure)]));
  const { charts, layerCosts } = Figures(data, state, cards);
  const tables = Tables(data, state, layerCosts);
  const reads = {
    point: new Set(["accuracy", "energy", "layerEnergy", "spikes", "raster", "decision"]),
    layer: new Set(["layerEnergy", "spikes", "rates", "activations", "membrane", "raster"]),
    example: new Set(["raster", "decision"]),
  };

  function draw(wanted = () => true, keep = false) {
    for (const [name, chart] of Object.entries(charts)) if (wanted(name)) cards[name].draw(chart(), keep);
  }

  /** What changes what: a method all, the rest a part. */
  function choose(change) {
    Object.assign(state, change);
    if ("method" in change) {
      state.confusion = change.method;
      offerLayers();
    }
    for (const [id, value] of [["methods", state.method], ["confusion-of", state.confusion]]) {
      for (const input of at(id).querySelectorAll("input")) input.checked = Number(input.value) === value;
    }
    at("layer").value = state.layer;
    at("example").value = state.example;
    const moved = "mode" in change || "value" in change;
    if (moved) read();
    if (moved || "method" in change) {
      tellPoint();
      tables.point();
    } else if ("confusion" in change) tables.confusion();
    if ("method" in change || "layer" in change) tables.layer();
    if ("example" in change) tables.example();
    if ("method" in change) draw();
    else if (moved) draw((name) => reads.point.has(name), true);
    else if ("layer" in change) draw((name) => reads.layer.has(name));
    else if ("example" in change) draw((name) => reads.example.has(name));
  }

  /** The layers of the chosen method: populations on edges are those of some methods only. */
  function offerLayers() {
    const own = data.layers.map((layer, number) => [layer.name, number]).filter(([, number]) => method().layers[number]);
    if (!method().layers[state.layer]) state.layer = own[0][1];
    at("layer").replaceChildren(...own.map(([name, number]) => element("option", { value: number }, name)));
    const notice = method().interrupted;
    at("interrupted").hidden = !notice;
    at("interrupted").textContent = notice;
  }

  // ---- the operating point
  function tellPoint() {
    const here = state.at[state.method];
    const slider = at("point");
    const stops = point.STOPS[state.mode];
    slider.max = stops.length - 1;
    slider.disabled = stops.length < 2;
    slider.value = state.mode === "stands" ? point.stop("step", here) : stops.indexOf(state.value);
    const [value, meaning] = point.words(state.mode, state.value, here);
    at("mode").value = state.mode;
    at("point-value").textContent = value;
    at("point-meaning").textContent = meaning;
    slider.setAttribute("aria-valuetext", `${value}. ${meaning}`);
    at("printed").textContent = `Shown: ${method().name}. Each method is read ${point.MODES[state.mode].name}: ${value}. ${meaning}.`;
  }

  function changeMode(mode) {
    const here = point.of(state.method, "stands", null);
    const from = state.at[state.method].step ? state.at[state.method] : here;
    choose({ mode, value: mode === "stands" ? null : point.STOPS[mode][point.stop(mode, from)] });
  }

  let waiting = 0;
  at("point").oninput = () => {
    const mode = state.mode === "stands" ? "step" : state.mode;
    const value = point.STOPS[mode][Number(at("point").value)];
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => choose({ mode, value }));
  };
  at("mode").append(...Object.entries(point.MODES).map(([value, { name }]) => element("option", { value }, name)));
  at("mode").onchange = () => changeMode(at("mode").value);

  function pills(id, names, chosen, then) {
    at(id).append(...names.map(([value, name]) => {
      const look = element("i", { ariaHidden: "true" });
      look.dataset.number = value;
      return element("label", {}, element("input", { type: "radio", name: id, value, checked: value === chosen, onchange: () => then(value) }), element("span", {}, look, name));
    }));
  }

  function theme(name) {
    document.documentElement.dataset.theme = name;
    at("theme").textContent = name === "dark" ? "Light" : "Dark";
    at("theme").ariaLabel = name === "dark" ? "Show in light colours" : "Show in dark colours";
    at("theme").ariaPressed = String(name === "dark");
    for (const look of document.querySelectorAll(".pills i")) look.replaceChildren(...(look.dataset.number < 0 ? [] : [swatch(Number(look.dataset.number))]));
  }

  const names = data.methods.map((one, number) => [number, one.name]);
  pills("methods", names, state.method, (chosen) => choose({ method: chosen }));
  pills("confusion-of", [[-1, "original network"], ...names], state.confusion, (confusion) => choose({ confusion }));
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

  // ---- paper is white, and as wide as it is
  let screen = null;
  addEventListener("beforeprint", () => {
    screen = document.documentElement.dataset.theme;
    theme("light");
    choose({ method: state.method });
    for (const card of Object.values(cards)) card.paper = true;
  });
  addEventListener("afterprint", () => {
    for (const card of Object.values(cards)) card.paper = false;
    theme(screen);
    choose({ method: state.method });
  });

  at("everything").onclick = () => save("report.json", at("data").textContent, "application/json");
  at("subject").textContent = `${data.network}, ${plural(data.images, "test image")} of ${data.dataset}, ${data.methods.length === 1 ? "one method" : `${data.methods.length} methods`}`;
  at("headline").textContent = data.headline;
  at("why").textContent = data.methods.length === 1 ? "" : `${method().name} has the least energy among the methods within half a point of the best accuracy. Choose another one, or another step at which to read it, below: everything on this page follows.`;
  choose({ method: state.method });
  document.documentElement.dataset.ready = "yes";
})();
