"""fonte model logits, generate, perplexity on the small trained model."""
import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

FONTE = os.environ["FONTE_EXE"]
TESTS = os.environ["FONTE_TESTS"]
SETS = ("ref", "avx2", "avx512", "maddubs", "vnni", "neon", "dotprod", "amx", "all")
ROUNDING = ("amx", "all")  # inputs of the BF16 weights that this model has


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
        expected = self.ids(*args, "--cpu-mask", "ref")
        self.assertEqual(len(expected), 60)
        for s in self.sets:
            one, three = (self.ids(*args, "--cpu-mask", s, "--threads", n) for n in (1, 3))
            self.assertEqual(one, three, s)
            # inputs rounded to bf16: of two words nearly as likely, the other may come in the end
            same = 40 if s in ROUNDING else 60
            self.assertEqual(one[:same], expected[:same], s)

    def test_an_error_is_one_line_written_at_once(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            ours.settimeout(60)
            status = subprocess.run([FONTE, "model", "inspect", "no\nsuch"], stderr=theirs).returncode
            line = ours.recv(4096).decode()  # what one call of write has written
        self.assertEqual((status, line), (4, "fonte: no such: No such file or directory\n"))

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

    def test_ids_are_exactly_as_many_as_asked_for(self):
        # "</s>" and "<s>" made the likeliest: they end a text, but not a list of ids
        for end in (2, 1):
            args = ("generate", self.model, "--prompt", "The Commission", "--tokens", 5, "--logit-bias",
                    "%d=100" % end)
            self.assertEqual(run(*args), (0, "", ""))
            self.assertEqual(run(*args, "--ids")[1], " ".join([str(end)] * 5) + "\n")
            r = json.loads(run(*args, "--json")[1])
            self.assertEqual((r["text"], r["ids"], r["end"]), ("", [end], "end"))
            r = json.loads(run(*args, "--json", "--ids")[1])
            self.assertEqual((r["ids"], r["end"]), ([end] * 5, "length"))

    def test_log_probabilities(self):
        args = ("generate", self.model, "--prompt", "The AI Act", "--tokens", 6, "--json")
        plain, told = (json.loads(run(*args, *more)[1]) for more in ((), ("--logprobs", 20)))
        self.assertEqual(plain["ids"], told["ids"])
        self.assertNotIn("logprobs", plain)
        self.assertEqual([t["id"] for t in told["logprobs"]], told["ids"])
        for token in told["logprobs"]:
            top = [t["logprob"] for t in token["top"]]
            self.assertEqual(len(top), 20)
            self.assertEqual(top, sorted(top, reverse=True))
            self.assertEqual(token["top"][0], {"id": token["id"], "logprob": token["logprob"]})
            self.assertLessEqual(sum(map(math.exp, top)), 1 + 1e-5)
        banned = json.loads(run(*args, "--logit-bias", "%d=-100" % plain["ids"][0])[1])
        self.assertNotEqual(banned["ids"][0], plain["ids"][0])
        self.assertEqual(run(*args, "--logit-bias", "%d=-0" % plain["ids"][0])[1].split('"read_s"')[0],
                         run(*args)[1].split('"read_s"')[0])

    def test_a_context_that_is_full_is_an_error_with_the_numbers(self):
        status, out, err = run("generate", self.model, "--prompt", "The AI Act", "--context", 40,
                               "--ignore-end")
        self.assertEqual((status, err), (5, "fonte: the context is full: 40 tokens and 1 more, at most 40\n"))
        self.assertGreater(len(out), 40)

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

    def nll(self, ids, begin, end, counted):
        """Of ids[counted:end], after BOS and ids[begin:]; from the logits command."""
        out = os.path.join(self.folder.name, "rows")
        tokens = " ".join(map(str, [1] + ids[begin:end - 1]))
        self.assertEqual(run("logits", self.model, "--tokens", tokens, "--out", out)[0], 0)
        with open(out, "rb") as f:
            rows = [struct.unpack("<1024f", f.read(4096)) for _ in range(begin, end)]
        for i in range(max(begin, counted), end):
            row = rows[i - begin]
            yield math.log(math.fsum(math.exp(x - max(row)) for x in row)) + max(row) - row[ids[i]]

    def test_perplexity_is_that_of_the_logits(self):
        text = os.path.join(self.folder.name, "text")
        with open(text, "w") as f:
            f.write("The Commission said that the AI Act applies to Llama 2, which Meta released on 18 "
                    "July 2023. Nobody knew why the court had asked for more time.")
        ids = json.loads(run("tokenize", self.model, "--file", text, "--json")[1])["ids"]
        self.assertGreater(len(ids), 40)
        # one window; windows of 15 and BOS that move by 7, in which the second half counts
        windows = {256: [(0, len(ids), 0)], 16: [(0, 15, 0)]}
        begin = 0
        while windows[16][-1][1] < len(ids):
            begin += 7
            windows[16].append((begin, min(begin + 15, len(ids)), windows[16][-1][1]))
        for context, spans in windows.items():
            r = json.loads(run("perplexity", self.model, text, "--context", context, "--json")[1])
            values = [x for span in spans for x in self.nll(ids, *span)]
            mean = math.fsum(values) / len(values)
            self.assertEqual((r["tokens"], len(values)), (len(ids), len(ids)))
            self.assertAlmostEqual(r["nll"], mean, delta=1e-5)
            self.assertAlmostEqual(r["perplexity"], math.exp(mean), delta=1e-4 * math.exp(mean))
            error = math.sqrt(sum((x - mean) ** 2 for x in values) / len(values) / (len(values) - 1))
            self.assertAlmostEqual(r["error"], error, delta=1e-5)

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
                (["generate", self.model, "--prompt", "a", "--logit-bias", "x"], 2, "'x'"),
                (["generate", self.model, "--prompt", "a", "--logit-bias", "1=y"], 2, "'1=y'"),
                (["generate", self.model, "--prompt", "a", "--logit-bias", "1=nan"], 2, "logit_bias"),
                (["generate", self.model, "--prompt", "a", "--logit-bias", "1=101"], 2, "101"),
                (["generate", self.model, "--prompt", "a", "--logit-bias", "1024=1"], 1, "1024"),
                (["generate", self.model, "--prompt", "a", "--logprobs", "2"], 2, "--json"),
                (["generate", self.model, "--prompt", "a", "--logprobs", "21", "--json"], 2, "20"),
                (["generate", self.model, "--prompt", "a", "--stop", ""], 2, "empty"),
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
        # what there is so far comes as an object
        process = subprocess.Popen([FONTE, "model", "generate", self.model, "--prompt", "a", "--tokens",
                                    "250", "--ignore-end", "--cpu-mask", "ref", "--json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.15)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(err, b"")
        if process.returncode == 130 and out:
            self.assertEqual(json.loads(out)["end"], "cut")
        r = subprocess.run(["sh", "-c", '"$0" model generate "$1" --prompt a --tokens 200 > /dev/full',
                            FONTE, self.model], capture_output=True, timeout=60)
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stderr.count(b"\n"), 1, r.stderr)


if __name__ == "__main__":
    unittest.main()
