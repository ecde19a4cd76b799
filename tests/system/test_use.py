"""fonte model use: another model while people are answered, who may, what is remembered; and who was
served, over restarts."""
import json
import os
import pwd
import signal
import subprocess
import threading

from harness import Daemon, as_user, check, equal, main, skip
from model import FONTE, chat, make_model

NOBODY = pwd.getpwnam("nobody")
GENERATOR = "[generator]\ntemplate = llama2\ncontext = 256\nthreads = 2\n"


class Chooser(Daemon):
    """A Daemon with two models beside it, of which its file names the first (or none)."""

    def __init__(self, *arguments, configured=True, access="", **more):
        super().__init__(*arguments, start=False, **more)
        self.models = os.path.join(self.folder, "models")
        os.mkdir(self.models)
        self.first = make_model(self.models, "first.gguf")
        self.second = make_model(self.models, "second.gguf")
        path = os.path.join(self.folder, "fonted.conf")
        with open(path, "w") as f:
            f.write(GENERATOR + (f"model = {self.first}\n" if configured else "") + access)
        self.arguments += ["--config", path]
        try:
            self.start()
        except BaseException:
            self.kill()
            raise

    def served(self):
        return self.get("/v1/status").json().get("model", {}).get("name")

    def use(self, model, **more):
        return self.request("PUT", "/v1/model", {"model": model, **more})

    def fonte(self, *arguments, env=None):
        return subprocess.run([FONTE, "--socket", self.socket, *arguments], capture_output=True, text=True,
                              timeout=60, env={**os.environ, "FONTE_MODELS": self.models, **(env or {})})


def chosen_and_remembered():
    with Chooser() as d:
        equal(d.served(), "first", "as configured")
        reply = d.use(d.second, template="llama2")
        equal((reply.status, reply.json()["model"]["name"], reply.json()["model"]["file"]),
              (200, "second", d.second), "another")
        equal(d.served(), "second", "is served")
        equal(d.post("/v1/chat/completions", {**chat("x", max_tokens=2), "model": "second"}).status, 200,
              "and answers")
        equal(d.post("/v1/chat/completions", {**chat("x", max_tokens=2), "model": "first"}).status, 404,
              "alone")
        d.process.send_signal(signal.SIGHUP)
        d.wait_log("reload: done")
        equal(d.served(), "second", "SIGHUP keeps it")
        equal(d.stop(), 0, "stops")
        d.start()
        equal(d.served(), "second", "and so does a restart")
        equal(d.use(d.second, template="llama2", name="my own").status, 200, "a name")
        equal(d.served(), "my own", "of its own")
        equal((d.use(None).status, d.served()), (200, "first"), "back to the configuration")
        check(not os.path.exists(os.path.join(d.state, "model.conf")), "nothing is left of the choice")
        d.stop()
        d.start()
        equal(d.served(), "first", "after a restart too")


def from_no_model_and_back():
    with Chooser(configured=False) as d:
        equal(d.served(), None, "none")
        equal((d.use(d.first, template="llama2").status, d.served()), (200, "first"), "one")
        reply = d.use(None)
        equal((reply.status, reply.json(), d.served()), (200, {"model": None}, None), "none again")


def what_cannot_be_opened_changes_nothing():
    with Chooser() as d:
        broken = os.path.join(d.models, "broken.gguf")
        with open(broken, "wb") as f:
            f.write(b"GGUF" + b"\xff" * 64)
        d.use(d.second, template="llama2")
        before = open(os.path.join(d.state, "model.conf")).read()
        for model, status in (("/nonexistent.gguf", 404), (d.models, 400), (broken, 415), ("first.gguf", 400),
                              ("", 400), (d.first + "\nstate = /tmp", 400), ("/" + "x" * 300, 400), (7, 400),
                              (["/a"], 400)):
            equal(d.use(model).status, status, f"model {model!r}")
        equal(d.use(d.first, template="none").status, 415, "an unknown template")
        equal(d.use(d.first, colour="red").status, 400, "an unknown member")
        equal(d.request("PUT", "/v1/model", {}).status, 400, "no model")
        equal(d.get("/v1/model").status, 405, "another method")
        equal((d.served(), open(os.path.join(d.state, "model.conf")).read()), ("second", before), "nothing changed")


def the_command_line_stays_over_it():
    with Chooser() as d:
        d.stop()
        d.settings = ["generator.model=" + d.first]
        d.start()
        equal((d.use(d.second).status, d.served()), (409, "first"), "the command line names the model")


def answers_end_on_the_old_one():
    with Chooser() as d:
        body = json.dumps({**chat("Tell me.", max_tokens=150, stream=True), "model": "first"}).encode()
        with d.connect(60) as s:
            s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            with s.makefile("rb") as stream:
                while b"data:" not in stream.readline():
                    pass
                equal(d.use(d.second, template="llama2").status, 200, "while a stream runs")
                equal(d.served(), "second", "the new one serves")
                rest = stream.read()
        check(b"[DONE]" in rest and b'"error"' not in rest, "the stream ends well", rest[-300:])


def many_choose_at_once():
    with Chooser() as d:
        statuses, lock = [], threading.Lock()

        def choose(i):
            for k in range(6):
                status = d.use((d.first, d.second)[(i + k) % 2], template="llama2").status
                if k % 3 == 0:
                    d.process.send_signal(signal.SIGHUP)
                with lock:
                    statuses.append(status)

        def ask():
            for _ in range(12):
                for name in ("first", "second"):
                    reply = d.post("/v1/chat/completions", {**chat("x", max_tokens=2), "model": name})
                    with lock:
                        statuses.append(reply.status if reply.status != 404 else 200)

        threads = [threading.Thread(target=choose, args=(i,)) for i in range(3)]
        threads += [threading.Thread(target=ask) for _ in range(2)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        check(set(statuses) <= {200, 503}, "each is done or told to come again", statuses)
        check(200 in statuses, "some are done")
        d.use(d.second, template="llama2")
        for _ in range(50):
            if d.use(d.second, template="llama2").status == 200:
                break
        equal(d.served(), "second", "and the last one serves")


def gone_clients():
    with Chooser() as d:
        body = json.dumps({"model": d.second, "template": "llama2"}).encode()
        for _ in range(10):
            with d.connect() as s:
                s.sendall(b"PUT /v1/model HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          b"Content-Length: %d\r\n\r\n" % len(body) + body)
        for _ in range(100):
            status = d.use(d.first, template="llama2").status
            if status == 200:
                break
        equal((status, d.served()), (200, "first"), "clients that left hold nothing up")


def rights():
    if os.geteuid() != 0:
        skip("needs root to become other users")
        return
    for access, status in (("", 403), ("[access]\nmodel = nobody\n", 200), ("[access]\nmodel = daemon\n", 403)):
        with Chooser(access=access) as d:
            os.chmod(d.socket, 0o666)
            os.chmod(d.models, 0o755)
            got = as_user(NOBODY.pw_uid, NOBODY.pw_gid, [],
                          lambda: d.use(d.second, template="llama2").status)
            equal(got, status, f"nobody with {access!r}")
            equal(d.served(), "second" if status == 200 else "first", "and so it is")


def by_the_client():
    with Chooser() as d:
        r = d.fonte("model", "use", "second", "--template", "llama2")
        check(r.returncode == 0 and "second answers from now on" in r.stdout, "by name", r)
        r = d.fonte("--json", "model", "use", d.first, "--template", "llama2", "--name", "chosen")
        equal((r.returncode, json.loads(r.stdout)["model"]["name"]), (0, "chosen"), "by path, in JSON")
        r = d.fonte("model", "use", "models/../models/first.gguf")
        equal(r.returncode, 4, "a path that is not there")
        r = d.fonte("model", "use", "third")
        check(r.returncode == 4 and d.models in r.stderr, "a name that is not there", r)
        equal(d.fonte("model", "use", "--default").returncode, 0, "back")
        equal(d.served(), "first", "to the configuration")
        for arguments in (["model", "use"], ["model", "use", "a", "b"], ["model", "use", "--default", "a"],
                          ["model", "use", "a", "--template", "none"]):
            equal(d.fonte(*arguments).returncode, 2, str(arguments))
        out = d.fonte("status").stdout
        for words in ("first", "licence", "queue", "cached tokens", "written tokens", "peers 30 days"):
            check(words in out, f"status shows {words}", out)


def who_was_served():
    if os.geteuid() != 0:
        skip("needs root to become other users")
        return
    settings = ["server.socket_mode=0666"]
    with Daemon(settings=settings) as d:
        def peers():
            return d.get("/v1/status").json()["server"]["peers_30_days"]

        equal(peers(), 0, "nobody yet; looking at status is not being served")
        d.get("/healthz")
        d.post("/v1/search", {"question": "x", "collection": "NO"})
        equal(peers(), 0, "nor is being refused")
        for _ in range(3):
            d.add("Some words to find.")
        equal(peers(), 1, "one")
        for uid in (NOBODY.pw_uid, 1, 2, 1):
            as_user(uid, uid, [], lambda: d.post("/v1/search", {"question": "words"}).status)
        equal(peers(), 4, "four users, not visits")
        equal(d.stop(), 0, "stops")
        d.start()
        equal(peers(), 4, "a restart does not forget them")
        d.stop()
        path = os.path.join(d.state, "peers")
        equal(os.stat(path).st_mode & 0o777, 0o600, "the file is fonted's own")
        with open(path, "w") as f:
            f.write("0 20\n1 99999999999\n")
        d.start()
        check("counted anew" in d.log(), "a damaged file is said", d.log())
        equal(d.post("/v1/search", {"question": "words"}).status, 200, "and does no harm")


main(chosen_and_remembered, from_no_model_and_back, what_cannot_be_opened_changes_nothing,
     the_command_line_stays_over_it, answers_end_on_the_old_one, many_choose_at_once, gone_clients, rights,
     by_the_client, who_was_served)
