"use strict";
/* Numbers as people read them. */

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
  const tick = (number) => three(Number(number.toPrecision(6)));
  const short = (text, size = 16) => (text.length > size ? `${text.slice(0, size - 1)}…` : text);
  /** The end of a name, where layers differ. */
  const tail = (text, size = 16) => (text.length > size ? `…${text.slice(text.length - size + 1)}` : text);
  const last = (list) => list[list.length - 1];
  return { brief, last, percent, plural, short, tail, three, tick, whole };
})();
