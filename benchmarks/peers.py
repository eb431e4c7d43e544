"""Our engines beside other packages and the plain network: docs/guides/performance.md with its table and its picture.

    python benchmarks/peers.py [--only TEXT] [--images 256] [--repeats 5] [--peers ../peers-venv/bin/python] [--report]

Every measurement is a process of its own (`measuring.py`), on one thread, and stands in `peers.json` as soon as it is
made; those that stand there for the same numbers of images and repeats are not made again (`--again` makes them anew).
`--only` takes measurements whose name contains a text; `--report` only writes the page. Other packages are in an
environment of their own, `--peers`, as docs/guides/performance.md says; without it their rows are left out.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
ROWS = HERE / "peers.json"
PAGE = HERE.parent / "docs" / "guides" / "performance.md"
PICTURE = HERE.parent / "docs" / "images" / "performance.png"
START, END = "<!-- made by benchmarks/peers.py -->", "<!-- end -->"
LIMIT = 3600
"""Seconds that one measurement may take."""

MAIN = [("mnist-mlp", 64, 128), ("mnist-cnn", 64, 128), ("cifar10-vgg16-half", 32, 8), ("cifar10-resnet20", 32, 16)]
WORKING = [("mnist-mlp", 8), ("mnist-cnn", 8), ("cifar10-vgg16-half", 32), ("cifar10-resnet20", 32)]
"""Times at which `calibrated` plans decide as the network does."""
EDGES = [("fashion-vit", 4, 64), ("cifar10-vit", 5, 64)]
"""Transformers with spikes on every edge."""
BATCHES = (8, 32, 128)
OURS = ["event", "batched"]
OTHERS = ["SpikingJelly, loop", "SpikingJelly, multi-step", "SpikingJelly, compiled", "snnTorch, loop"]
COLOURS = dict(zip((*OURS, *OTHERS), mpl.color_sequences["tab10"], strict=False))
LENGTHS = [16, 64, 256, 1024, 4096, 10_000]
Record = dict[str, Any]


def cases() -> list[Record]:
    """Everything that is measured, the tables first."""
    working = [_working(row, *each, batch) for each in WORKING for row in ("event", *OTHERS) for batch in BATCHES]
    table = [_case(row, *main) for main in MAIN for row in (*OURS, *OTHERS)]
    few = [_case(row, "cifar10-resnet20", 8, 64) for row in ("few_spikes", "batched few-spikes", "pipelined")]
    edges = [_edges(*each) for each in EDGES]
    active = [_case("event", *main, activity=0.5) for main in MAIN]
    limits = {"event": 10_000, "batched": 1024, "SpikingJelly, multi-step": 256, "SpikingJelly, compiled": 1024}
    lengths = [_case(row, "mnist-mlp", t, 32) for row, most in limits.items() for t in LENGTHS if t <= most]
    batches = [_case(row, "mnist-mlp", 64, size) for row in OURS for size in (1, 8, 32, 128, 512)]
    widths = [_case(row, f"mlp-width-{width}", 64, 128) for row in OURS for width in (300, 600, 1200, 2400)]
    found = {case["name"]: case for case in (*working, *table, *few, *edges, *active, *lengths, *batches, *widths)}
    return list(found.values())


def _case(row: str, network: str, steps: int, batch: int, **more: float) -> Record:
    name = f"{row}: {network}, T = {steps}, batch {batch}" + "".join(f", {key} {value}" for key, value in more.items())
    return {"name": name, "row": row, "network": network, "steps": steps, "batch": batch, **more}


def _working(row: str, network: str, steps: int, batch: int) -> Record:
    name = f"{row}: {network}, calibrated, T = {steps}, batch {batch}"
    return {"name": name, "row": row, "network": network, "steps": steps, "batch": batch, "method": "calibrated"}


def _edges(network: str, steps: int, batch: int) -> Record:
    return _case("few_spikes", network, steps, batch) | {"method": "every_edge"}


def main() -> None:
    """Measures what is asked for and writes the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--images", type=int, default=256, help="for the accuracy, at least a batch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", type=Path, default=HERE.parents[1] / "peers-venv" / "bin" / "python")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    records: dict[str, Record] = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    for case in cases():
        if options.report or options.only not in case["name"]:
            continue
        images = max(options.images, 1000 if "method" in case else 0, case["batch"])
        case |= {"images": images, "repeats": options.repeats}
        known = records.get(case["name"], {})
        if not options.again and "seconds" in known and all(known.get(key) == value for key, value in case.items()):
            continue
        records[case["name"]] = {**case, **_measured(case, options.peers)}
        ROWS.write_text(json.dumps(records, indent=1) + "\n")
        print(_line(records[case["name"]]), flush=True)
    _report(records)


def _measured(case: Record, peers: Path) -> Record:
    """The numbers of one case, or why there are none."""
    other = case["row"] in OTHERS
    if other and not peers.exists():
        return {"failed": "not installed"}
    command = [str(peers) if other else sys.executable, str(HERE / "measuring.py"), json.dumps(case)]
    when = {"date": datetime.date.today().isoformat()}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done in {LIMIT} s"} | when
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]} | when
    result: Record = json.loads(done.stdout.strip().splitlines()[-1])
    return result | when


def _share(record: Record) -> float:
    passes = 1 if "few" in record["row"] or record["row"] == "pipelined" else record["steps"]
    network = record["network_seconds"] / record.get("network_batch", record["batch"])
    return float(record["seconds"] / record["batch"] / passes / network)


def _line(record: Record) -> str:
    if "failed" in record:
        return f"{record['name']}: {record['failed']}"
    return f"{record['name']}: {_share(record):.3f}, {record['memory'] / 2**20:.0f} MB, {record['accuracy']:.4f}"


def _report(records: dict[str, Record]) -> None:
    good = {name: record for name, record in records.items() if "seconds" in record}
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), records), encoding="utf-8")
    _picture(good)


def rewritten(page: str, records: dict[str, Record]) -> str:
    """The page with the tables of the records in the place of those that it has; all else stays."""
    before, rest = page.split(START)
    body = "\n\n".join(part for part in tables(records) if part)
    return f"{before}{START}\n\n{body}\n\n{END}{rest.split(END, 1)[1]}"


def tables(records: dict[str, Record]) -> list[str]:
    """What the page says of the records."""
    good = {name: record for name, record in records.items() if "seconds" in record}
    early = {name: record for name, record in good.items() if "method" not in record}
    rest = "The tables below are of `max_norm` plans. " + _machine(early)
    parts = (_best(good), rest, _tables(records), _few(good), _every_edge(good), _growth(early))
    return [part for part in parts if part]


def _best(good: dict[str, Record]) -> str:
    """Each row in the batch that suits it most, as far as it has been measured."""
    known = {name: record for name, record in good.items() if record.get("method") == "calibrated"}
    if not known:
        return ""
    lines = [
        "### Plans that decide as the network does",
        "",
        "`calibrated` plans; the other packages convert as they do below. Each row and the plain network run in the "
        "batch of 8, 32 or 128 images that suits them most, of those that have been measured so far. The network has "
        "its batch norms folded, and runs in `torch.inference_mode` and the better of two memory formats. "
        + _machine(known),
        "",
        "| | images/s | time / (T · network) | batch | accuracy |",
        "| --- |" + " ---: |" * 4,
    ]
    for network, steps in WORKING:
        for row in ("event", *OTHERS):
            batches = [
                known[name] for size in BATCHES if (name := _working(row, network, steps, size)["name"]) in known
            ]
            if not batches:
                continue
            r = min(batches, key=lambda record: record["seconds"] / record["batch"])
            numbers = [
                f"{r['batch'] / r['seconds']:,.0f}",
                f"{_share(r):.3f}",
                f"{r['batch']}",
                f"{100 * r['accuracy']:.1f} % of {r['of']}",
            ]
            lines.append(f"| {row}: {network}, T = {steps} | " + " | ".join(numbers) + " |")
    return "\n".join(lines)


def _machine(good: dict[str, Record]) -> str:
    """Where, when and with what some rows were measured."""
    machines = ", ".join(dict.fromkeys(record["machine"] for record in good.values()))
    dates = sorted({record["date"] for record in good.values()})
    versions = ", ".join(dict.fromkeys(v for record in good.values() for v in record["versions"]))
    repeats = min((record["repeats"] for record in good.values()), default=0)
    return (
        f"{machines}, one thread; {versions}; {' to '.join(dict.fromkeys((dates[0], dates[-1]))) if dates else ''}. "
        f"Medians of at least {repeats} runs."
    )


def _tables(records: dict[str, Record]) -> str:
    parts = []
    for network, steps, batch in MAIN:
        rows = [records.get(_case(row, network, steps, batch)["name"]) for row in (*OURS, *OTHERS)]
        known = [row for row in rows if row is not None]
        event = next((row for row in known if row["row"] == "event" and "seconds" in row), None)
        if event is None:
            continue
        best = min((row for row in known if row["row"] in OTHERS and "seconds" in row), key=_share, default=None)
        ahead = f" The best of the others takes **{_share(best) / _share(event):.1f} times** as long." if best else ""
        parts.append(
            f"### {network}, T = {steps}, batch {batch}\n\nActivity {100 * event['activity']:.1f} %, "
            f"{event['operations'] / 1e6:.2f} M synaptic operations an image; the plain network: "
            f"{batch / event['network_seconds']:,.0f} images/s.{ahead}\n\n{_table(known, event)}"
        )
    return "\n\n".join(parts)


def _table(rows: list[Record], event: Record) -> str:
    lines = ["| | images/s | time / (T · network) | G operations/s | memory | accuracy |", "| --- |" + " ---: |" * 5]
    for row in rows:
        if "failed" in row:
            lines.append(f"| {row['row']} | {row['failed']} | | | | |")
            continue
        rate = event["operations"] * row["batch"] / row["seconds"] / 1e9
        lines.append(
            f"| {row['row']} | {row['batch'] / row['seconds']:,.0f} | {_share(row):.3f} | {rate:.2f} | "
            f"{row['memory'] / 2**20:,.0f} MB | {100 * row['accuracy']:.1f} % of {row['of']} |"
        )
    return "\n".join(lines)


def _few(good: dict[str, Record]) -> str:
    names = [_case(row, "cifar10-resnet20", 8, 64)["name"] for row in ("few_spikes", "batched few-spikes", "pipelined")]
    if names[0] not in good:
        return ""
    first = good[names[0]]
    ratios = [
        f"{what} {_share(good[name]) / _share(first):.1f} times as long"
        for name, what in zip(
            names[1:], ("K dense steps a layer", "steps simulated one by one, pipelined"), strict=True
        )
        if name in good
    ]
    return (
        "### Few spikes: cifar10-resnet20, K = 8, batch 64\n\nOne pass, spikes and operations counted, takes "
        f"**{_share(first):.2f} times** the network's own time" + (f"; {', and '.join(ratios)}." if ratios else ".")
    )


def _every_edge(good: dict[str, Record]) -> str:
    known = [good[name] for each in EDGES if (name := _edges(*each)["name"]) in good]
    if not known:
        return ""
    said = [f"**{_share(r):.2f} times** the time of `{r['network']}` (K = {r['steps']})" for r in known]
    machine = _machine({record["name"]: record for record in known})
    return (
        "### Few spikes on every edge: transformers, batch 64\n\nOne pass of an `every_edge` plan, spikes and "
        f"operations counted, takes {' and '.join(said)}. The networks run as in the first table. {machine}"
    )


def _growth(good: dict[str, Record]) -> str:
    lines = ["### Busy neurons", "", "Thresholds lowered until a quarter to a half of the neurons fire in a step.", ""]
    lines += ["| | activity | event / batched |", "| --- | ---: | ---: |"]
    active = [good[name] for main in MAIN if (name := _case("event", *main, activity=0.5)["name"]) in good]
    for r in active:
        ratio = r["seconds"] / r["batched_seconds"]
        lines.append(f"| {r['network']}, T = {r['steps']} | {100 * r['activity']:.0f} % | {ratio:.2f} |")
    lines += ["", "### Growth", "", "| | images/s | time / (T · network) | memory |", "| --- | ---: | ---: | ---: |"]
    for case in cases():
        record = good.get(case["name"])
        if record and "activity" not in case and (case["network"] == "mnist-mlp" or "width" in case["network"]):
            lines.append(
                f"| {case['name']} | {record['batch'] / record['seconds']:,.1f} | {_share(record):.3f} | "
                f"{record['memory'] / 2**20:,.0f} MB |"
            )
    return "\n".join(lines)


def _picture(good: dict[str, Record]) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 3.6), layout="constrained")
    for row in ("event", "batched", "SpikingJelly, multi-step", "SpikingJelly, compiled"):
        at = [good[name] for t in LENGTHS if (name := _case(row, "mnist-mlp", t, 32)["name"]) in good]
        steps = [record["steps"] for record in at]
        axes[0].loglog(steps, [record["seconds"] / 32 for record in at], "o-", color=COLOURS[row], label=row)
        axes[1].loglog(steps, [max(record["memory"], 2**18) / 2**20 for record in at], "o-", color=COLOURS[row])
    axes[0].set(xlabel="steps T", ylabel="seconds an image", title="mnist-mlp, batch 32")
    axes[1].set(xlabel="steps T", ylabel="memory (MB)", title="mnist-mlp, batch 32")
    axes[0].legend(fontsize=7)
    for place, row in enumerate((*OURS, *OTHERS)):
        shares = [_share(good[name]) if (name := _case(row, *main)["name"]) in good else 0.0 for main in MAIN]
        axes[2].bar([n + 0.13 * (place - 2.5) for n in range(len(MAIN))], shares, 0.13, color=COLOURS[row], label=row)
    axes[2].set_xticks(range(len(MAIN)), [name.removeprefix("cifar10-") for name, _, _ in MAIN], fontsize=7)
    axes[2].set(ylabel="time / (T · network)", yscale="log")
    figure.legend(*axes[2].get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside right upper")
    figure.savefig(PICTURE, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
