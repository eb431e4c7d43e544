"use strict";
/* Numbers and names as people read them. */

const Words = (() => {
  const percent = (fraction, digits = 2) => `${(100 * fraction).toFixed(digits)} %`;
  const whole = (number) => Math.round(number).toLocaleString("en");
  const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
  const three = (number) => (number === 0 ? "0" : Math.abs(number) < 0.001 ? number.toExponential(1) : String(Number(number.toPrecision(3))));
  const brief = (number) => {
    for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
      if (Math.abs(number) >= 0.9995 * size) return `${three(number / size)} ${unit}`;
    }
    return three(number);
  };
  const times = (ratio) => `${three(ratio)} ×`;
  /** Points of accuracy lost, or gained (below zero), with a real minus sign. */
  const points = (lost) => (Math.abs(lost) < 0.005 ? "0" : lost.toFixed(2).replace("-", "−"));
  const tick = (number) => three(Number(number.toPrecision(6)));
  const short = (text, size = 16) => (text.length > size ? `${text.slice(0, size - 1)}…` : text);
  const middle = (text, size) => (text.length > size ? `${text.slice(0, Math.ceil(0.4 * (size - 1)))}…${text.slice(text.length - Math.floor(0.6 * (size - 1)))}` : text);
  /** What long names have in common in front and behind, up to a separator, is left out. */
  function withoutCommon(names, size) {
    const long = names.filter((text) => text.length > size);
    if (long.length < 2) return names;
    const common = (texts) => {
      let end = 0;
      while (end < texts[0].length && texts.every((text) => text[end] === texts[0][end])) end += 1;
      return texts[0].slice(0, end).search(/[._/@-][^._/@-]*$/) + 1;
    };
    const start = common(long);
    const end = common(long.map((text) => [...text.slice(start)].reverse().join("")));
    return names.map((text) => (text.length > size ? `${start ? "…" : ""}${text.slice(start, text.length - end)}${end ? "…" : ""}` : text));
  }

  /** Names no longer than that, without what they share; cut in the middle or at the start, else numbered. */
  function apart(full, size) {
    const names = withoutCommon(full, size);
    const ways = [(text) => middle(text, size), (text) => (text.length > size ? `…${text.slice(text.length - size + 1)}` : text)];
    for (const way of ways) {
      const cut = names.map(way);
      if (new Set(cut).size === new Set(names).size) return cut;
    }
    return names.map((text, number) => (text.length > size ? `${middle(text, size - 4)} #${number + 1}` : text));
  }
  const last = (list) => list[list.length - 1];
  return { apart, brief, last, percent, plural, points, short, three, tick, times, whole };
})();
