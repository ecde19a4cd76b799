#!/usr/bin/env python3
"""fonte and fonted together: the main job as people do it from a shell."""
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from wire import FONTE, environment, fonte, on_terminal, real_daemon, strip_styles, write

LLAMA = ("Meta released LLaMA 2 on 18 July 2023. Its licence asks for a special agreement above 700 "
         "million monthly users.\n")
GARANTE = ("Il Garante per la protezione dei dati personali ha limitato ChatGPT il 30 marzo 2023. Il "
           "servizio è tornato disponibile in Italia il 28 aprile 2023.\n")


class Daemon(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = real_daemon()
        cls.socket, cls.process = cls.context.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.context.__exit__(None, None, None)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.collection = self.id().rsplit(".", 1)[1].replace("test_", "")[:64].lower()

    def fonte(self, command, *args, **more):
        return fonte(self.socket, command, "-c", self.collection, *args, **more)

    def file(self, name, data):
        return write(self.folder.name, name, data)

    def added(self, *args, **more):
        status, out, err = self.fonte("add", "--json", *args, **more)
        sums = json.loads(out)
        return status, (sums["added"], sums["replaced"], sums["unchanged"], len(sums["skipped"])), err

    def test_folder_with_mixed_files(self):
        self.file("en/llama.txt", LLAMA)
        self.file("it/garante.md", "---\ntitle: Il Garante\ndate: 2023-04-28\n---\n\n" + GARANTE)
        self.file("page.html", "<html><head><title>AI Act</title></head><body><p>The AI Act entered "
                               "into force on 1 August 2024 in all member states.</p></body></html>")
        self.file("lines.jsonl", '{"title":"One","text":"The first line has some words in it."}\n'
                                 '{"title":"Two","text":"The second line has other words in it."}\n')
        self.file("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
        self.file("nothing.txt", "")
        status, sums, err = self.added(self.folder.name)
        self.assertEqual((status, sums), (0, (5, 0, 0, 2)), err)
        self.assertIn("picture.png: skipped: ", err)
        self.assertIn("nothing.txt: skipped: empty", err)
        self.assertEqual(self.added(self.folder.name)[1], (0, 0, 5, 2))
        self.file("en/llama.txt", LLAMA + "It was trained on two trillion tokens.\n")
        self.assertEqual(self.added(self.folder.name)[1], (0, 1, 4, 2))
        status, out, _ = self.fonte("docs")
        self.assertEqual((status, out.count("\n")), (0, 6))
        self.assertIn("2023-04-28  it    ", out)

    def test_ask_quotes_exactly(self):
        self.assertEqual(self.added(self.file("a.txt", LLAMA), self.file("b.txt", GARANTE))[0], 0)
        status, out, err = self.fonte("ask", "--json", "When did Meta release LLaMA 2?")
        self.assertEqual((status, err), (0, ""))
        answer = json.loads(out)
        self.assertFalse(answer["abstained"])
        self.assertIn("18 July 2023", answer["answer"])
        self.assertGreater(len(answer["citations"]), 0)
        for c in answer["citations"]:
            _, text, _ = fonte(self.socket, "docs", c["document"], "--text")
            _, original, _ = fonte(self.socket, "docs", c["document"], "--original")
            self.assertEqual(text.encode()[c["start"]:c["end"]].decode(), c["quote"])
            self.assertEqual(original, LLAMA)

    def test_ask_for_people(self):
        path = os.path.realpath(self.file("a b.txt", LLAMA))
        self.assertEqual(self.added("--title", "News of LLaMA", "--date", "2023-07-19", path)[0], 0)
        status, out, _ = self.fonte("ask", "When did Meta release LLaMA 2?")
        self.assertEqual(status, 0)
        self.assertIn("Meta released LLaMA 2 on 18 July 2023.", out)
        self.assertIn("\nSources\n[1] News of LLaMA, 2023-07-19\n    " + path + "\n", out)
        status, seen = on_terminal(self.socket, "ask", "-c", self.collection,
                                   "When did Meta release LLaMA 2?")
        self.assertEqual(status, 0)
        self.assertIn("\x1b]8;;file://", seen)
        self.assertEqual(strip_styles(seen).replace("\r\n", "\n"), out)

    def test_unanswerable_abstains(self):
        status, out, _ = self.fonte("ask", "What is the population of Tokyo?")
        self.assertEqual((status, out), (0, "No answer: there are no documents to answer from.\n"))
        self.assertEqual(self.added(self.file("a.txt", LLAMA))[0], 0)
        status, out, _ = self.fonte("ask", "What is the population of Tokyo?")
        self.assertEqual((status, out[:11]), (0, "No answer: "))

    def test_search_and_filters(self):
        self.assertEqual(self.added("--date", "2023-07-18", "--source", "One", self.file("a", LLAMA))[0], 0)
        self.assertEqual(self.added("--date", "2023-04-28", "--source", "Two", self.file("b", GARANTE))[0], 0)

        def found(*args):
            status, out, err = self.fonte("search", "--json", *args)
            self.assertEqual(status, 0, err)
            return [p["source"] for p in json.loads(out)["passages"]]
        words = "licence users Garante ChatGPT"
        self.assertEqual(sorted(found(words)), ["One", "Two"])
        self.assertEqual(found("--lang", "it", words), ["Two"])
        self.assertEqual(found("--from", "2023-05", words), ["One"])
        self.assertEqual(found("--to", "2023-04", words), ["Two"])
        self.assertEqual(found("--source", "one", words), ["One"])
        self.assertEqual(found("--mode", "lexical", "-k", "1", "Garante"), ["Two"])
        self.assertEqual(fonte(self.socket, "search", "--from", "yesterday", "x")[0], 1)

    def test_standard_input(self):
        status, sums, err = self.added("-", "--title", "From a pipe", "--url", "https://example.org/p",
                                       "--name", "p.md", stdin=("# Head\n\n## Part\n\n" + LLAMA).encode())
        self.assertEqual((status, sums), (0, (1, 0, 0, 0)), err)
        _, out, _ = self.fonte("search", "--json", "special agreement")
        passage = json.loads(out)["passages"][0]
        self.assertEqual((passage["title"], passage["url"], passage["heading"]),
                         ("From a pipe", "https://example.org/p", "Part"))

    def test_odd_file_names(self):
        names = ["a b&c=d?e#f%41.txt", "perché.txt", b"not-utf8-\xff\x01.txt", "-n.txt", "new\nline.txt"]
        for i, name in enumerate(names):
            name = name if isinstance(name, bytes) else name.encode()
            with open(self.folder.name.encode() + b"/" + name, "w") as f:
                f.write("The file of number %d holds a sentence.\n" % i)
        self.assertEqual(self.added(self.folder.name)[:2], (0, (5, 0, 0, 0)))
        self.assertEqual(self.added(self.folder.name)[:2], (0, (0, 0, 5, 0)))

    def test_not_found_is_4(self):
        for args in (["docs", "A" * 26], ["docs", "A" * 26, "--text"], ["rm", "--yes", "A" * 26]):
            status, _, err = fonte(self.socket, *args)
            self.assertEqual((status, err.count("\n")), (4, 1), (args, err))
        self.assertEqual(fonte(self.socket, "docs", "../../etc/passwd")[0], 1)

    def test_remove(self):
        self.assertEqual(self.added(self.file("a", LLAMA), self.file("b", GARANTE))[0], 0)
        documents = json.loads(self.fonte("docs", "--json")[1])["documents"]
        self.assertEqual(len(documents), 2)
        self.assertEqual(fonte(self.socket, "rm", "--yes", documents[0]["id"])[:2], (0, "1 removed\n"))
        self.assertEqual(self.fonte("rm", "--all", "--yes")[:2], (0, "1 removed\n"))
        self.assertEqual(json.loads(self.fonte("docs", "--json")[1])["documents"], [])
        self.assertEqual(self.fonte("rm", "--all", "--yes")[:2], (0, "0 removed\n"))

    def test_wrong_values_are_refused_by_name(self):
        for args in (["ask", "-c", "No Such!", "x"], ["ask", "--lang", "klingon", "x"],
                     ["search", "--to", "2023-13", "x"]):
            status, out, err = fonte(self.socket, *args)
            self.assertEqual((status, out, err.count("\n")), (1, "", 1), (args, err))

    def test_status(self):
        status, out, _ = fonte(self.socket, "status")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"state +ready\n")
        self.assertIn("index", json.loads(fonte(self.socket, "status", "--json")[1]))

    def test_collections_are_listed(self):
        self.assertEqual(self.added(self.file("a", LLAMA))[0], 0)
        status, out, _ = fonte(self.socket, "docs", "--collections")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"\ncollections_are_listed +1 +1\n")

    def test_two_at_once(self):
        for i in range(60):
            self.file("%02d.txt" % i, "Document number %d speaks of the subject %d.\n" % (i, i * 7))
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.added(self.folder.name)))
                   for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([r[0] for r in results], [0, 0], results)
        self.assertEqual(sum(r[1][0] for r in results), 60, results)
        self.assertEqual(sum(r[1][2] for r in results), 60, results)

    def test_interrupt_and_run_again(self):
        n = 400
        for i in range(n):
            self.file("%03d.txt" % i, "Document number %d.\n" % i + LLAMA * 50)
        p = subprocess.Popen([FONTE, "--socket", self.socket, "add", "--json", "-j", "1", "-c",
                              self.collection, self.folder.name], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=environment())
        time.sleep(0.15)
        p.send_signal(signal.SIGINT)
        first = json.loads(p.communicate(timeout=60)[0])
        there = len(json.loads(self.fonte("docs", "--json")[1])["documents"])
        self.assertEqual(there, first["added"])
        if first["interrupted"]:
            self.assertEqual(p.returncode, 130)
        status, sums, _ = self.added("-j", "8", self.folder.name)
        self.assertEqual((status, sums), (0, (n - there, 0, there, 0)))


class Stop(unittest.TestCase):
    def test_daemon_that_goes_away_is_3_and_nothing_told_is_lost(self):
        with tempfile.TemporaryDirectory() as folder, real_daemon() as (socket, process):
            for i in range(2000):
                write(folder, "%04d.txt" % i, "Document number %d.\n" % i + LLAMA * 20)
            p = subprocess.Popen([FONTE, "--socket", socket, "add", "--json", folder],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
            time.sleep(0.5)
            process.kill()
            out, err = p.communicate(timeout=60)
            self.assertEqual(p.returncode, 3, err)
            self.assertLess(json.loads(out)["added"], 2000)
            self.assertIn(b"fonte: ", err)


if __name__ == "__main__":
    unittest.main()
