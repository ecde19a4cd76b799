"""What the CLI tests share: running `fonte`, a terminal for it, and a daemon of a few lines that
answers what a test tells it to (for answers that a real one gives rarely: busy, broken, hostile)."""
import contextlib
import json
import os
import pty
import re
import select
import socketserver
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler

FONTE = os.environ["FONTE_EXE"]


def environment(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("FONTE_SOCKET", "NO_COLOR")}
    env.update(TERM="xterm", **more)
    return env


def fonte(socket, *args, stdin=b"", timeout=60, **env):
    """Runs fonte on pipes: (exit status, stdout, stderr)."""
    r = subprocess.run([FONTE, "--socket", socket, *args], input=stdin, capture_output=True,
                       timeout=timeout, env=environment(**env))
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def on_terminal(socket, *args, typed=b"", timeout=60, **env):
    """Runs fonte on a terminal of its own: (exit status, all that the terminal got)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(FONTE, [FONTE, "--socket", socket, *args], environment(**env))
    got, end = b"", time.monotonic() + timeout
    if typed:
        os.write(fd, typed)
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            more = os.read(fd, 65536)
        except OSError:
            break
        if not more:
            break
        got += more
    os.close(fd)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), got.decode("utf-8", "replace")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *args):
        pass

    def do_GET(self):
        n = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(n)
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        self.server.answer(self, body)

    do_POST = do_PUT = do_DELETE = do_GET

    def reply(self, status, body, content_type="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(data)

    def error(self, status, code, message, **headers):
        self.reply(status, {"error": {"code": code, "message": message, "param": None}}, **headers)

    def events(self, events, pieces=1 << 30):
        """An event stream in chunks of so many bytes."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        data = b"".join(b"event: %s\ndata: %s\n\n" % (name.encode(), json.dumps(value).encode())
                        for name, value in events)
        for i in range(0, len(data), pieces):
            piece = data[i:i + pieces]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a client that goes away is part of some tests


@contextlib.contextmanager
def daemon(answer):
    """A socket where answer(handler, body) answers. Yields (path, list of requests)."""
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/s"
        server = Server(path, Handler)
        server.requests, server.answer = [], answer
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield path, server.requests
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@contextlib.contextmanager
def real_daemon(*settings):
    """fonted on a state and socket of its own. Yields (socket, process)."""
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/s"
        log = open(folder + "/log", "wb")
        process = subprocess.Popen([os.environ["FONTED_EXE"], "--state", folder + "/state",
                                    "--socket", path, *settings], stderr=log, stdout=log)
        end = time.monotonic() + 60
        said = b""
        while b"READY" not in said:
            with open(folder + "/log", "rb") as f:
                said = f.read()
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                raise RuntimeError(said)
            time.sleep(0.02)
        try:
            yield path, process
        finally:
            process.terminate()
            status = process.wait(60)
            log.close()
        if status not in (0, -9):  # a test may kill it
            with open(folder + "/log") as f:
                raise RuntimeError("fonted ended with %d: %s" % (status, f.read()[-4000:]))


def strip_styles(text):
    return re.sub(r"\x1b\[[0-9;]*m|\x1b\[K|\x1b\]8;;[^\x1b]*\x1b\\", "", text)


def write(folder, name, data):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path
