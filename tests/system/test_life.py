"""Start, stop, reload: what the service manager and the administrator see."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from harness import FONTED, Daemon, check, equal, main, read_reply, skip


def run(*arguments, env=None):
    return subprocess.run([FONTED, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})})


class Folder:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="fonte-test-")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def arguments():
    equal(run("--version").stdout.split()[0], "fonted", "--version")
    check("--state" in run("--help").stdout, "--help")
    check("body_size = 64M" in run("--help-config").stdout, "--help-config")
    equal(run("--nonsense").returncode, 2, "an unknown option is a usage error")
    equal(run("stray").returncode, 2, "a stray argument is a usage error")


def configuration():
    rows = [
        ("[server]\nlog_level = loud\n", "f.conf:2: no such log level: loud"),
        ("[server]\ncolour = red\n", "f.conf:2: no such key in this section: colour"),
        ("[nonsense]\na = b\n", "f.conf:2: no such section: nonsense"),
        ("a = b\n", "f.conf:1: no such section: (none)"),
        ("[server]\nnonsense\n", "f.conf:2: neither [section] nor key = value"),
        ("[limits]\nbody_size = 10X\n", "f.conf:2: a number of bytes"),
        ("[limits]\nbody_size = 1\n", "f.conf:2: body_size is not within"),
        ("[limits]\nidle_time = 10\n", "f.conf:2: a time with"),
        ("[limits]\nk = 1\n", "f.conf:2: no such key"),
        ("[limits]\npassages = 1.5\n", "f.conf:2: a whole number"),
        ("[answer]\nmin_confidence = nan\n", "f.conf:2: a number"),
        ("[server]\nsocket_mode = 999\n", "f.conf:2: an octal mode"),
        ("[limits]\nlist = 1\nlist = 2\n", "f.conf:3: list is given twice"),
        ("[access]\nread = nosuchuser_x\n", "access.read: no such user: nosuchuser_x"),
        ("[access]\nread = @nosuchgroup_x\n", "access.read: no such group: nosuchgroup_x"),
        ('[collection "news"]\nread = @nosuchgroup_x\n', "f.conf:2: no such group"),
        ('[collection "news"]\nbeauty = 1\n', "f.conf:2: a collection has no key beauty"),
        ('[collection "Bad Name"]\nread = *\n', "f.conf:2: no such section"),
        ("[access]\nread = " + "x" * 300 + "\n", "f.conf:2: the line is too long"),
    ]
    with Folder() as folder:
        path = os.path.join(folder, "f.conf")
        for text, message in rows:
            with open(path, "w") as f:
                f.write(text)
            r = run("--config", path, "--check-config", "--state", "/s", "--socket", "/k")
            check(r.returncode == 2 and message in r.stderr, message, r.stderr)
        with open(path, "w") as f:
            f.write("; a comment\n[server]\nlog_level = debug\n[access]\nread = root,\n   daemon\n"
                    "[collection.news]\nread = @root\n[limits]\nidle_time = 2min\n")
        os.mkdir(os.path.join(folder, "conf.d"))
        for name, level in (("20.conf", "notice"), ("10.conf", "error"), ("30.txt", "nonsense")):
            with open(os.path.join(folder, "conf.d", name), "w") as f:
                f.write(f"[server]\nlog_level = {level}\n")
        r = run("--config", path, "--check-config", "--state", "/s", "--socket", "/k")
        equal((r.returncode, "configuration is good" in r.stderr), (0, True), "a good one " + r.stderr)
        with open(os.path.join(folder, "conf.d", "40.conf"), "w") as f:
            f.write("[server]\nx = y\n")
        r = run("--config", path, "--check-config", "--state", "/s", "--socket", "/k")
        check("conf.d/40.conf:2: no such key" in r.stderr, "conf.d is read in order", r.stderr)
        r = run("--config", os.path.join(folder, "none.conf"), "--check-config")
        equal(r.returncode, 2, "a file that is named must exist")
        r = run("--check-config", "--set", "limits.list", "--config", "/dev/null")
        check(r.returncode == 2 and "section.key=value" in r.stderr, "--set without a value", r.stderr)
        r = run("--config", folder, "--check-config")
        check(r.returncode == 2 and folder in r.stderr, "a folder is no file", r.stderr)


def one_daemon_per_folder():
    with Daemon() as d:
        other = run("--state", d.state, "--socket", d.socket + "2", "--config", "/dev/null")
        check(other.returncode == 1 and "cannot start" in other.stderr, "same state", other.stderr)
        check(not os.path.exists(d.socket + "2"), "and no socket is left")
        other = run("--state", d.state + "2", "--socket", d.socket, "--config", "/dev/null")
        check(other.returncode == 1 and "another process listens" in other.stderr, "same socket",
              other.stderr)
        equal(d.get("/healthz").status, 200, "the first one is unharmed")


def the_socket():
    with Daemon(start=False, settings=["server.socket_mode=0600"]) as d:
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(d.socket)
        stale.close()
        d.start()
        equal(os.stat(d.socket).st_mode & 0o777, 0o600, "mode of the socket")
        equal(d.get("/healthz").status, 200, "a stale socket is replaced")
        equal(d.stop(), 0, "stops")
        check(not os.path.exists(d.socket), "the socket is removed at the end")
        with open(d.socket, "w") as f:
            f.write("precious")
        r = run("--state", d.state, "--socket", d.socket, "--config", "/dev/null")
        check(r.returncode == 1 and "is no socket" in r.stderr, "a file is not replaced", r.stderr)
        equal(open(d.socket).read(), "precious", "nor removed")
        os.unlink(d.socket)
        r = run("--state", d.state, "--socket", "/tmp/" + "x" * 120, "--config", "/dev/null")
        check(r.returncode == 2, "a path that is too long", r.stderr)


def damaged_database():
    with Daemon(start=False) as d:
        os.makedirs(d.state)
        path = os.path.join(d.state, "fonte.db")
        with open(path, "wb") as f:
            f.write(b"SQLite format 3\0" + os.urandom(20000))
        before = open(path, "rb").read()
        r = run("--state", d.state, "--socket", d.socket, "--config", "/dev/null")
        check(r.returncode == 1 and d.state in r.stderr, "ends with 1 and says what", r.stderr)
        equal(open(path, "rb").read(), before, "nothing is deleted or changed")


def stopping():
    with Daemon() as d:
        with d.connect() as s, s.makefile("rb") as stream, d.connect() as idle:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            idle.recv(1000)
            body = b'{"text":"A slow upload."}'
            s.sendall(b"POST /v1/documents HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
            time.sleep(0.2)
            d.process.send_signal(signal.SIGTERM)
            d.wait_log("stop: ")
            equal(idle.recv(10), b"", "idle connections are closed at once")
            try:
                d.connect()
                check(False, "no new connections")
            except OSError:
                check(True, "no new connections")
            time.sleep(0.2)
            check(d.process.poll() is None, "it waits for what has begun")
            s.sendall(body[5:])
            reply = read_reply(stream)
            equal(reply.status, 201, "which is finished")
            equal(reply.headers.get("connection"), "close", "with Connection: close")
        equal(d.process.wait(10), 0, "and ends with 0")
    with Daemon(settings=["server.stop_timeout=300ms"]) as d, d.connect() as s:
        s.sendall(b"POST /v1/documents HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                  b"Content-Length: 10\r\n\r\nx")
        time.sleep(0.1)
        start = time.monotonic()
        equal(d.stop(), 0, "a request that never ends is cut off")
        check(time.monotonic() - start < 9, "in time")


def reload():
    with Folder() as folder:
        path = os.path.join(folder, "f.conf")

        def write(text):
            with open(path, "w") as f:
                f.write(text)

        write("[limits]\nquestion_size = 100\n")
        with Daemon("--config", path) as d:
            ask = {"question": "word " * 30}
            equal(d.post("/v1/ask", ask).status, 413, "before")
            write("[limits]\nquestion_size = 1K\n[server]\nthreads = 3\nlog_level = debug\n")
            d.process.send_signal(signal.SIGHUP)
            d.wait_log("reload: done")
            equal(d.post("/v1/ask", ask).status, 200, "after")
            check("restart is needed for server.threads" in d.log(), "keys that need a restart are named")
            write("[limits]\nquestion_size = rubbish\n")
            d.process.send_signal(signal.SIGHUP)
            d.wait_log("reload: nothing is changed")
            check("f.conf:2" in d.log(), "the error names file and line")
            equal(d.post("/v1/ask", ask).status, 200, "a bad file changes nothing")


class Manager:
    """A NOTIFY_SOCKET of our own."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(0.05)
        self.messages = []
        self.end = False
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        while not self.end:
            try:
                self.messages.append((time.monotonic(), self.socket.recv(4096).decode()))
            except socket.timeout:
                pass

    def wait(self, text, seconds=5):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _, message in self.messages:
                if text in message:
                    return message
            time.sleep(0.01)
        return None

    def close(self):
        self.end = True
        self.thread.join()
        self.socket.close()


def the_service_manager():
    with Folder() as folder:
        if b"libsystemd" not in subprocess.run(["ldd", FONTED], capture_output=True).stdout:
            skip("built without libsystemd")
            return
        m = Manager(folder)
        try:
            env = {"NOTIFY_SOCKET": m.path, "WATCHDOG_USEC": "1000000"}
            with Daemon(env=env) as d:
                check(m.wait("READY=1"), "READY=1")
                equal(d.get("/healthz").status, 200, "only when it answers")
                check(m.wait("STATUS=0 documents"), "STATUS with counts")
                d.process.send_signal(signal.SIGHUP)
                reloading = m.wait("RELOADING=1")
                check(reloading and "MONOTONIC_USEC=" in reloading, "RELOADING=1 with MONOTONIC_USEC")
                time.sleep(2.6)
                equal(sum("READY=1" in x for _, x in m.messages), 2, "READY=1 after the reload")
                dogs = [t for t, x in m.messages if "WATCHDOG=1" in x]
                check(len(dogs) >= 4 and max(b - a for a, b in zip(dogs, dogs[1:])) < 1.0,
                      "the watchdog is fed in time", dogs)
                equal(d.stop(), 0, "stops")
                check(m.wait("STOPPING=1"), "STOPPING=1")
        finally:
            m.close()


def socket_activation():
    if not shutil.which("systemd-socket-activate"):
        skip("no systemd-socket-activate")
        return
    with Daemon(start=False) as d:
        d.wrap = ["systemd-socket-activate", "--listen=" + d.socket]
        d.start(wait=False)
        for _ in range(200):
            if os.path.exists(d.socket):
                break
            time.sleep(0.02)
        equal(d.get("/healthz").status, 200, "the first connection starts it and is answered")
        check("READY socket=" + d.socket in d.log(), "it knows the path")
        equal(d.stop(), 0, "stops")
        check(os.path.exists(d.socket), "the manager's socket is left")
    # the wrong kind of descriptor: a datagram socket as fd 3
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with Folder() as folder:
        script = ("import os,sys; os.dup2(int(sys.argv[1]),3); "
                  "os.environ.update(LISTEN_PID=str(os.getpid()),LISTEN_FDS='1'); "
                  "os.execv(sys.argv[2],sys.argv[2:])")
        r = subprocess.run(["python3", "-c", script, str(a.fileno()), FONTED, "--state", folder,
                            "--socket", folder + "/s", "--config", "/dev/null"],
                           capture_output=True, text=True, pass_fds=[a.fileno()], timeout=60)
        check(r.returncode == 1 and "no listening Unix stream socket" in r.stderr, "a wrong socket",
              r.stderr)
    a.close(), b.close()


def defaults():
    with Folder() as folder:
        env = {"STATE_DIRECTORY": folder + "/st:/other", "RUNTIME_DIRECTORY": folder + "/run"}
        r = run("--check-config", "--config", "/dev/null", env=env)
        check(f"state={folder}/st socket={folder}/run/fonte.sock" in r.stderr,
              "systemd's folders are used", r.stderr)


main(arguments, configuration, one_daemon_per_folder, the_socket, damaged_database, stopping, reload,
     the_service_manager, socket_activation, defaults)
