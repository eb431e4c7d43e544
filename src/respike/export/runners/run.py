"""Runs the network of a folder in plain numpy, and compares it with the golden vectors, bit for bit.

    python run.py                # in the folder: 0 where all is equal, 1 where not
    python run.py inputs.npy     # outputs for inputs of your own

program.txt lists what is computed in each time step, one operation a line; README.txt says what each means.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np


def read(folder):
    """The operations, phases, readout and golden vectors that program.txt names."""
    load = {"-": None}
    found = SimpleNamespace(ops=[], phases=[], golden={}, inputs=None, outputs=None)

    def array(path):
        if path not in load:
            load[path] = np.load(folder / path)
        return load[path]

    for line in (folder / "program.txt").read_text().splitlines():
        kind, *words = line.split()
        if kind == "phase":
            found.phases.append([int(word) for word in words])
        elif kind == "readout":
            found.readout = int(words[0]), float(words[1]), array(words[2]), int(words[3])
        elif kind == "spikes":
            found.golden[int(words[0])] = array(words[1])
        elif kind in ("inputs", "outputs"):
            setattr(found, kind, array(words[0]))
        else:
            rule, first, second, _, *numbers = words
            found.ops.append((kind, rule, array(first), array(second), [int(number) for number in numbers]))
    header = (folder / "arithmetic.h").read_text().split()
    found.low, found.high = (float(header[header.index(name) + 1].strip("()")) for name in ("LOW", "HIGH"))
    found.type = np.int64 if "int64_t" in " ".join(header) else np.float64
    return found


def windows(x, n, fill):
    """For each place of a kernel, in its order, what the windows have there: [images, channels, height, width]."""
    _, _, _, _, h, w, _, ho, wo, kh, kw, sh, sw, ph, pw, dh, dw = n[:17]
    below, right = (max(0, (o - 1) * s + d * (k - 1) + 1 - p - i) for o, s, d, k, p, i in
                    ((ho, sh, dh, kh, ph, h), (wo, sw, dw, kw, pw, w)))  # fmt: skip
    x = np.pad(x, ((0, 0), (0, 0), (ph, below), (pw, right)), constant_values=fill)
    for p in range(kh):
        for q in range(kw):
            yield p, q, x[:, :, p * dh :, q * dw :][:, :, : ho * sh : sh, : wo * sw : sw][:, :, :ho, :wo]


def conv(x, weight, bias, n):
    """A convolution that adds its products in the order of the kernel's rows, columns and channels."""
    x, groups = x.reshape(len(x), n[3], n[4], n[5]), n[17]
    inputs, outputs = n[3] // groups, n[6] // groups
    total = np.zeros((len(x), n[6], n[7], n[8]), x.dtype)
    weight = weight.astype(x.dtype).reshape(n[6], inputs, n[9], n[10])
    for p, q, part in windows(x, n, 0):
        for k in range(inputs):
            for group in range(groups):
                own = slice(group * outputs, (group + 1) * outputs)
                one = part[:, group * inputs + k, None]
                total[:, own] += weight[own, k, p, q].reshape(-1, 1, 1) * one
    return total if bias is None else total + bias.astype(x.dtype).reshape(-1, 1, 1)


def pool(x, n, most):
    """Sums or maxima of windows."""
    x = x.reshape(len(x), n[3], n[4], n[5])
    lowest = np.iinfo(np.int64).min if x.dtype == np.int64 else -np.inf
    found = None
    for _, _, part in windows(x, n, lowest if most else 0):
        found = part.copy() if found is None else (np.maximum(found, part) if most else found + part)
    return found


def fire(v, threshold, reset_to, rule, n, sent):
    """The spikes of charged neurons, and the potentials that are left."""
    if rule == "several":
        z = np.clip(v // threshold if v.dtype == np.int64 else np.floor(v / threshold), 0, n[4])
    elif rule == "either":
        up = (v >= threshold) & ((sent < n[4]) if n[4] else True)
        z = up.astype(v.dtype) - ((v < 0) & (sent > 0))
    else:
        z = (v > threshold if n[3] else v >= threshold).astype(v.dtype)
    return z, np.where(z != 0, reset_to, v) if rule == "value" else v - threshold * z


def run(net, inputs, on_spikes):
    """The outputs, float32 [images, ...]; `on_spikes(operation, step, spikes)` is told what every population sends."""
    per_step = net.ops[0][4][3]
    images = inputs if not per_step else inputs[:, 0]
    values, state, total, early, step = {}, {}, 0, 0, 0
    node, decoding, spike_value, after = net.readout

    def held(v):
        return v if net.low == net.high else np.clip(v, net.type(net.low), net.type(net.high))

    for steps, input_on, bias_on in net.phases:
        for _ in range(steps):
            for kind, rule, first, second, n in net.ops:
                x = values.get(n[2])
                if kind == "input":
                    now = (inputs[:, step] if per_step else images).reshape(len(images), -1)
                    y = now.astype(net.type) * input_on
                elif kind == "conv":
                    y = conv(x, first, second if bias_on else None, n)
                elif kind == "linear":
                    rows, y = x.reshape(len(x), n[3], 1, n[4]), 0
                    for k in range(n[4]):  # one product after the other, as in C
                        y = y + rows[..., k] * first[:, k].astype(net.type)
                    y = y + second.astype(net.type) if bias_on and second is not None else y
                elif kind == "sum":
                    y = pool(x, n, most=False)
                elif kind == "max" and rule == "accumulated":
                    charge, passed = state.get(n[0], (0, 0))
                    charge = held(charge + x)
                    most = pool(charge, n, most=True)
                    y, state[n[0]] = most - passed, (charge, most)
                elif kind == "max":
                    y = pool(x, n, most=True)
                elif kind == "shift":
                    y = x + first.astype(net.type) if bias_on else x
                elif kind == "add":
                    y = x + values[n[3]]
                elif kind == "join":
                    y = np.concatenate([x, values[n[3]]], axis=1)
                elif kind == "gather":
                    y = np.where(first < 0, 0, x[:, np.maximum(first, 0)])
                elif kind == "fire":
                    threshold, start = (
                        np.repeat(part.astype(net.type), n[1] // len(part)) for part in (first, second[:-1])
                    )
                    v, sent = state.get(n[0], (start, 0))
                    z, v = fire(held(v + x), threshold, second[-1].astype(net.type), rule, n, sent)
                    state[n[0]], y = (v, sent + z), z
                    on_spikes(n[0], step, z)
                else:
                    raise ValueError(f"program.txt has an operation {kind!r}, which is not known here")
                values[n[0]] = y.reshape(len(images), -1)
            total = total + values[node]
            step += 1
            early = total if step == after else early
    sent = 1.0 if spike_value is None else spike_value.reshape(-1)
    return ((total - early).astype(np.float64) * sent / decoding).astype(np.float32)


def main(arguments):
    """Compares with the golden vectors, or prints the outputs for inputs of one's own."""
    net = read(Path(arguments[0]).resolve().parent)
    if len(arguments) > 1:
        for row in run(net, np.load(arguments[1]), lambda *_: None):
            print(*(f"{output:.9g}" for output in row))
        return 0
    wrong, spikes = [], 0

    def compare(operation, step, found):
        nonlocal spikes
        wanted = net.golden[operation][:, step].reshape(len(found), -1)
        spikes += np.count_nonzero(wanted)
        if not np.array_equal(found, wanted):
            image, neuron = np.argwhere(found != wanted)[0]
            wrong.append(f"operation {operation}, image {image}, step {step + 1}, neuron {neuron}: differs")

    outputs = run(net, net.inputs, compare)
    if not np.array_equal(outputs, net.outputs.reshape(outputs.shape)):
        wrong.append("outputs differ")
    steps = sum(phase[0] for phase in net.phases)
    print(
        wrong[0]
        if wrong
        else f"{len(outputs)} images, {steps} steps, {spikes} spikes, {outputs.size} outputs: all equal"
    )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
