"""fonte model logits, generate, perplexity on the small trained model, and against references."""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

FONTE = os.environ["FONTE_EXE"]
TESTS = os.environ["FONTE_TESTS"]
SHARED = os.environ.get("FONTE_SHARED", "")
SETS = ("ref", "avx2", "avx512", "neon", "amx", "all")


def run(*args, **more):
    r = subprocess.run([FONTE, "model", *map(str, args)], capture_output=True, timeout=120, **more)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


class Model(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="fonte-model-")
        cls.model = os.path.join(cls.folder.name, "tiny.gguf")
        status, _, err = run("convert", os.path.join(TESTS, "fixtures", "tiny-llama"), cls.model)
        assert status == 0, err
        cls.sets = [s for s in SETS if run("generate", cls.model, "--prompt", "a", "--tokens", 1,
                                           "--cpu-mask", s)[0] == 0]
        print("kernel sets:", *cls.sets, file=sys.stderr)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def ids(self, *args):
        status, out, err = run("generate", self.model, "--ids", *args)
        self.assertEqual((status, err), (0, ""))
        return [int(x) for x in out.split()]

    def test_the_same_text_on_every_set_and_any_number_of_threads(self):
        self.assertIn("ref", self.sets)
        args = ("--prompt", "Meta released Llama 2 on 18 July", "--tokens", 60)
        expected = self.ids(*args)
        self.assertEqual(len(expected), 60)
        for s in self.sets:
            for threads in (1, 3):
                self.assertEqual(self.ids(*args, "--cpu-mask", s, "--threads", threads), expected, s)

    def test_logits_foretell_what_is_written(self):
        prompt = [1, 40, 41, 42, 50]
        out = os.path.join(self.folder.name, "logits")
        status, text, err = run("logits", self.model, "--tokens", ",".join(map(str, prompt)), "--out", out)
        self.assertEqual((status, err), (0, ""))
        with open(out, "rb") as f:
            data = f.read()
        self.assertEqual(len(data), 4 * len(prompt) * 1024)
        last = struct.unpack("<1024f", data[-4096:])
        written = self.ids("--tokens-in", " ".join(map(str, prompt)), "--tokens", 1)
        self.assertEqual(last.index(max(last)), written[0])
        listed = os.path.join(self.folder.name, "ids")
        with open(listed, "w") as f:
            f.write("\n".join(map(str, prompt)))
        again = out + "2"
        self.assertEqual(run("logits", self.model, "--tokens", "@" + listed, "--out", again)[0], 0)
        with open(again, "rb") as f:
            self.assertEqual(f.read(), data)

    def test_seeds_and_stops(self):
        args = ("generate", self.model, "--prompt", "The Commission", "--temperature", 1, "--tokens", 40)
        one, same, other = (run(*args, "--seed", s)[1] for s in (1, 1, 2))
        self.assertEqual(one, same)
        self.assertNotEqual(one, other)
        stop = one[10:13]
        status, text, _ = run(*args, "--seed", 1, "--stop", stop)
        self.assertEqual((status, text), (0, one[:one.index(stop)]))
        r = json.loads(run(*args, "--seed", 1, "--stop", stop, "--json")[1])
        self.assertEqual((r["text"], r["end"]), (text, "stop"))

    def test_perplexity_tells_known_text_from_noise(self):
        article = os.path.join(os.path.dirname(TESTS), "corpora", "tech-policy", "en")
        article = os.path.join(article, sorted(os.listdir(article))[0])
        noise = os.path.join(self.folder.name, "noise")
        with open(noise, "w") as f:
            f.write("qj xk vv zq " * 200)
        known, unknown = (json.loads(run("perplexity", self.model, p, "--context", 128, "--json")[1])
                          for p in (article, noise))
        self.assertLess(known["perplexity"], 20)
        self.assertGreater(unknown["perplexity"], 5 * known["perplexity"])
        ref = json.loads(run("perplexity", self.model, article, "--context", 128, "--json",
                             "--cpu-mask", "ref")[1])
        self.assertLess(abs(ref["perplexity"] / known["perplexity"] - 1), 1e-3)

    def test_quantised_it_still_writes(self):
        for type in ("Q8_0", "Q4_0", "Q4_K_M"):
            path = os.path.join(self.folder.name, type)
            self.assertEqual(run("quantize", self.model, path, type, "--quiet")[0], 0)
            texts = {run("generate", path, "--prompt", "The AI Act", "--tokens", 20, "--cpu-mask", s)[1]
                     for s in self.sets}
            self.assertEqual(len(texts), 1, (type, texts))

    def test_wrong_usage_and_numbers(self):
        for args, status, text in (
                (["generate", self.model], 2, "--prompt"),
                (["generate", self.model, "--prompt", "a", "--tokens-in", "1"], 2, "either"),
                (["generate", self.model, "--prompt", "a", "--cpu-mask", "mmx"], 2, "mmx"),
                (["generate", self.model, "--prompt", "a", "--top-p", "2"], 2, "top-p"),
                (["generate", self.model, "--prompt", "a", "--chat"], 1, "template"),
                (["generate", self.model, "--tokens-in", "1,5000"], 1, "5000"),
                (["generate", self.model, "--prompt", "a b " * 300], 5, "256"),
                (["generate", self.model, "--prompt", "a", "--tokens", "300"], 5, "300"),
                (["generate", self.model, "--prompt", "a", "--context", "999"], 2, "999"),
                (["generate", "/nonexistent.gguf", "--prompt", "a"], 4, "nonexistent"),
                (["logits", self.model, "--tokens", "1"], 2, "--out"),
                (["logits", self.model, "--tokens", "1,x", "--out", "/dev/null"], 2, "'x'"),
                (["logits", self.model, "--tokens", "1", "--out", "/nonexistent/f"], 1, "/nonexistent/f"),
                (["logits", self.model, "--tokens", ",".join(["1"] * 257), "--out", "/dev/null"], 2, "257"),
                (["perplexity", self.model], 2, "text file"),
                (["perplexity", self.model, "/dev/null"], 1, "two tokens")):
            got, out, err = run(*args)
            self.assertEqual((got, err.count("\n")), (status, 1), (args, err))
            self.assertIn(text, err)

    def test_ctrl_c_and_a_closed_pipe(self):
        process = subprocess.Popen([FONTE, "model", "generate", self.model, "--prompt", "a", "--tokens",
                                    "250", "--ignore-end", "--cpu-mask", "ref"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertIn(process.returncode, (0, 130))
        self.assertEqual(err, b"")
        r = subprocess.run(["sh", "-c", '"$0" model generate "$1" --prompt a --tokens 200 > /dev/full',
                            FONTE, self.model], capture_output=True, timeout=60)
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stderr.count(b"\n"), 1, r.stderr)


@unittest.skipUnless(SHARED, "FONTE_SHARED is not set: no reference data")
class Reference(unittest.TestCase):
    def test_stories_are_exact(self):
        folder = os.path.join(SHARED, "llama2", "stories260K")
        with tempfile.TemporaryDirectory() as work:
            converted = os.path.join(work, "s.gguf")
            self.assertEqual(run("convert", os.path.join(folder, "hf"), converted)[0], 0)
            with open(os.path.join(folder, "cases.jsonl")) as f:
                cases = [json.loads(line) for line in f]
            for model in (os.path.join(folder, "stories260K.f32.gguf"), converted):
                for case in cases:
                    status, out, err = run("tokenize", model, case["prompt"], "--ids", "--bos")
                    self.assertEqual([int(x) for x in out.split()], case["ids"], err)
                    n = len(case["greedy"])
                    text = run("generate", model, "--prompt", case["prompt"], "--tokens", n,
                               "--ignore-end")[1]
                    self.assertEqual(text, case["text"])
                    for s in SETS if model != converted else ["all"]:
                        status, out, err = run("generate", model, "--tokens-in",
                                               ",".join(map(str, case["ids"])), "--tokens", n, "--ids",
                                               "--ignore-end", "--cpu-mask", s)
                        if status != 0:
                            self.assertIn("kernel", err)
                            continue
                        self.assertEqual([int(x) for x in out.split()], case["greedy"], s)

    def test_golden_models(self):
        golden = os.path.join(SHARED, "golden")
        command = FONTE + " model %s"
        r = subprocess.run(
            ["/usr/bin/python3", os.path.join(golden, "check.py"), golden, "--only", "llama",
             "--logits", command % "logits {model} --tokens {tokens} --out {out}",
             "--greedy", command % "generate {model} --tokens-in {tokens} --tokens {n} --ids --ignore-end"],
            capture_output=True, text=True, timeout=300)
        self.assertEqual(r.returncode, 0, r.stdout[-3000:] + r.stderr[-1000:])
        self.assertIn(" 0 failed", r.stdout)


if __name__ == "__main__":
    unittest.main()
