#!/usr/bin/env python3
"""How the engine's time grows with the prompt and with the streams: script/bench --growth runs this.

    growth.py FONTE FOLDER OUT [--shape SHAPE] [--layers N] [--type TYPE] [--repeat N]

Makes a model with random weights in FOLDER (and removes it again), measures it with one thread and
with all, and writes OUT/growth-prefill.svg, OUT/growth-decode.svg and the figures as text. Few layers
of a large shape show how a large model grows without taking its time."""
import argparse
import json
import os
import pathlib
import subprocess
import sys

PROMPTS = [128, 256, 512, 1024, 2048, 4096]
STREAMS = [1, 2, 4, 8, 16]
CONTEXT = 256  # of each stream
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 380, 70, 130, 50, 50
COLOURS = ["#1b6ca8", "#c8553d", "#3a7d44", "#7a5195"]


def measure(fonte, model, figure, threads, repeat, *options):
    command = [fonte, "--json", "bench", "engine", model, "--threads", threads, "--repeat", repeat, *options]
    out = subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True).stdout
    report = json.loads(out)
    return report["figures"][figure]["median"], report["machine"]


def nice_step(most):
    """1, 2 or 5 times a power of ten, so that four to eight steps reach `most`."""
    power = 10.0 ** (len(str(int(most))) - 1 if most >= 1 else -1)
    return next(s * power for s in (0.1, 0.2, 0.5, 1, 2) if most / (s * power) <= 8)


def chart(title, x_label, y_label, xs, series):
    """Lines over equal steps of xs, which double; y from zero. series: name -> a value for each x."""
    step = nice_step(max(max(v) for v in series.values()))
    rows = int(max(max(v) for v in series.values()) / step) + 1
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(i):
        return LEFT + i * (right - LEFT) / (len(xs) - 1)

    def y(value):
        return bottom - value / (rows * step) * (bottom - TOP)

    def text(at_x, at_y, what, anchor="middle", more=""):
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}"{more}>{what}</text>'

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">', f'<title>{title}</title>',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           text(LEFT, 24, title, "start", ' font-size="15"'),
           text((LEFT + right) / 2, HEIGHT - 12, x_label), text(LEFT, TOP - 10, y_label, "start")]
    for row in range(rows + 1):
        at = y(row * step)
        out += [f'<path d="M{LEFT} {at:.1f}H{right}" stroke="#ddd"/>',
                text(LEFT - 8, at + 4, f"{row * step:g}", "end")]
    out += [text(x(i), bottom + 18, f"{value:,}") for i, value in enumerate(xs)]
    for colour, (name, values) in zip(COLOURS, series.items()):
        points = [f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(values)]
        out.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="3" fill="{colour}"/>' for p in points]
        out.append(text(right + 10, y(values[-1]) + 4, name, "start", f' fill="{colour}"'))
    return "\n".join(out + ["</svg>", ""])


def table(head, xs, series):
    print(f"\n{head}\n" + "".join(f"{c:>14}" for c in ["", *series]))
    for i, value in enumerate(xs):
        print(f"{value:14,}" + "".join(f"{v[i]:14.2f}" for v in series.values()), flush=True)


def name_of(threads):
    return f"{threads} thread" + ("s" if threads > 1 else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("fonte", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--shape", default="llama2-7b")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--type", default="Q4_0")
    parser.add_argument("--repeat", type=int, default=1)
    o = parser.parse_args()
    o.folder.mkdir(parents=True, exist_ok=True)
    path = o.folder / "growth.gguf"
    threads = sorted({1, len(os.sched_getaffinity(0))})
    subprocess.run([o.fonte, "model", "random", o.shape, o.type, path, "--layers", str(o.layers)],
                   check=True, stdout=subprocess.DEVNULL)
    model = f"{o.shape}, {o.layers} layers, {o.type}"
    try:
        prefill, decode, machine = {}, {}, ""
        for n in threads:
            rates = [measure(o.fonte, path, "prefill", n, o.repeat, "--prompt", p, "--decode", 0) for p in PROMPTS]
            prefill[name_of(n)] = [1000 / rate for rate, _ in rates]
            rates = [measure(o.fonte, path, "decode", n, o.repeat, "--prompt", 0, "--decode", 32, "--context",
                             CONTEXT, "--streams", s) for s in STREAMS]
            decode[name_of(n)] = [rate for rate, _ in rates]
            machine = rates[0][1]
    finally:
        path.unlink()
    print(f"{machine}\n{model}")
    table("prefill, ms a token", PROMPTS, prefill)
    table("decode, tokens/s of all streams", STREAMS, decode)
    o.out.mkdir(parents=True, exist_ok=True)
    for name, svg in (
            ("prefill", chart(f"Reading a prompt ({model})", "tokens of the prompt", "ms a token", PROMPTS, prefill)),
            ("decode", chart(f"Writing to several at once ({model})", "streams", "tokens/s, all together",
                             STREAMS, decode))):
        (o.out / f"growth-{name}.svg").write_text(svg, encoding="utf-8")
        print(o.out / f"growth-{name}.svg", file=sys.stderr)


if __name__ == "__main__":
    main()
