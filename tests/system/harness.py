"""A real fonted in a temporary folder, requests over its socket, and checks that are counted.

FONTED_EXE names the program. Nothing is left behind: neither processes nor files."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

FONTED = os.environ["FONTED_EXE"]


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The error object, {} where the body is none."""
        try:
            return self.json()["error"]
        except (ValueError, TypeError, KeyError):
            return {}

    @property
    def code(self):
        return self.error.get("code")

    @property
    def param(self):
        return self.error.get("param")


def read_head(stream):
    """(status, headers) or None where the connection ended."""
    line = stream.readline()
    if not line:
        return None
    status, headers = int(line.split()[1]), {}
    while True:
        line = stream.readline().rstrip(b"\r\n")
        if not line:
            return status, headers
        name, _, value = line.partition(b":")
        headers[name.decode().lower()] = value.strip().decode()


def read_reply(stream, method="GET"):
    head = read_head(stream)
    while head and head[0] == 100:
        head = read_head(stream)
    if not head:
        return None
    status, headers = head
    body = b""
    if method == "HEAD" or status == 204:
        pass
    elif headers.get("transfer-encoding") == "chunked":
        while n := int(stream.readline().split(b";")[0], 16):
            body += stream.read(n)
            stream.readline()
        stream.readline()
    elif "content-length" in headers:
        body = stream.read(int(headers["content-length"]))
    else:
        body = stream.read()
    return Reply(status, headers, body)


class Daemon:
    """with Daemon() as d: d.get("/healthz").status == 200"""

    def __init__(self, *arguments, folder=None, settings=(), start=True, env=None, wrap=(), uid=None):
        self.own = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="fonte-test-")
        os.chmod(self.folder, 0o755)
        self.state = os.path.join(self.folder, "state")
        self.socket = os.path.join(self.folder, "fonte.sock")
        self.log_path = os.path.join(self.folder, "log")
        self.arguments = list(arguments)
        self.settings = list(settings)
        self.env, self.wrap = env or {}, list(wrap)
        self.process = None
        if start:
            try:
                self.start()
            except BaseException:
                self.kill()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def command(self):
        command = self.wrap + [FONTED, "--state", self.state, "--socket", self.socket]
        if not any(a == "--config" for a in self.arguments):
            command += ["--config", os.path.join(self.folder, "empty.conf")]
            open(os.path.join(self.folder, "empty.conf"), "a").close()
        for s in self.settings:
            command += ["--set", s]
        return command + self.arguments

    def start(self, wait=True):
        self.log_file = open(self.log_path, "ab")
        self.log_start = os.path.getsize(self.log_path)
        self.process = subprocess.Popen(self.command(), stderr=self.log_file,
                                        stdin=subprocess.DEVNULL, env={**os.environ, **self.env})
        if wait:
            self.wait_log("READY ", 60)

    def log(self):
        with open(self.log_path, "rb") as f:
            f.seek(self.log_start)
            return f.read().decode("utf-8", "replace")

    def wait_log(self, text, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if text in self.log():
                return True
            if self.process.poll() is not None and text not in self.log():
                raise RuntimeError("fonted ended: " + self.log()[-2000:])
            time.sleep(0.005)
        raise RuntimeError(f"no {text!r} in the log: " + self.log()[-2000:])

    def stop(self, sig=signal.SIGTERM, seconds=60):
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
        status = self.process.wait(seconds)
        self.log_file.close()
        return status

    def close(self):
        try:
            if self.process and self.process.poll() is None:
                status = self.stop()
                check(status == 0, f"fonted ends with 0, not {status}", self.log()[-3000:])
        finally:
            self.kill()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, timeout=20):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout)
        s.connect(self.socket)
        return s

    def raw(self, data, timeout=20, method="GET"):
        """The reply to these bytes, None where the connection ended without one."""
        with self.connect(timeout) as s:
            try:
                s.sendall(data)
            except OSError:
                pass  # refused early: the reply is there to be read
            with s.makefile("rb") as stream:
                try:
                    return read_reply(stream, method)
                except ConnectionResetError:
                    return None

    def request(self, method, path, body=None, type=None, headers=(), timeout=60):
        if isinstance(body, (dict, list)):
            body, type = json.dumps(body).encode(), type or "application/json"
        head = f"{method} {path} HTTP/1.1\r\nHost: fonte\r\nConnection: close\r\n"
        if type:
            head += f"Content-Type: {type}\r\n"
        if body is not None:
            head += f"Content-Length: {len(body)}\r\n"
        for h in headers:
            head += h + "\r\n"
        return self.raw(head.encode() + b"\r\n" + (body or b""), timeout, method)

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body, type=None, **more):
        return self.request("POST", path, body, type, **more)

    def settled(self, name, most, seconds=5):
        """What the server counts, once there are `most` of `name` at the most, or time is up."""
        end = time.monotonic() + seconds
        while True:
            server = self.get("/v1/status").json()["server"]
            if server[name] <= most or time.monotonic() >= end:
                return server
            time.sleep(0.02)

    def add(self, text, **more):
        return self.post("/v1/documents", {"text": text, **more})

    def events(self, body, headers=()):
        """[(event, object)] of a streamed answer."""
        reply = self.post("/v1/ask", {**body, "stream": True}, headers=headers)
        if reply.headers.get("content-type") != "text/event-stream":
            return reply
        return parse_events(reply.body)


def parse_events(body):
    events = []
    for block in body.decode().split("\n\n"):
        name, data = None, []
        for line in block.split("\n"):
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
        if name:
            events.append((name, json.loads("\n".join(data))))
    return events


def as_user(uid, gid, groups, call):
    """call() in a child that is that user; its JSON-able result."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.write(w, json.dumps(call()).encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return json.loads(text)


passed, failed, skipped = 0, 0, 0


def check(ok, what, detail=""):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what}" + (f": {detail}" if detail else ""), flush=True)
    return ok


def equal(got, wanted, what):
    return check(got == wanted, what, f"{got!r} instead of {wanted!r}")


def skip(why):
    global skipped
    skipped += 1
    print(f"SKIP: {why}", flush=True)


def main(*tests):
    for test in tests:
        try:
            test()
        except Exception as error:  # one broken test must not hide the others
            check(False, test.__name__, f"{type(error).__name__}: {error}")
            if os.environ.get("FONTE_TRACE"):
                raise
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0 if passed else 77)
