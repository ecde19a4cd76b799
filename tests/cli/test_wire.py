#!/usr/bin/env python3
"""fonte against a daemon that answers what each test wants: what goes over the wire, what people
see, and which exit status comes of it."""
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from urllib.parse import parse_qs, urlsplit

from wire import FONTE, daemon, environment, fonte, on_terminal, strip_styles, write

ADDED = {"id": "A" * 26, "version": "0" * 64, "passages": 2, "language": "en", "duplicate": False}
CITATION = {"n": 1, "document": "D" * 26, "version": "0" * 64, "title": "Llama 2 is out",
            "url": "https://example.org/llama", "date": "2023-07-18", "start": 0, "end": 21,
            "quote": "Meta released LLaMA 2"}
PASSAGE = {"document": "D" * 26, "title": "Llama 2 is out", "url": "https://example.org/llama",
           "date": "2023-07-18", "start": 0, "end": 40, "text": "Meta released LLaMA 2 on 18 July 2023.",
           "score": 1.0, "lexical_rank": 1, "vector_rank": 1}
ANSWER = {"answer": "Meta released LLaMA 2. [1]", "language": "en", "abstained": False,
          "citations": [CITATION], "passages": [PASSAGE], "timings_ms": {"total": 1}}
ABSTAINED = {"answer": "", "language": "en", "abstained": True, "reason": "weak_support",
             "citations": [], "passages": [PASSAGE], "timings_ms": {"total": 1}}
STREAM = [("passages", {"passages": [PASSAGE]}), ("token", {"text": "Meta released "}),
          ("token", {"text": "LLaMA 2. [1]"}), ("citation", CITATION), ("done", ANSWER)]


def always(status, body, **headers):
    return lambda handler, _: handler.reply(status, body, **headers)


class Usage(unittest.TestCase):
    def commands(self):
        names = re.findall(r"^  (\w+)  ", fonte("/nonexistent/s", "--help")[1], re.M)
        self.assertGreaterEqual(len(names), 8)
        return names

    def test_wrong_usage_is_2_and_one_line(self):
        for args in ([], ["frob"], ["--nope"], ["ask"], ["ask", "-k", "0", "x"], ["ask", "-k"],
                     ["search", "--mode", "x", "y"], ["add"], ["add", "--jobs", "99", "x"],
                     ["add", "--json=1", "x"], ["docs", "a", "b"], ["docs", "--text"], ["rm"],
                     ["rm", "--all"], ["rm", "-c", "x"], ["rm", "x"], ["status", "x"],
                     ["--color", "red", "status"], ["ask", ""], ["search", " "]):
            status, out, err = fonte("/nonexistent/s", *args)
            self.assertEqual((status, out, err.count("\n")), (2, "", 1), (args, err))
            self.assertTrue(err.startswith("fonte: "), err)

    def test_help_and_version_are_0(self):
        for command in [[]] + [[c] for c in self.commands()]:
            status, out, err = fonte("/nonexistent/s", *command, "--help")
            self.assertEqual((status, err), (0, ""))
            self.assertTrue(out.startswith("Usage: fonte"), out)
            for line in out.splitlines():
                self.assertLessEqual(len(line), 100)
        self.assertEqual(fonte("/nonexistent/s", "--version")[0], 0)

    def test_options_are_documented_and_completed(self):
        root = os.path.dirname(os.environ["FONTE_TESTS"])

        def read(name):
            with open(os.path.join(root, name)) as f:
                return f.read()

        names = ("docs/man/fonte.1", "script/completion/fonte.bash", "script/completion/_fonte",
                 "script/completion/fonte.fish")
        texts = {name: read(name) for name in names}
        self.check_documented(texts, [], self.commands())
        texts["docs/man/fonte.1"] = read("docs/man/fonte-model.1") + texts["docs/man/fonte.1"]
        models = re.findall(r"^  (\w+)  ", fonte("/nonexistent/s", "model", "--help")[1], re.M)
        self.assertGreaterEqual(len(models), 6)
        self.check_documented(texts, ["model"], models)
        for model in models:
            self.assertIn(".SH %s\n" % model.upper(), texts["docs/man/fonte.1"])

    def check_documented(self, texts, before, commands):
        for command in commands:
            for file, text in texts.items():
                self.assertRegex(text, r"\b%s\b" % command, file)
            _, out, _ = fonte("/nonexistent/s", *before, command, "--help")
            names = re.findall(r"^  (?:-\w, |    )--([\w-]+)", out, re.M)
            self.assertGreaterEqual(len(names), 4)
            for name in names:
                for file, text in texts.items():
                    found = name in text.replace("\\-", "-")
                    self.assertTrue(found, "%s: no --%s of fonte %s" % (file, name, command))


class Reach(unittest.TestCase):
    def test_no_socket_is_3(self):
        for args in (["status"], ["ask", "x"], ["search", "x"], ["docs"], ["docs", "x"],
                     ["rm", "-y", "x"]):
            status, out, err = fonte("/nonexistent/s", *args)
            self.assertEqual(status, 3, (args, err))
            self.assertIn("/nonexistent/s", err)

    def test_no_listener_is_3(self):
        with tempfile.TemporaryDirectory() as folder:
            path = write(folder, "file", "x")
            self.assertEqual(fonte(path, "status")[0], 3)
            status, out, err = fonte(folder + "/s", "add", path)
            self.assertEqual(status, 3)
            self.assertIn("no socket", err)

    def test_socket_path_too_long(self):
        status, _, err = fonte("/x" * 60, "status")
        self.assertEqual((status, "107" in err), (1, True), err)

    def test_socket_from_environment(self):
        with daemon(always(200, {"version": "x"})) as (socket, _):
            r = subprocess.run([FONTE, "status", "--json"], capture_output=True,
                               env=environment(FONTE_SOCKET=socket, http_proxy="http://127.0.0.1:9"))
            self.assertEqual((r.returncode, r.stdout), (0, b'{"version": "x"}\n'))

    def test_answer_that_is_no_json(self):
        with daemon(lambda h, _: h.reply(200, b"<html>", "text/html")) as (socket, _):
            status, out, err = fonte(socket, "ask", "x")
            self.assertEqual((status, out), (1, ""))

    def test_error_statuses(self):
        for http, code, exit_status in ((404, "not_found", 4), (403, "denied", 5),
                                        (413, "too_large", 5), (503, "busy", 5),
                                        (500, "internal", 1), (400, "invalid", 1), (418, "odd", 1)):
            with daemon(lambda h, _: h.error(http, code, "because \x1b[31mred")) as (socket, _):
                status, out, err = fonte(socket, "ask", "x")
                self.assertEqual((status, out, err), (exit_status, "", "fonte: because  [31mred\n"))


class Ask(unittest.TestCase):
    def test_json_is_exactly_the_daemons(self):
        text = json.dumps(ANSWER, indent=3).encode()
        with daemon(lambda h, _: h.reply(200, text)) as (socket, requests):
            status, out, err = fonte(socket, "ask", "--json", "Who?")
            self.assertEqual((status, out.encode(), err), (0, text + b"\n", ""))
            self.assertEqual(json.loads(requests[0][3]), {"question": "Who?"})

    def test_options_reach_the_daemon(self):
        with daemon(always(200, ANSWER)) as (socket, requests):
            fonte(socket, "ask", "-k", "3", "-c", "news", "--lang=it", "--from", "2023", "--to",
                  "2023-07", "--source", "Reuters", "--mode", "extract", "--", "Chi", "è?")
            self.assertEqual(json.loads(requests[0][3]), {
                "question": "Chi è?", "collection": "news", "mode": "extract", "k": 3, "filters": {
                    "language": "it", "source": "Reuters", "date_from": "2023",
                    "date_to": "2023-07"}})

    def test_plain_text_on_a_pipe(self):
        with daemon(always(200, ANSWER)) as (socket, _):
            status, out, err = fonte(socket, "ask", "-", stdin="Who?\n".encode())
            self.assertEqual((status, err), (0, ""))
            self.assertNotIn("\x1b", out)
            self.assertTrue(out.startswith("Meta released LLaMA 2. [1]\n\nSources\n[1] Llama 2 is out"))
            self.assertIn("https://example.org/llama\n", out)

    def test_stream_on_a_terminal_in_pieces_of_any_size(self):
        for pieces in (1, 7, 1 << 30):
            with daemon(lambda h, _: h.events(STREAM, pieces)) as (socket, requests):
                status, out = on_terminal(socket, "ask", "Who?")
                self.assertEqual(status, 0)
                self.assertIn("Meta released LLaMA 2. [1]", out)
                self.assertIn("\x1b]8;;https://example.org/llama\x1b\\", out)
                self.assertEqual(json.loads(requests[0][3]), {"question": "Who?", "stream": True})

    def test_replay_says_whether_it_is_the_same(self):
        for same, more in ((True, {}), (False, {"difference": "answer", "answer_sha256": "aa\x1b[31m",
                                                "recorded_sha256": "bb"})):
            replay = {"id": "ab", "made": "2026-01-02T03:04:05Z", "same": same, **more}
            events = STREAM[:-1] + [("done", {**ANSWER, "replay": replay})]
            with daemon(lambda h, _: h.events(events)) as (socket, requests):
                status, out = on_terminal(socket, "replay", "a/b", "-q", "Who?", NO_COLOR="1")
                self.assertEqual((status, requests[0][1]), (0 if same else 1, "/v1/answers/a%2Fb/replay"))
                self.assertEqual(json.loads(requests[0][3]), {"question": "Who?", "stream": True})
                self.assertIn("Meta released LLaMA 2. [1]", out)
                self.assertIn("The same as on 2026-01-02T03:04:05Z." if same else
                              "the text is another (SHA-256 aa[31m instead of bb)", out)
            with daemon(always(200, {**ANSWER, "replay": replay})) as (socket, requests):
                status, out, err = fonte(socket, "--json", "replay", "ab")
                self.assertEqual((status, json.loads(out)["replay"], bool(err)),
                                 (0 if same else 1, replay, not same))
                self.assertEqual(json.loads(requests[0][3]), {})
        with daemon(always(200, ANSWER)) as (socket, _):
            self.assertEqual(fonte(socket, "replay", "ab")[0], 1, "a daemon that does not say it")

    def test_no_color(self):
        with daemon(lambda h, _: h.events(STREAM)) as (socket, _):
            _, out = on_terminal(socket, "ask", "Who?", NO_COLOR="1")
            self.assertNotIn("\x1b[", out)

    def test_color_always_on_a_pipe_has_no_links(self):
        with daemon(always(200, ANSWER)) as (socket, _):
            _, out, _ = fonte(socket, "ask", "--color=always", "Who?")
            self.assertIn("\x1b[", out)
            self.assertNotIn("\x1b]8", out)

    def test_abstention_has_reason_and_passages(self):
        with daemon(always(200, ABSTAINED)) as (socket, _):
            status, out, _ = fonte(socket, "ask", "Why?")
            self.assertEqual(status, 0)
            self.assertTrue(out.startswith("No answer: what was found does not support an answer."))
            self.assertIn(PASSAGE["text"], out)

    def test_terminal_escapes_of_documents_are_stripped(self):
        evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egood"
        answer = json.loads(json.dumps(ANSWER))
        answer["citations"][0].update(title=evil, url="javascript:alert(1)" + evil)
        events = [("token", {"text": evil}), ("done", answer)]
        with daemon(lambda h, _: h.events(events)) as (socket, _):
            _, out = on_terminal(socket, "ask", "Who?", NO_COLOR="1")
            self.assertIn("]0;owned[2J31mgood", out)
            for c in "\x1b\x07\x9b\u202e":
                self.assertNotIn(c, out)
        with daemon(always(200, answer)) as (socket, _):
            _, out = on_terminal(socket, "ask", "--json", "Who?")
            self.assertNotIn("\x1b", out)

    def test_stream_that_breaks_off(self):
        with daemon(lambda h, _: h.events(STREAM[:3])) as (socket, _):
            status, out = on_terminal(socket, "ask", "Who?")
            self.assertEqual(status, 3)
            self.assertIn("broke off", out)

    def test_error_in_mid_stream(self):
        events = STREAM[:2] + [("error", {"error": {"code": "timeout", "message": "out of time"}})]
        with daemon(lambda h, _: h.events(events)) as (socket, _):
            status, out = on_terminal(socket, "ask", "Who?")
            self.assertEqual((status, "fonte: out of time" in out), (5, True), out)

    def test_refusal_instead_of_a_stream(self):
        with daemon(lambda h, _: h.error(503, "busy", "too many questions")) as (socket, _):
            status, out = on_terminal(socket, "ask", "Who?")
            self.assertEqual((status, "fonte: too many questions" in out), (5, True), out)


class Search(unittest.TestCase):
    def test_words_are_marked_on_a_terminal_only(self):
        with daemon(always(200, {"passages": [PASSAGE]})) as (socket, requests):
            _, out = on_terminal(socket, "search", "release", "in", "JULY")
            self.assertIn("\x1b[1;33mJuly\x1b[0m", out)
            self.assertIn("\x1b[1;33mreleased\x1b[0m", out)
            self.assertEqual(json.loads(requests[0][3]), {"query": "release in JULY"})
            _, out, _ = fonte(socket, "search", "release", "in", "JULY")
            self.assertIn("\n    " + PASSAGE["text"] + "\n", out)

    def test_nothing_found(self):
        with daemon(always(200, {"passages": []})) as (socket, _):
            self.assertEqual(fonte(socket, "search", "x")[:2], (0, "Nothing found.\n"))


class Add(unittest.TestCase):
    def test_file_goes_with_its_name_type_and_url(self):
        with daemon(always(201, ADDED)) as (socket, requests), tempfile.TemporaryDirectory() as d:
            path = write(d, "a b&é.md", b"# x\0\xff")
            status, out, err = fonte(socket, "add", "-c", "news", "--lang", "it", "--title", "T", path)
            self.assertEqual((status, out, err),
                             (0, "1 added, 0 replaced, 0 unchanged, 0 skipped\n", ""))
            method, target, headers, body = requests[0]
            self.assertEqual((method, body, headers["Content-Type"]),
                             ("POST", b"# x\0\xff", "text/markdown"))
            self.assertEqual(parse_qs(urlsplit(target).query), {
                "collection": ["news"], "lang": ["it"], "title": ["T"], "name": ["a b&é.md"],
                "url": ["file://" + os.path.realpath(d) + "/a%20b%26%C3%A9.md"]})

    def test_folder(self):
        with daemon(always(201, ADDED)) as (socket, requests), tempfile.TemporaryDirectory() as d:
            for name in ("a.txt", "b.html", "c.bin", "sub/d.txt", "sub/no/e.txt", ".hidden/f.txt",
                         ".g.txt", "empty.txt"):
                write(d, name, "" if name == "empty.txt" else name)
            os.symlink(d, d + "/loop")
            os.symlink("/etc/passwd", d + "/link.txt")
            os.mkfifo(d + "/fifo.txt")
            status, out, err = fonte(socket, "add", "-i", "*.txt", "-i", "*.html", "-x", "no", d)
            names = sorted(parse_qs(urlsplit(r[1]).query)["name"][0] for r in requests)
            self.assertEqual((status, names), (0, ["a.txt", "b.html", "d.txt"]), err)
            self.assertEqual(err, "fonte: %s/empty.txt: skipped: empty\n" % d)
            requests.clear()
            fonte(socket, "add", "--hidden", "-i", "**/f.txt", d)
            self.assertEqual(len(requests), 1)

    def test_link_that_is_named_is_followed(self):
        with daemon(always(201, ADDED)) as (socket, requests), tempfile.TemporaryDirectory() as d:
            write(d, "real/a.txt", "a")
            os.symlink(d + "/real", d + "/link")
            fonte(socket, "add", d + "/link")
            self.assertEqual(len(requests), 1)

    def test_missing_file_is_4_and_the_rest_is_added(self):
        with daemon(always(201, ADDED)) as (socket, requests), tempfile.TemporaryDirectory() as d:
            status, out, err = fonte(socket, "add", d + "/none", write(d, "a", "a"))
            self.assertEqual((status, len(requests)), (4, 1))
            self.assertEqual(err, "fonte: %s/none: skipped: No such file or directory\n" % d)

    def test_unsupported_in_a_folder_is_0_and_named_is_1(self):
        with daemon(lambda h, _: h.error(415, "unsupported", "not text")) as (socket, _), \
                tempfile.TemporaryDirectory() as d:
            path = write(d, "a", "a")
            status, out, err = fonte(socket, "add", d)
            self.assertEqual((status, err), (0, "fonte: %s: skipped: not text\n" % path))
            self.assertEqual(fonte(socket, "add", path)[0], 1)

    def test_too_large_is_not_sent(self):
        with daemon(always(201, ADDED)) as (socket, requests), tempfile.TemporaryDirectory() as d:
            status, _, err = fonte(socket, "add", "--max-size", "0.001", write(d, "a", "a" * 1001))
            self.assertEqual((status, len(requests)), (5, 0), err)
            status, _, err = fonte(socket, "add", "--max-size", "0.001", "-", stdin=b"a" * 99999)
            self.assertEqual((status, len(requests)), (5, 0), err)

    def test_standard_input(self):
        with daemon(always(201, ADDED)) as (socket, requests):
            data = bytes(range(256)) * 1000
            status, out, _ = fonte(socket, "add", "-", "--name", "n.html", "--url", "http://u/?a=b",
                                   "--date", "2023-07-18", "--source", "S", stdin=data)
            self.assertEqual((status, requests[0][3]), (0, data))
            self.assertEqual(requests[0][2]["Content-Type"], "text/html")
            self.assertEqual(parse_qs(urlsplit(requests[0][1]).query), {
                "name": ["n.html"], "url": ["http://u/?a=b"], "date": ["2023-07-18"],
                "source": ["S"]})
            self.assertEqual(fonte(socket, "add", "-")[0], 1)  # empty

    def test_one_url_for_several_files_is_refused(self):
        with daemon(always(201, ADDED)) as (socket, requests), tempfile.TemporaryDirectory() as d:
            write(d, "a", "a"), write(d, "b", "b")
            self.assertEqual((fonte(socket, "add", "--url", "x:y", d)[0], len(requests)), (2, 0))

    def test_several_documents_in_one_file(self):
        several = {"documents": [ADDED, dict(ADDED, duplicate=True), dict(ADDED, replaced=True)],
                   "skipped": 2, "skipped_reason": "line 3: no text"}
        with daemon(always(201, several)) as (socket, _), tempfile.TemporaryDirectory() as d:
            path = write(d, "a.jsonl", "{}")
            status, out, err = fonte(socket, "add", path)
            self.assertEqual((status, out),
                             (0, "1 added, 1 replaced, 1 unchanged, 2 skipped\n"))
            self.assertIn("2 records skipped, first: line 3: no text", err)
            _, out, _ = fonte(socket, "add", "--json", path)
            sums = json.loads(out)
            self.assertEqual((sums["added"], sums["replaced"], sums["unchanged"],
                              sums["skipped_records"], len(sums["documents"])), (1, 1, 1, 2, 3))
            self.assertEqual(sums["documents"][0]["path"], path)

    def test_busy_daemon_is_asked_again_when_it_says(self):
        times = []

        def answer(handler, body):
            times.append(time.monotonic())
            if len(times) < 3:
                handler.error(503 if len(times) == 1 else 429, "busy", "later", Retry_After=1)
            else:
                handler.reply(201, ADDED)
        with daemon(answer) as (socket, _), tempfile.TemporaryDirectory() as d:
            status, out, err = fonte(socket, "add", write(d, "a", "a"))
            self.assertEqual((status, len(times)), (0, 3))
            self.assertGreaterEqual(times[2] - times[0], 2)

    def test_patience_ends(self):
        with daemon(lambda h, _: h.error(503, "busy", "full")) as (socket, _), \
                tempfile.TemporaryDirectory() as d:
            status, _, err = fonte(socket, "add", "--patience", "0.3", write(d, "a", "a"))
            self.assertEqual((status, "full" in err), (5, True), err)

    def test_broken_connections_are_tried_again(self):
        def answer(handler, body):
            if len(requests) < 3:
                handler.connection.close()
                handler.close_connection = True
            else:
                handler.reply(201, ADDED)
        with daemon(answer) as (socket, requests), tempfile.TemporaryDirectory() as d:
            self.assertEqual(fonte(socket, "add", write(d, "a", "a"))[0], 0)

    def test_right_refused_ends_the_run(self):
        with daemon(lambda h, _: h.error(403, "denied", "no right to write")) as (socket, requests), \
                tempfile.TemporaryDirectory() as d:
            for i in range(50):
                write(d, "%02d" % i, "x")
            status, _, err = fonte(socket, "add", "--jobs", "2", d)
            self.assertEqual((status, err), (5, "fonte: no right to write\n"))
            self.assertLess(len(requests), 5)

    def test_several_connections_at_once(self):
        barrier = threading.Barrier(4)

        def answer(handler, body):
            barrier.wait(10)  # only passes where four requests are there together
            handler.reply(201, ADDED)
        with daemon(answer) as (socket, requests), tempfile.TemporaryDirectory() as d:
            for i in range(8):
                write(d, str(i), "x")
            self.assertEqual(fonte(socket, "add", d)[:2],
                             (0, "8 added, 0 replaced, 0 unchanged, 0 skipped\n"))

    def test_interrupt_finishes_what_is_under_way(self):
        seen = threading.Event()

        def answer(handler, body):
            seen.set()
            time.sleep(0.3)
            handler.reply(201, ADDED)
        with daemon(answer) as (socket, requests), tempfile.TemporaryDirectory() as d:
            for i in range(100):
                write(d, str(i), "x")
            p = subprocess.Popen([FONTE, "--socket", socket, "add", "--json", "-j", "2", d],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
            seen.wait(10)
            p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=20)
            sums = json.loads(out)
            self.assertEqual(p.returncode, 130)
            self.assertTrue(sums["interrupted"])
            self.assertEqual(sums["added"], len(requests))
            self.assertLess(len(requests), 10)

    def test_progress_on_a_terminal(self):
        def answer(handler, body):
            time.sleep(0.15)
            handler.reply(201, ADDED)
        with daemon(answer) as (socket, _), tempfile.TemporaryDirectory() as d:
            for i in range(6):
                write(d, str(i), "x" * 1000)
            status, out = on_terminal(socket, "add", "-j", "1", d)
            self.assertEqual(status, 0)
            self.assertRegex(out, r"\[#*\.+\] +\d+% \d/6 files +\d+ kB/s +0:0\d left")
            self.assertIn("6 added", strip_styles(out))

    def test_dry_run_sends_nothing(self):
        with daemon(always(201, ADDED)) as (socket, requests), tempfile.TemporaryDirectory() as d:
            path = write(d, "a", "abc")
            self.assertEqual(fonte(socket, "add", "-n", d)[:2], (0, path + "\n1 files, 0.0 MB\n"))
            self.assertEqual(requests, [])


class Docs(unittest.TestCase):
    def test_list_follows_pages(self):
        def answer(handler, body):
            query = parse_qs(urlsplit(handler.path).query)
            first = int(query.get("after", ["0"])[0])
            page = {"documents": [{"id": "%026d" % i, "title": "T\x1b%d" % i, "collection": "default"}
                                  for i in range(first, min(first + 500, 1200))]}
            if first + 500 < 1200:
                page["next"] = str(first + 500)
            handler.reply(200, page)
        with daemon(answer) as (socket, requests):
            status, out, _ = fonte(socket, "docs")
            self.assertEqual((status, out.count("\n"), "\x1b" in out), (0, 1201, False))
            self.assertEqual(len(json.loads(fonte(socket, "docs", "--json")[1])["documents"]), 1200)
            self.assertEqual(fonte(socket, "docs", "--limit", "3")[1].count("\n"), 4)

    def test_bytes_are_exact_on_a_pipe(self):
        data = bytes(range(256))
        with daemon(lambda h, _: h.reply(200, data, "application/octet-stream")) as (socket, requests):
            r = subprocess.run([FONTE, "--socket", socket, "docs", "a/../b", "--original"],
                               capture_output=True, env=environment())
            self.assertEqual((r.returncode, r.stdout), (0, data))
            self.assertEqual(requests[0][1], "/v1/documents/a%2F..%2Fb/original")

    def test_full_disk_is_1(self):
        with daemon(lambda h, _: h.reply(200, b"x" * 100000, "text/plain")) as (socket, _), \
                open("/dev/full", "wb") as full:
            r = subprocess.run([FONTE, "--socket", socket, "docs", "x", "--text"], stdout=full,
                               stderr=subprocess.PIPE, env=environment())
            self.assertEqual((r.returncode, r.stderr),
                             (1, b"fonte: cannot write to standard output\n"))


class Rm(unittest.TestCase):
    def test_asks_on_a_terminal(self):
        with daemon(lambda h, _: h.reply(200, {})) as (socket, requests):
            status, out = on_terminal(socket, "rm", "a", "b", typed=b"n\n")
            self.assertEqual((status, requests), (1, []), out)
            status, out = on_terminal(socket, "rm", "a", "b", typed=b"y\n")
            self.assertEqual((status, [r[:2] for r in requests]),
                             (0, [("DELETE", "/v1/documents/a"), ("DELETE", "/v1/documents/b")]))

    def test_missing_one_is_4_and_the_rest_is_removed(self):
        def answer(handler, body):
            if handler.path.endswith("/a"):
                handler.error(404, "not_found", "no document a")
            else:
                handler.reply(200, {})
        with daemon(answer) as (socket, requests):
            self.assertEqual(fonte(socket, "rm", "-y", "a", "b"),
                             (4, "1 removed\n", "fonte: no document a\n"))

    def test_whole_collection(self):
        def answer(handler, body):
            handler.reply(200, {"documents": [{"id": "a"}, {"id": "b"}]})
        with daemon(answer) as (socket, requests):
            self.assertEqual(fonte(socket, "rm", "-c", "x", "--all")[0], 2)
            requests.clear()
            status, out, _ = fonte(socket, "rm", "-c", "x", "--all", "--yes", "--json")
            self.assertEqual((status, json.loads(out)), (0, {"removed": ["a", "b"]}))
            self.assertEqual([r[0] for r in requests], ["GET", "DELETE", "DELETE"])


class Status(unittest.TestCase):
    def test_table(self):
        state = {"version": "1", "uptime_s": 90061, "index": {"documents": 3, "file_bytes": 1500000},
                 "collections": [{"name": "default", "documents": 3}], "jobs": []}
        with daemon(always(200, state)) as (socket, _):
            status, out, _ = fonte(socket, "status")
            self.assertEqual(status, 0)
            self.assertRegex(out, r"uptime +1 d 1 h 1 min\n")
            self.assertRegex(out, r"index\n  documents +3\n  file +1.5 MB\n")
            self.assertRegex(out, r"collections\n  default\n")


if __name__ == "__main__":
    unittest.main(verbosity=1)
