#!/usr/bin/env python3
"""Fonte's engine beside llama.cpp, on the same files, in turn: script/bench --peer runs this.

    peer.py FONTE FOLDER [--models NAME,...] [--rounds N] [--threads N] [--keep]

FOLDER is where the peer is built (a virtual environment, once) and where models with random weights
are made; models are removed again unless --keep. A model is SHAPE:TYPE ("llama2-7b:Q4_0"), with fewer
layers SHAPE:TYPE:LAYERS, or a file. Each row is measured with both, round after round, the other one
first each time (memory may be slower after hard use); a prompt is read three times in a process, the
median counts. Of the rounds the ratio of the medians counts. Before that, both continue the same
prompts with the small trained model of the tests, which Fonte converts and quantizes to every type:
files that Fonte writes mean the same elsewhere."""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MODELS = "llama2-7b:Q4_0,llama2-7b:Q4_K_M,tinyllama-1.1b:Q8_0,tinyllama-1.1b:F16,tinyllama-1.1b:BF16"
ROWS = [  # name, figure, options
    # the first prompt of a process also has memory handed out, which a service sees once
    ("prefill 512", "prefill", ["--prompt", "512", "--decode", "0", "--repeat", "3"]),
    ("decode", "decode", ["--prompt", "0", "--decode", "32", "--repeat", "1"]),
    ("decode at 1,024", "decode",
     ["--prompt", "0", "--decode", "16", "--context", "1024", "--repeat", "1"]),
    ("4 streams", "decode", ["--prompt", "0", "--decode", "16", "--streams", "4", "--repeat", "1"]),
    ("8 streams", "decode", ["--prompt", "0", "--decode", "16", "--streams", "8", "--repeat", "1"]),
]
# tokens/s of llama.cpp 0.5.0 on two threads of a quiet machine: what a peer that was built well does
KNOWN = {
    "AuthenticAMD": {
        "llama2-7b:Q4_0": [19.5, 7.2, 5.3, 13.9, 14.7],
        "llama2-7b:Q4_K_M": [17.3, 7.2, 4.2, 9.6, 9.7],
    },
    "GenuineIntel": {
        "llama2-7b:Q4_0": [44.3, 7.9, 6.4, 14.6, 22.8],
        "llama2-7b:Q4_K_M": [36.3, 4.4, 4.1, 10.4, 13.5],
    },
}


def run(command, **options):
    return subprocess.run([str(c) for c in command], check=True, **options)


def correct_amx(source):
    """Compilers may delete stores to a tile configuration that GCC 12 says are not read, and llama.cpp
    with AMX then crashes. One line before it is loaded keeps them."""
    load = "_tile_loadconfig(&tc);"
    for path in source.rglob("ggml-cpu/amx/mmq.cpp"):
        text = path.read_text()
        keep = '__asm__ volatile("" :: "r"(&tc) : "memory");'
        if keep not in text and load in text:
            path.write_text(text.replace(load, f"{keep}\n    {load}"))
            print("llama.cpp's amx/mmq.cpp was corrected: stores before _tile_loadconfig are kept",
                  file=sys.stderr)


def build_peer(folder):
    """llama-cpp-python from its source with native flags, and peer.c over its libraries."""
    venv, peer, source = folder / "venv", folder / "peer", folder / "source"
    pip = venv / "bin" / "pip"
    if not pip.exists():
        run([sys.executable, "-m", "venv", venv])
    if not list(venv.glob("lib/python*/site-packages/llama_cpp")):
        print("building llama.cpp (some minutes to half an hour)", file=sys.stderr)
        shutil.rmtree(source, ignore_errors=True)
        run([pip, "download", "-q", "--no-deps", "--no-binary", "llama-cpp-python", "-d", source,
             "llama-cpp-python"])
        shutil.unpack_archive(next(source.glob("*.tar.gz")), source)
        correct_amx(source)
        environment = os.environ | {"CMAKE_ARGS": "-DGGML_NATIVE=ON"}
        unpacked = next(path for path in source.iterdir() if path.is_dir())
        run([pip, "install", "-q", unpacked], env=environment)
        shutil.rmtree(source)
    packages = next(venv.glob("lib/python*/site-packages"))
    libraries = packages / "llama_cpp" / "lib"
    run([os.environ.get("CC", "cc"), "-O2", "-D_GNU_SOURCE", "-I", packages / "include",
         HERE / "peer.c", "-o", peer, "-L", libraries, "-lllama", "-lggml", "-lggml-base",
         f"-Wl,-rpath,{libraries}"])
    return peer


def figures(command, options, threads):
    out = run([*command, *options, "--threads", threads],
              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return {name: f["median"] for name, f in json.loads(out)["figures"].items()}


TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL",
         "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"]
PROMPTS = ["The European Commission", "Il Garante per la protezione", "Meta released", "In July 2023",
           "La licenza di", "Export controls on", "Chi ha", "Nvidia"]


def same_text(fonte, peer, folder, n=32):
    """Greedy continuations of the trained model, by both, of files that Fonte wrote. F32, F16 and BF16
    must be the same. With the others both round activations to 8 bits, each in its own way, and so
    small a model is often near a tie."""
    source, base = HERE.parent / "fixtures" / "tiny-llama", folder / "tiny-F32.gguf"
    run([fonte, "model", "convert", source, base], stdout=subprocess.DEVNULL)
    prompts = []
    for text in PROMPTS:
        out = run([fonte, "--json", "model", "tokenize", base, text, "--bos"], stdout=subprocess.PIPE, text=True)
        prompts.append(",".join(map(str, json.loads(out.stdout)["ids"])))
    print(f"\nthe same {n} tokens after {len(prompts)} prompts, by type")
    for kind in TYPES:
        path = folder / f"tiny-{kind}.gguf"
        try:
            if kind != "F32":
                run([fonte, "model", "quantize", base, path, kind],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            same = until = 0
            for ids in prompts:
                ours, theirs = (
                    run(c, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split()
                    for c in ([fonte, "model", "generate", path, "--tokens-in", ids, "--tokens", n,
                               "--temperature", "0", "--kv", "f32", "--ids"],
                              [peer, path, "--greedy", ids, "--decode", n, "--threads", "1"]))
                same += ours[:n] == theirs[:n]
                until += next((i for i in range(n) if ours[i:i + 1] != theirs[i:i + 1]), n)
            print(f"{kind:18}{same:10} of {len(prompts)}; {until / len(prompts):.0f} tokens on the average",
                  flush=True)
        finally:
            if kind != "F32":
                path.unlink(missing_ok=True)
    base.unlink()


def touch(fonte, path):
    """Into the page cache, through a mapping as when a service starts (in large pages, where the
    system has them for files): not as it was written just now."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    run([fonte, "bench", "engine", path, "--prompt", "0", "--decode", "1", "--repeat", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(name, path, fonte, peer, rounds, threads):
    vendor = next((line.split()[-1] for line in open("/proc/cpuinfo") if "vendor_id" in line), "")
    known = KNOWN.get(vendor, {}).get(name)
    print(f"\n{name}\n{'':18}{'Fonte':>10}{'llama.cpp':>12}{'ratio':>8}")
    commands = [fonte, "--json", "bench", "engine", path], [peer, path]
    load, resident = ([], []), ([], [])
    for row, (title, figure, options) in enumerate(ROWS):
        values = [], []
        for i in range(rounds):
            for side in (0, 1) if i % 2 == 0 else (1, 0):
                f = figures(commands[side], options, threads)
                values[side].append(f[figure])
                load[side].append(f["load"])
                resident[side].append(f["resident"])
        ours, theirs = (statistics.median(v) for v in values)
        slow = ""
        if known and threads == 2 and theirs < 0.9 * known[row]:
            slow = f"   the peer is slower than it was seen: {known[row]} tokens/s"
        print(f"{title:18}{ours:10.1f}{theirs:12.1f}{ours / theirs:7.2f}x tokens/s{slow}", flush=True)
    ours, theirs = (statistics.median(v) for v in load)
    print(f"{'load':18}{ours:10.2f}{theirs:12.2f}{theirs / ours:7.1f}x s")
    print(f"{'resident':18}{max(resident[0]):10.0f}{max(resident[1]):12.0f}{'':8} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("fonte", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", action="store_true", help="leave the models")
    o = parser.parse_args()
    o.folder.mkdir(parents=True, exist_ok=True)
    peer = build_peer(o.folder)
    same_text(o.fonte, peer, o.folder)
    for name in o.models.split(","):
        made = None
        path = pathlib.Path(name)
        if not path.exists():
            shape, kind, *layers = name.split(":")
            path = o.folder / f"{name.replace(':', '-')}.gguf"
            if not path.exists():
                made = path
                run([o.fonte, "model", "random", shape, kind, path,
                     *(["--layers", *layers] if layers else [])], stdout=subprocess.DEVNULL)
        try:
            touch(o.fonte, path)
            measure(name, path, o.fonte, peer, o.rounds, o.threads)
        finally:
            if made and not o.keep:
                made.unlink()


if __name__ == "__main__":
    main()
