"use strict";
/* The operating point: after which step each method is read. Pure: no element of the page is touched here. */

const Point = (data) => {
  const { last, plural, points, percent, times, whole } = Words;
  const curve = (method) => data.methods[method].curve;
  const network = (method) => data.methods[method].report.network_accuracy;
  const loss = (method, place) => 100 * (network(method) - curve(method).accuracy[place]);
  const SLACK = 1e-7;

  /** The last place of a list whose value is not above a limit, or -1. */
  const upTo = (list, limit) => list.reduce((found, value, place) => (value <= limit * (1 + SLACK) ? place : found), -1);

  const MODES = {
    stands: {
      name: "where its accuracy stands",
      find: (method) => ({ place: curve(method).stands ?? curve(method).step.length - 1, never: curve(method).stands === null }),
    },
    step: {
      name: "after the same step",
      find: (method, step) => {
        const place = upTo(curve(method).step, step);
        return place < 0 ? { why: `answers after ${whole(curve(method).step[0])}` } : { place };
      },
    },
    loss: {
      name: "at the same accuracy loss",
      find: (method, most) => {
        let place = curve(method).step.length;
        while (place && loss(method, place - 1) <= most + SLACK) place -= 1;
        return place === curve(method).step.length ? { why: "loses more" } : { place };
      },
    },
    energy: {
      name: "at the same energy",
      find: (method, budget) => {
        const place = upTo(curve(method).energy, budget);
        return place < 0 ? { why: `starts at ${times(curve(method).energy[0])}` } : { place };
      },
    },
  };

  const sorted = (values) => [...new Set(values)].sort((a, b) => a - b);
  /** Two figures, never less than the value, so that the value itself is within it. */
  const up = (value) => {
    const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
    return Number((Math.ceil(value / unit - 1e-9) * unit).toPrecision(2));
  };
  const STEPS = sorted(data.methods.flatMap((_, method) => curve(method).step));
  const STOPS = {
    stands: STEPS,
    step: STEPS,
    loss: [0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20],
    energy: sorted([1, ...data.methods.flatMap((_, method) => curve(method).energy).filter((ratio) => ratio > 0).map(up)]),
  };

  /** What a method gives and costs where it is read, or only why it is not. */
  function of(method, mode, value) {
    const found = MODES[mode].find(method, value);
    if (found.place === undefined) return { method, ...found };
    const at = curve(method);
    return {
      method, ...found, step: at.step[found.place], accuracy: at.accuracy[found.place], low: at.low[found.place], high: at.high[found.place],
      spikes: at.spikes[found.place], operations: at.operations[found.place], energy: at.energy[found.place],
      lost: at.lost[found.place], gained: at.gained[found.place], loss: loss(method, found.place),
    };
  }

  /** Those that no other beats: at least as accurate for at most the energy. What loses over 5 points is not among them. */
  function front(all) {
    const fit = all.filter((one) => one.step && one.loss <= 5 + SLACK);
    return fit.filter((one) => !fit.some((other) => other.accuracy >= one.accuracy && other.energy <= one.energy
      && (other.accuracy > one.accuracy || other.energy < one.energy))).map((one) => one.method);
  }

  /** The stop of a mode that is nearest to where a method is read. */
  function stop(mode, at) {
    const stops = STOPS[mode];
    const value = { stands: at.step, step: at.step, loss: Math.max(0, at.loss), energy: at.energy }[mode];
    const place = stops.findIndex((one) => one >= value * (1 - SLACK));
    return place < 0 ? stops.length - 1 : place;
  }

  /** The stop in words: [what it is, what that means for one method]. */
  function words(mode, value, at) {
    const { name, curve: its, report } = data.methods[at.method];
    const said = at.step ? `${name}: ${percent(at.accuracy)}, ${times(at.energy)} the energy` : `${name} ${at.why}`;
    switch (mode) {
      case "stands":
        return [`step ${whole(at.step)} of ${whole(last(its.step))}`, at.never ? `${name} never comes to stay near the original’s ${percent(report.network_accuracy)}` : said];
      case "step": return [`step ${whole(value)}`, said];
      case "loss": return [value ? `at most ${plural(value, "point").replace(/^\d+/, points(value).replace(/\.?0+$/, ""))} lost` : "nothing lost", at.step ? `${said}, after step ${whole(at.step)}` : said];
      default: return [`${times(value)} the energy`, at.step ? `${name}: ${percent(at.accuracy)}, after step ${whole(at.step)}` : said];
    }
  }

  return { MODES, STOPS, front, of, stop, words };
};
