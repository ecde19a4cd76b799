#!/usr/bin/env python3
"""fonte eval and fonte bench, on datasets of a few lines: the figures that come out are those that
the data says, mistakes in the data are named, and nothing is left behind."""
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.append(os.path.join(os.environ["FONTE_TESTS"], "system"))
from model import ModelDaemon, make_model  # noqa: E402
from wire import FONTE, environment, strip_styles, write

N_CLIENTS, N_PROMPT = (4, 300) if os.environ.get("FONTE_SANITIZED") else (32, 400)

PASSAGES = [
    {"id": "p1", "lang": "en", "title": "Whales", "text":
        "The blue whale is the largest animal that has ever lived. It eats krill, up to 3.6 tonnes a day."},
    {"id": "p2", "lang": "en", "title": "Bridges", "text":
        "The Brooklyn Bridge was opened in 1883. John Roebling designed it, and his son built it."},
    {"id": "p3", "lang": "it", "title": "Cucina", "text":
        "La carbonara si prepara con uova, guanciale, pecorino e pepe nero. Nacque a Roma nel 1944."},
    {"id": "p4", "lang": "zh", "title": "Cities", "text":
        "北京是中国的首都。上海是中国最大的城市。"},
]
QUESTIONS = [
    {"id": "q1", "lang": "en", "question": "What does the blue whale eat?", "passage_id": "p1",
     "answers": ["krill"]},
    {"id": "q2", "lang": "en", "question": "When was the Brooklyn Bridge opened?", "passage_id": "p2",
     "answers": ["1883", "in 1883"]},
    {"id": "q3", "lang": "it", "question": "Con che cosa si prepara la carbonara?", "passage_id": "p3",
     "answers": ["uova, guanciale, pecorino e pepe nero"]},
    {"id": "q4", "lang": "zh", "question": "中国的首都是哪里？", "passage_id": "p4", "answers": ["北京"]},
]
# asks for one passage, but its gold is another: what cannot be right must not count as right
WRONG = {"id": "q5", "lang": "en", "question": "Who designed the Brooklyn Bridge?", "passage_id": "p1",
         "answers": ["Alan Turing"]}


def lines(objects):
    return "".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects).encode()


class Eval(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.tmp = os.path.join(self.folder.name, "tmp")
        os.mkdir(self.tmp)

    def tearDown(self):
        self.assertEqual(os.listdir(self.tmp), [], "nothing is left behind")

    def run_fonte(self, *args, timeout=120):
        r = subprocess.run([FONTE, *args], capture_output=True, timeout=timeout,
                           env=environment(TMPDIR=self.tmp))
        return r.returncode, r.stdout.decode(), r.stderr.decode()

    def dataset(self, questions=QUESTIONS, passages=PASSAGES, name="tiny", packed=False):
        pack, end = (gzip.compress, ".gz") if packed else (bytes, "")
        write(self.folder.name, f"{name}/passages.jsonl{end}", pack(lines(passages)))
        write(self.folder.name, f"{name}/questions.jsonl{end}", pack(lines(questions)))
        return os.path.join(self.folder.name, name)

    def evaluate(self, *args):
        status, out, err = self.run_fonte("eval", *args, "--json")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out.count("\n"), 1, "one object on one line")
        return json.loads(out)

    # ---- retrieval

    def test_every_passage_is_found(self):
        for packed in (False, True):
            for search in ("hybrid", "lexical", "vector"):
                r = self.evaluate("retrieval", "--search", search, "--dataset",
                                  self.dataset(name=f"d{packed}", packed=packed))
                self.assertEqual((r["passages"], r["questions"]), (4, 4))
                self.assertEqual(r["recall@10"], 100)
                if search != "vector":
                    self.assertEqual((r["recall@1"], r["recall@5"], r["mrr@10"]), (100, 100, 1))

    def test_a_gold_passage_that_is_second_counts_half(self):
        second = dict(QUESTIONS[1], passage_id="p1",
                      question="When was the Brooklyn Bridge opened, and what does the whale eat?")
        r = self.evaluate("retrieval", "--dataset", self.dataset([QUESTIONS[1], second]))
        self.assertEqual(r["recall@1"], 50)
        self.assertEqual(r["recall@5"], 100)
        self.assertEqual(r["mrr@10"], 0.75)

    def test_a_gold_passage_that_is_not_there_counts_nothing(self):
        r = self.evaluate("retrieval", "--dataset",
                          self.dataset([QUESTIONS[0], dict(QUESTIONS[1], passage_id="nowhere")]))
        self.assertEqual((r["recall@1"], r["recall@10"], r["mrr@10"]), (50, 50, 0.5))

    def test_limit_asks_only_the_first(self):
        r = self.evaluate("retrieval", "--limit", "2", "--dataset", self.dataset())
        self.assertEqual(r["questions"], 2)

    def test_titles_may_be_left_out(self):
        question = {"id": "q", "lang": "en", "question": "Cucina?", "passage_id": "p3", "answers": ["x"]}
        args = ("retrieval", "--search", "lexical", "--dataset", self.dataset([question]))
        self.assertEqual(self.evaluate(*args)["recall@1"], 100)
        self.assertEqual(self.evaluate(*args, "--no-titles")["recall@1"], 0)

    # ---- answers

    def test_answers_hold_the_gold_answer(self):
        a = self.evaluate("answers", "--min-confidence", "0", "--dataset",
                          self.dataset(QUESTIONS + [WRONG]))
        self.assertEqual((a["passages"], a["questions"]), (4, 5))
        self.assertEqual(a["answer_in_text"], 80, "four of five, the fifth is wrong")
        self.assertLessEqual(a["answer_in_first_sentence"], a["answer_in_text"])
        self.assertEqual(a["abstained"], 0)
        self.assertNotIn("unanswerable", a)
        self.assertGreater(a["words"], 1)

    def test_who_never_answers_holds_nothing(self):
        a = self.evaluate("answers", "--min-confidence", "1", "--dataset", self.dataset())
        self.assertEqual((a["abstained"], a["answer_in_text"]), (100, 0))

    def test_unanswerable_questions_are_counted_apart(self):
        none = {"id": "n", "lang": "en", "question": "How many moons has Jupiter?", "passage_id": "",
                "answers": []}
        a = self.evaluate("answers", "--dataset", self.dataset(QUESTIONS[:2] + [none]))
        self.assertEqual((a["questions"], a["unanswerable"]), (2, 1))
        self.assertEqual(a["abstained_unanswerable"], 100)
        r = self.evaluate("retrieval", "--dataset", self.dataset(QUESTIONS[:2] + [none]))
        self.assertEqual((r["questions"], r["recall@1"]), (2, 100))

    # ---- documents as files, as corpora/ has them

    def test_questions_may_name_documents(self):
        folder = os.path.join(self.folder.name, "files")
        write(folder, "a/whales.md", "---\ntitle: Whales\nlanguage: en\n---\n\n" + PASSAGES[0]["text"])
        write(folder, "a/bridges.txt", PASSAGES[1]["text"])
        write(folder, "questions.jsonl", lines([
            {"id": "1", "lang": "en", "question": "What does the whale eat?",
             "document": "a/whales.md", "answers": [{"text": "krill"}]},
            {"id": "2", "lang": "en", "question": "When was the bridge opened?",
             "document": "a/bridges.txt", "answers": ["1883"]}]))
        self.assertEqual(self.evaluate("retrieval", "--dataset", folder)["recall@1"], 100)
        self.assertEqual(self.evaluate("answers", "--min-confidence", "0", "--dataset",
                                       folder)["answer_in_text"], 100)

    def test_documents_outside_the_folder_are_refused(self):
        for path in ("../secret.txt", "/etc/passwd", "a/../../x"):
            folder = os.path.join(self.folder.name, "out")
            write(folder, "questions.jsonl", lines([
                {"id": "1", "lang": "en", "question": "x", "document": path, "answers": []}]))
            status, out, err = self.run_fonte("eval", "retrieval", "--dataset", folder)
            self.assertEqual((status, out), (1, ""))
            self.assertIn(path, err)

    # ---- mistakes

    def test_mistakes_are_named(self):
        good = self.dataset()
        broken = self.dataset(name="broken")
        with open(os.path.join(broken, "questions.jsonl"), "ab") as f:
            f.write(b"\n\n{\"id\": \n")
        cut = self.dataset(name="cut", packed=True)
        path = os.path.join(cut, "passages.jsonl.gz")
        os.truncate(path, os.path.getsize(path) - 20)
        for args, status, text in (
                (["eval"], 2, "retrieval or answers"),
                (["eval", "speed", "--dataset", good], 2, "retrieval or answers"),
                (["eval", "retrieval"], 2, "--dataset is missing"),
                (["eval", "retrieval", "--dataset", good, "--search", "best"], 2, "best"),
                (["eval", "answers", "--dataset", good, "--min-confidence", "2"], 2, "min-confidence"),
                (["eval", "retrieval", "--dataset", good + "/none"], 4, "holds no questions.jsonl"),
                (["eval", "retrieval", "--dataset", broken], 1, "questions.jsonl: line 7"),
                (["eval", "retrieval", "--dataset", cut], 1, "passages.jsonl.gz: cut off after"),
                (["bench"], 2, "bench what: ingest, search"),
                (["bench", "serve"], 2, "one model"),
                (["bench", "search", "x"], 2, "takes no operands"),
                (["bench", "serve", "x", "--socket", "y"], 2, "the daemon has the model"),
                (["bench", "serve", "--socket", "/none"], 3, "/none"),
                (["bench", "serve", "x", "--shared", "101"], 2, "--shared"),
                (["bench", "ingest", "--size", "0"], 2, "--size")):
            got, out, err = self.run_fonte(*args)
            self.assertEqual((got, out), (status, ""), args)
            self.assertIn(text, err)

    def test_a_table_for_people(self):
        status, out, err = self.run_fonte("eval", "retrieval", "--dataset", self.dataset())
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"(?m)^recall@1 +100$")
        self.assertRegex(out, r"(?m)^dataset +/.*/tiny$")

    # ---- bench

    def check_bench(self, args, figures):
        status, out, err = self.run_fonte("bench", *args, "--json", timeout=170)
        err = re.sub(r"(?m)^<5>READY .*\n", "", err)  # the daemon's own word
        self.assertEqual((status, err), (0, ""))
        report = json.loads(out)
        self.assertRegex(report["machine"], r"^.+, \d+ processors,")
        self.assertEqual(sorted(report["figures"]), sorted(figures))
        for name, unit in figures.items():
            f = report["figures"][name]
            self.assertEqual(f["unit"], unit)
            low = f["min"] >= 0 if name in ("lost_events", "cached") else f["min"] > 0
            self.assertTrue(low and f["min"] <= f["median"] <= f["max"], (name, f))
        return report["figures"]

    def test_bench_ingest(self):
        self.check_bench(["ingest", "--size", "1", "--repeat", "2"],
                         {"ingest": "MB/s", "passages": "passages/s", "peak_memory": "MB",
                          "index_size": "bytes per byte of text"})

    def test_bench_search(self):
        f = self.check_bench(["search", "--passages", "500", "--clients", "2", "--requests", "10",
                              "--repeat", "2"],
                             {"start": "s", "search_p50": "ms", "search_p99": "ms",
                              "search_rate": "requests/s", "search_processor_time": "ms",
                              "daemon_peak_memory": "MB"})
        self.assertLessEqual(f["search_p50"]["median"], f["search_p99"]["median"])

    SERVED = {"first_token_p50": "ms", "first_token_p99": "ms", "next_token_p50": "ms",
              "next_token_p99": "ms", "requests": "requests/s", "tokens": "tokens/s",
              "prompt": "tokens", "cached": "of prompt", "events": "events", "lost_events": "events",
              "repeated_first_token": "ms", "repeated_next_token": "ms"}
    ASKED = {"overhead_p50": "ms", "overhead_p99": "ms", "engine_p50": "ms", "engine_p99": "ms"}

    def test_bench_serve(self):
        model = make_model(self.folder.name, context=2048)
        own = {**self.SERVED, **self.ASKED, "daemon_peak_memory": "MB"}
        args = ["serve", model, "--passages", "200", "--prompt", str(N_PROMPT), "--decode", "8",
                "--questions", "3"]
        f = self.check_bench(args + ["--clients", str(N_CLIENTS), "--requests", "2"], own)
        self.assertEqual(f["lost_events"]["max"], 0)
        self.assertGreaterEqual(f["events"]["median"], N_CLIENTS * 2 * 8)
        self.assertAlmostEqual(f["prompt"]["median"], N_PROMPT, delta=60)
        self.assertGreater(f["cached"]["median"], 0.4)
        del own["overhead_p50"], own["overhead_p99"], own["engine_p50"], own["engine_p99"]
        f = self.check_bench(args[:-1] + ["0", "--requests", "1", "--set", "generator.cached_prompts=0",
                                          "--shared", "0", "--rate", "50"], own)
        self.assertLess(f["cached"]["median"], 0.1)

    def test_bench_serve_of_a_daemon_that_runs(self):
        with ModelDaemon(context=2048) as daemon:
            self.check_bench(["serve", "--socket", daemon.socket, "--prompt", "100", "--decode", "4",
                              "--requests", "1", "--questions", "0"], self.SERVED)

    def test_bench_table(self):
        status, out, _ = self.run_fonte("bench", "ingest", "--size", "1", "--repeat", "1")
        self.assertEqual(status, 0)
        self.assertRegex(strip_styles(out), r"(?m)^ingest +[\d.]+ +[\d.]+ +[\d.]+ MB/s$")

    def test_interrupted_it_cleans_up(self):
        for args in (["bench", "ingest", "--size", "100000"], ["bench", "search"]):
            process = subprocess.Popen([FONTE, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=environment(TMPDIR=self.tmp))
            end = time.monotonic() + 30
            while not os.listdir(self.tmp) and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, 130)
            self.assertEqual(os.listdir(self.tmp), [])


if __name__ == "__main__":
    unittest.main()
