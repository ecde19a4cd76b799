"""fonte model pull against a server that breaks connections, lies and sends the wrong bytes."""
import hashlib
import http.server
import json
import os
import pty
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

FONTE = os.environ["FONTE_EXE"]
TESTS = os.environ["FONTE_TESTS"]


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path names how to misbehave."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        how = self.path.split("/")[1]
        self.server.seen.append((how, self.headers.get("Range"), self.headers.get("If-Range")))
        getattr(self, how)()

    def start(self):
        """Where the asked-for part begins."""
        text = self.headers.get("Range")
        return int(text[6:-1]) if text else 0

    def head(self, status, length, **fields):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", length)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send(self, at=0, n=None, tag='"v1"', total=None, ranges=True):
        """From `at`, but only n bytes of them before the connection breaks."""
        data, fields = self.server.data, {"ETag": tag} if tag else {}
        total = total or len(data)
        if ranges and at:
            self.head(206, total - at, Content_Range=f"bytes {at}-{total - 1}/{total}", **fields)
        else:
            at = 0
            self.head(200, total, **fields)
        self.wfile.write(data[at:at + n] if n is not None else data[at:])
        if n is not None or total > len(data):
            self.close_connection = True

    def good(self):
        self.send(self.start())

    def breaks(self):
        self.send(self.start(), n=len(self.server.data) // 3)

    def breaks_without_tag(self):
        self.send(self.start(), n=len(self.server.data) // 3, tag=None)

    def breaks_weak(self):
        self.send(self.start(), n=len(self.server.data) // 3, tag='W/"v1"')

    def breaks_once(self):
        once = len(self.server.seen) == 1
        self.send(self.start(), n=5000 if once else None)

    def breaks_once_ignores_range(self):
        once = len(self.server.seen) == 1
        self.send(0, n=5000 if once else None)

    def breaks_always(self):
        self.send(0, n=5000)

    def changes(self):
        """Another version after the break: If-Range does not match, so it comes whole."""
        if len(self.server.seen) == 1:
            self.server.data, self.server.then = b"GGUF" + bytes(9000), self.server.data
            self.send(n=5000, tag='"old"')
        else:
            self.server.data = self.server.then
            self.send(0 if self.headers["If-Range"] != '"new"' else self.start(), tag='"new"')

    def wrong_part(self):
        if len(self.server.seen) == 1:
            self.send(n=5000)
        elif self.headers.get("Range"):
            self.send(self.start() - 7)
        else:
            self.send()

    def wrong_total(self):
        if len(self.server.seen) == 1:
            self.send(n=5000)
        elif self.headers.get("Range"):
            self.send(self.start(), total=len(self.server.data) + 9)
        else:
            self.send()

    def no_such_range(self):
        if len(self.server.seen) == 1:
            self.send(n=5000)
        elif self.headers.get("Range"):
            self.head(416, 0, Content_Range="bytes */77")
        else:
            self.send()

    def too_long(self):
        """Says that there is more than there is."""
        self.send(self.start(), total=len(self.server.data) + 1000)

    def too_short(self):
        data = self.server.data[:-1000]
        self.head(200, len(data), ETag='"v1"')
        self.wfile.write(data)

    def wrong_bytes(self):
        data = bytearray(self.server.data)
        data[-1] ^= 1
        self.head(200, len(data))
        self.wfile.write(data)

    def page(self):
        self.head(200, 21, Content_Type="text/html")
        self.wfile.write(b"<html>Please log in</")

    def empty(self):
        self.head(200, 0)

    def endless(self):
        self.head(200, None, Transfer_Encoding="chunked")
        try:
            while True:
                self.wfile.write(b"1000\r\n" + bytes(0x1000) + b"\r\n")
        except OSError:
            self.close_connection = True

    def encoded(self):
        self.head(200, len(self.server.data), Content_Encoding="gzip")
        self.wfile.write(self.server.data)

    def missing(self):
        self.head(404, 0)

    def forbidden(self):
        self.head(403, 0)

    def busy(self):
        if len(self.server.seen) < 3:
            self.head(503, 0, Retry_After="0")
        else:
            self.send()

    def moved(self):
        self.head(302, 0, Location="/good/model.gguf")

    def moved_to_file(self):
        self.head(302, 0, Location="file:///etc/passwd")

    def moved_to_ftp(self):
        self.head(302, 0, Location="ftp://127.0.0.1/model.gguf")

    def moved_round(self):
        self.head(302, 0, Location="/moved_round/model.gguf")

    def stalls(self):
        self.head(200, len(self.server.data), ETag='"v1"')
        self.wfile.write(self.server.data[:5000])
        self.wfile.flush()
        time.sleep(20)

    def slow(self):
        self.head(206 if self.start() else 200, len(self.server.data) - self.start(), ETag='"v1"',
                  Content_Range=f"bytes {self.start()}-{len(self.server.data) - 1}/{len(self.server.data)}")
        try:
            for at in range(self.start(), len(self.server.data), 20000):
                self.wfile.write(self.server.data[at:at + 20000])
                self.wfile.flush()
                time.sleep(self.server.pause)
        except OSError:
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # clients that leave are part of the tests


class Pull(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.models = tempfile.TemporaryDirectory(prefix="fonte-pull-")
        path = os.path.join(cls.models.name, "tiny.gguf")
        subprocess.run([FONTE, "model", "convert", os.path.join(TESTS, "fixtures", "tiny-llama"), path],
                       check=True, capture_output=True)
        with open(path, "rb") as f:
            cls.data = f.read()
        cls.sha256 = hashlib.sha256(cls.data).hexdigest()

    @classmethod
    def tearDownClass(cls):
        cls.models.cleanup()

    def setUp(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.data, self.server.seen, self.server.pause = self.data, [], 0.05
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.folder = tempfile.TemporaryDirectory(prefix="fonte-pull-")
        self.path = os.path.join(self.folder.name, "model.gguf")

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def url(self, how, name="model.gguf"):
        return f"http://127.0.0.1:{self.server.server_address[1]}/{how}/{name}"

    def command(self, url, *more, yes=True, retries=2):
        return [FONTE, "--json", "model", "pull", url, "--dir", self.folder.name, "--retries", str(retries),
                *(["--yes"] if yes else []), *more]

    def pull(self, url, *more, **how):
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        r = subprocess.run(self.command(url, *more, **how), capture_output=True, text=True, timeout=60, env=env,
                           stdin=subprocess.DEVNULL)
        return r.returncode, json.loads(r.stdout) if r.stdout else {}, r.stderr

    def check_whole(self, result, **wanted):
        status, out, err = result
        self.assertEqual(status, 0, err)
        with open(self.path, "rb") as f:
            self.assertEqual(hashlib.sha256(f.read()).hexdigest(), self.sha256)
        self.assertEqual((out["path"], out["bytes"], out["sha256"]), (self.path, len(self.data), self.sha256))
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["model.gguf", "model.gguf.NOTICE"])
        for name, value in wanted.items():
            self.assertEqual(out[name], value, name)

    def check_nothing(self, result, status, text, left=()):
        self.assertEqual((result[0], result[1]), (status, {}), result[2])
        self.assertIn(text, result[2])
        self.assertEqual(sorted(os.listdir(self.folder.name)), sorted(left))

    def test_a_file_and_its_notice(self):
        self.check_whole(self.pull(self.url("good")), verified=False, retries=0, licence="unknown")
        with open(self.path + ".NOTICE") as f:
            notice = f.read()
        self.assertIn(self.sha256, notice)
        self.assertIn(self.url("good"), notice)
        self.check_nothing(self.pull(self.url("good")), 1, "is there already",
                           ["model.gguf", "model.gguf.NOTICE"])

    def test_llama_2_has_its_terms_and_attribution(self):
        status, out, err = self.pull(self.url("good", "my-llama-2-7b.gguf"))
        self.assertEqual((status, out["licence"]), (0, "llama2"), err)
        for words in ("Notice", "700 million", "use-policy", "ai.meta.com/llama/license"):
            self.assertIn(words, err)
        with open(out["notice"]) as f:
            self.assertIn("Llama 2 is licensed under the LLAMA 2 Community License, Copyright (c) Meta "
                          "Platforms, Inc. All Rights Reserved.", f.read())

    def test_without_yes_nothing_is_asked_of_the_server(self):
        self.check_nothing(self.pull(self.url("good"), yes=False), 1, "has to be accepted")
        self.assertEqual(self.server.seen, [])

    def answer_on_terminal(self, text):
        leader, follower = pty.openpty()
        p = subprocess.Popen(self.command(self.url("good"), yes=False), stdin=follower, stderr=follower,
                             stdout=subprocess.PIPE)
        os.close(follower)
        seen = b""
        while b"Type yes" not in seen:
            seen += os.read(leader, 4096)
        os.write(leader, text)
        status = p.wait(30)
        p.stdout.close()
        os.close(leader)
        return status

    def test_yes_on_the_terminal(self):
        self.assertEqual(self.answer_on_terminal(b"no\n"), 1)
        self.assertEqual(self.answer_on_terminal(b"y\n"), 1)
        self.assertEqual(self.server.seen, [])
        self.assertEqual(self.answer_on_terminal(b"yes\n"), 0)
        self.assertTrue(os.path.exists(self.path))

    def test_goes_on_where_the_connection_broke(self):
        self.check_whole(self.pull(self.url("breaks"), "--sha256", self.sha256), verified=True)
        asked = [r for _, r, _ in self.server.seen]
        self.assertGreaterEqual(len(asked), 3)
        self.assertEqual(asked[:2], [None, f"bytes={len(self.data) // 3}-"])
        self.assertEqual(self.server.seen[1][2], '"v1"')

    def test_without_a_strong_tag_it_goes_on_only_where_a_digest_will_tell(self):
        for how in ("breaks_without_tag", "breaks_weak"):
            self.server.seen.clear()
            self.check_whole(self.pull(self.url(how), "--sha256", self.sha256.upper()))
            self.assertEqual((self.server.seen[1][1] is None, self.server.seen[1][2]), (False, None))
            os.unlink(self.path)
            os.unlink(self.path + ".NOTICE")
            self.server.seen.clear()
            self.assertEqual(self.pull(self.url(how), retries=1)[0], 3)
            self.assertEqual({r for _, r, _ in self.server.seen}, {None})
            for name in os.listdir(self.folder.name):
                os.unlink(os.path.join(self.folder.name, name))

    def test_servers_that_ignore_or_refuse_ranges(self):
        for how in ("breaks_once_ignores_range", "changes", "wrong_part", "wrong_total", "no_such_range"):
            with self.subTest(how):
                self.server.seen.clear()
                self.check_whole(self.pull(self.url(how)))
                os.unlink(self.path)
                os.unlink(self.path + ".NOTICE")

    def test_gives_up_and_keeps_what_it_has(self):
        left = ["model.gguf.part", "model.gguf.part.from"]
        self.check_nothing(self.pull(self.url("breaks_always")), 3, "", left)
        self.assertEqual(len(self.server.seen), 4)  # one that brought something, two in vain after it
        self.assertEqual(os.path.getsize(self.path + ".part"), 5000)

    def test_a_part_of_another_url_is_not_gone_on_with(self):
        self.pull(self.url("breaks_always"), retries=0)
        self.server.seen.clear()
        self.check_whole(self.pull(self.url("good")))
        self.assertEqual(self.server.seen[0][1], None)

    def test_sizes_that_are_lies(self):
        self.check_nothing(self.pull(self.url("too_long")), 3, "",
                           ["model.gguf.part", "model.gguf.part.from"])
        for name in os.listdir(self.folder.name):
            os.unlink(os.path.join(self.folder.name, name))
        self.check_nothing(self.pull(self.url("too_short")), 1, "model.gguf.part")  # tensors outside
        self.check_nothing(self.pull(self.url("too_short"), "--sha256", self.sha256), 1, "SHA-256 is")

    def test_wrong_bytes(self):
        self.check_nothing(self.pull(self.url("wrong_bytes"), "--sha256", self.sha256), 1, self.sha256)
        for how in ("page", "empty", "endless", "encoded"):
            with self.subTest(how):
                self.check_nothing(self.pull(self.url(how)), 1, "")

    def test_what_the_server_says(self):
        self.check_nothing(self.pull(self.url("missing")), 4, "HTTP 404")
        self.check_nothing(self.pull(self.url("forbidden")), 5, "HTTP 403")
        self.server.seen.clear()
        self.check_whole(self.pull(self.url("busy")), retries=2)

    def test_redirects_go_to_http_only(self):
        for how in ("moved_to_file", "moved_to_ftp", "moved_round"):
            with self.subTest(how):
                self.check_nothing(self.pull(self.url(how)), 3, "")
        self.check_whole(self.pull(self.url("moved")))

    def test_a_server_that_falls_silent(self):
        start = time.monotonic()
        result = self.pull(self.url("stalls"), "--patience", "1", retries=0)
        self.check_nothing(result, 3, "nothing came for 1 s", ["model.gguf.part", "model.gguf.part.from"])
        self.assertLess(time.monotonic() - start, 10)

    def test_interrupted_and_gone_on_with(self):
        p = subprocess.Popen(self.command(self.url("slow")), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        part = self.path + ".part"
        while not os.path.exists(part) or os.path.getsize(part) < 40000:
            time.sleep(0.01)
        second = self.pull(self.url("good"))
        self.assertEqual((second[0], "another process" in second[2]), (5, True), second[2])
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(20), 130)
        p.communicate()
        kept = os.path.getsize(part)
        self.server.pause = 0
        self.server.seen.clear()
        self.check_whole(self.pull(self.url("slow")), kept_bytes=kept)
        self.assertEqual(self.server.seen[0][1:], (f"bytes={kept}-", '"v1"'))

    def test_killed_and_gone_on_with(self):
        p = subprocess.Popen(self.command(self.url("slow")), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        part = self.path + ".part"
        while not os.path.exists(part) or os.path.getsize(part) < 40000:
            time.sleep(0.01)
        p.kill()
        p.wait()
        self.server.pause = 0
        status = self.pull(self.url("slow"))
        self.check_whole(status)
        self.assertGreaterEqual(status[1]["kept_bytes"], 40000)

    def test_usage(self):
        for operand, text in (("file:///etc/passwd", "only http"), ("ftp://h/model.gguf", "only http"),
                              ("no-such-model", "no model"), ("http://127.0.0.1:1/", "file name"),
                              ("http://127.0.0.1:1/.gguf", "file name"),
                              ("http://127.0.0.1:1/a%2fb.gguf", "file name"),
                              ("http://127.0.0.1:1/a b.gguf", "file name"),
                              ("http://127.0.0.1:1/model.bin", "file name")):
            self.check_nothing(self.pull(operand), 2, text)
        self.check_nothing(self.pull(self.url("good"), "--sha256", "12"), 2, "64")
        self.check_nothing(self.pull("http://127.0.0.1:1/model.gguf", retries=0), 3, "")

    def test_the_catalogue(self):
        r = subprocess.run([FONTE, "--json", "model", "pull", "--list"], capture_output=True, text=True)
        models = json.loads(r.stdout)["models"]
        self.assertGreater(len(models), 3)
        with open(os.path.join(os.path.dirname(TESTS), "docs", "models.md")) as f:
            docs = f.read()
        for m in models:
            self.assertTrue(m["url"].startswith("https://") and m["url"].endswith("/" + m["file"]), m)
            self.assertIn(f"| `{m['name']}` | `{m['file']}` |", docs)
            if "sha256" in m:
                self.assertEqual(len(m["sha256"]), 64)
                self.assertIn(m["sha256"], docs)
                self.assertIn(f"{m['bytes']:,}", docs)

    def test_certificates_are_checked(self):
        key, crt = (os.path.join(self.models.name, n) for n in ("key.pem", "crt.pem"))
        made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                               "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                               "-keyout", key, "-out", crt], capture_output=True)
        if made.returncode:
            self.skipTest("no openssl")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(crt, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        url = self.url("good").replace("http:", "https:")
        self.check_nothing(self.pull(url), 3, "certificate")
        self.assertEqual(self.server.seen, [])


if __name__ == "__main__":
    unittest.main()
