#!/usr/bin/env python3
"""fonte model against references that are not in the repository: the golden models with their own
check.py, and the trained stories260K from both of its forms. Needs FONTE_SHARED, and numpy for
check.py; skipped, saying so, where they are missing."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

FONTE = os.environ["FONTE_EXE"]
SHARED = os.environ.get("FONTE_SHARED", "")
SETS = ("ref", "all")  # those that people have; check_models has these models on every other
SKIPPED = 77


def run(*args):
    r = subprocess.run([FONTE, "model", *map(str, args)], capture_output=True, timeout=300)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def ids_of(text):
    return [int(x) for x in text.split()]


class Stories(unittest.TestCase):
    """Weights and cache in F32: the ids are exact."""
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.TemporaryDirectory(prefix="fonte-stories-")
        folder = os.path.join(SHARED, "llama2", "stories260K")
        converted = os.path.join(cls.work.name, "converted.gguf")
        status, _, err = run("convert", os.path.join(folder, "hf"), converted)
        assert status == 0, err
        cls.models = (os.path.join(folder, "stories260K.f32.gguf"), converted)
        with open(os.path.join(folder, "cases.jsonl")) as f:
            cls.cases = [json.loads(line) for line in f]

    @classmethod
    def tearDownClass(cls):
        cls.work.cleanup()

    def test_continuations_are_exact(self):
        self.assertGreaterEqual(len(self.cases), 10)
        for model in self.models:
            for at, s in enumerate(SETS):
                for case in self.cases:
                    status, out, err = run(
                        "generate", model, "--tokens-in", ",".join(map(str, case["ids"])), "--tokens",
                        len(case["greedy"]), "--temperature", 0, "--ids", "--cpu-mask", s, "--threads",
                        1 + at % 4)
                    self.assertEqual((status, err), (0, ""))
                    self.assertEqual(ids_of(out), case["greedy"], (model, s, case["prompt"]))

    def test_prompts_and_texts_are_exact(self):
        for model in self.models:
            for case in self.cases:
                bare = ids_of(run("tokenize", model, case["prompt"], "--ids")[1])
                self.assertEqual([1] + bare, case["ids"])
                self.assertEqual(json.loads(run("tokenize", model, case["prompt"], "--json", "--bos")[1]),
                                 {"ids": case["ids"]})
                text = run("generate", model, "--prompt", case["prompt"], "--tokens",
                           len(case["greedy"]))[1]
                self.assertEqual(text, case["text"])

    def test_a_story_ends_where_the_next_would_begin(self):
        case = next(c for c in self.cases if c["prompt"].startswith("There was a boy"))
        r = json.loads(run("generate", self.models[0], "--prompt", case["prompt"], "--json")[1])
        self.assertEqual((r["end"], r["text"], r["ids"][-1]), ("end", case["text"], 1))


class Golden(unittest.TestCase):
    def check(self, *more):
        golden = os.path.join(SHARED, "golden")
        r = subprocess.run([PYTHON, os.path.join(golden, "check.py"), golden, *more],
                           capture_output=True, text=True, timeout=500)
        self.assertEqual(r.returncode, 0, (more, r.stdout[-3000:], r.stderr[-1000:]))
        self.assertIn(" 0 failed", r.stdout)

    def check_models(self, kernels, threads):
        more = " --cpu-mask %s --threads %d" % (kernels, threads)
        self.check("--only", "llama",
                   "--logits", FONTE + " model logits {model} --tokens {tokens} --out {out}" + more,
                   "--greedy", FONTE + " model generate {model} --tokens-in {tokens} --tokens {n} "
                   "--temperature 0 --ids" + more)

    def test_models_on_one_to_four_threads(self):
        for kernels, threads in ("all", 1), ("all", 2), ("ref", 3), ("all", 4):
            self.check_models(kernels, threads)


def python_with_numpy():
    """check.py's own interpreter: a virtual environment may lack what the system has."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            if subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode == 0:
                return python
        except OSError:
            pass
    return None


if __name__ == "__main__":
    PYTHON = python_with_numpy()
    if not SHARED or not PYTHON:
        print("SKIP:", "no numpy" if SHARED else "FONTE_SHARED is not set: no reference data")
        sys.exit(SKIPPED)
    unittest.main()
