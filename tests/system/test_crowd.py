"""Eight people at once over a model that writes, half of whose streams are cancelled, while documents
come and go, the model is changed and the configuration is read again. The thread stage runs it with a
fonted under ThreadSanitizer, the sanitized one under AddressSanitizer: both say what they find in the
log, and fonted ends with their status."""
import json
import os
import random
import signal
import threading
import time

from harness import check, equal, main, read_head
from model import ModelDaemon, make_model

CLIENTS, ROUNDS = 8, 4 if os.environ.get("FONTE_SANITIZED") else 16
TEXTS = ["The bridge over the Grand Canal was designed by Santiago Calatrava and opened in 2008.",
         "Meta released Llama 2 on 18 July 2023 with a licence for most companies.",
         "Il Garante ha sospeso il servizio il 31 marzo 2023 per la protezione dei dati.",
         "The Digital Services Act entered into force on 16 November 2022 in the European Union."]
QUESTIONS = ["Who designed the bridge over the Grand Canal?", "When was Llama 2 released?",
             "Quando ha sospeso il servizio il Garante?", "When did the Digital Services Act enter into force?"]
FINDINGS = ("ThreadSanitizer", "AddressSanitizer", "LeakSanitizer", "runtime error")


def begin(stream, socket, path, body):
    data = json.dumps(body).encode()
    socket.sendall((f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(data)}\r\n\r\n").encode() + data)
    return read_head(stream)


def leave(d, path, body, n_bytes):
    """Ask, read that much, and go away. True where it streamed."""
    with d.connect(120) as socket, socket.makefile("rb") as stream:
        head = begin(stream, socket, path, body)
        stream.read(n_bytes)
        return head and head[0] == 200


class Crowd:
    def __init__(self, daemon):
        self.d, self.lock, self.wrong, self.n_whole, self.n_left = daemon, threading.Lock(), [], 0, 0

    def note(self, ok, whole, what):
        with self.lock:
            self.n_whole += whole
            self.n_left += not whole
            if not ok:
                self.wrong.append(what)

    def whole_ask(self, question):
        events = self.d.events({"question": question, "mode": "generate"})
        ok = isinstance(events, list) and events[-1][0] == "done"
        self.note(ok, True, events if isinstance(events, list) else events.body)

    def whole_chat(self, question):
        body = {"model": "fonte", "stream": True, "messages": [{"role": "user", "content": question}]}
        reply = self.d.post("/v1/chat/completions", body, timeout=120)
        self.note(reply.status == 200 and reply.body.endswith(b"data: [DONE]\n\n"), True, reply.body)

    def client(self, n):
        dice = random.Random(n)
        for i in range(ROUNDS):
            question = dice.choice(QUESTIONS)
            if i % 2 == 0:
                path, body = dice.choice([("/v1/ask", {"question": question, "mode": "generate", "stream": True}),
                                          ("/v1/chat/completions",
                                           {"model": "fonte", "stream": True,
                                            "messages": [{"role": "user", "content": question}]})])
                self.note(leave(self.d, path, body, dice.choice([0, 1, 200, 900])), False, "not begun")
            elif i % 4 == 1:
                self.whole_ask(question)
            else:
                self.whole_chat(question)

    def run(self, n):
        try:
            self.client(n)
        except Exception as error:  # counted, so that a thread's end is not lost
            self.note(False, True, f"{type(error).__name__}: {error}")


def meanwhile(d, models, running):
    """Documents, other models, SIGHUP, figures, until the crowd is through."""
    n = 0
    while running():
        reply = d.add(f"{TEXTS[n % len(TEXTS)]} Note {n}.", title=f"Note {n}")
        check(reply.status in (200, 201), "a document", reply.body)
        if n % 3 == 2:
            d.request("DELETE", "/v1/documents/" + reply.json()["id"])
        if n % 4 == 1:
            reply = d.request("PUT", "/v1/model", {"model": models[n % 2], "template": "llama2"}, timeout=120)
            check(reply.status in (200, 503), "another model", reply.body)
        if n % 4 == 3:
            d.process.send_signal(signal.SIGHUP)
        check(d.get("/metrics").status == 200, "figures")
        check(d.post("/v1/search", {"query": QUESTIONS[n % len(QUESTIONS)]}).status == 200, "a search")
        n += 1
        time.sleep(0.1)


def nothing_is_left(d):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        status = d.get("/v1/status").json()
        left = (status["server"]["requests"], status["server"]["streams"], status["model"]["active"])
        if left == (1, 0, 0):
            break
        time.sleep(0.05)
    equal(left, (1, 0, 0), "requests, streams, sequences of the engine")


def a_crowd():
    d = ModelDaemon(context=1024, settings=["generator.answer_tokens=24", "generator.streams=4"], start=False)
    try:
        config = os.path.join(d.folder, "fonted.conf")
        with open(config, "w") as f:
            f.write("[generator]\n" + "".join(s.removeprefix("generator.").replace("=", " = ", 1) + "\n"
                                              for s in d.settings))
        first = d.settings[0].split("=", 1)[1]
        d.settings, d.arguments = [], ["--config", config]
        models = [first, make_model(d.models.name, "other.gguf", 1024)]
        d.start()
        for text in TEXTS:
            d.add(text)
        crowd = Crowd(d)
        threads = [threading.Thread(target=crowd.run, args=(n,)) for n in range(CLIENTS)]
        [t.start() for t in threads]
        meanwhile(d, models, lambda: any(t.is_alive() for t in threads))
        [t.join() for t in threads]
        equal(crowd.wrong, [], "every stream that is read ends as it should")
        equal((crowd.n_whole, crowd.n_left), (CLIENTS * ROUNDS // 2, CLIENTS * ROUNDS // 2), "streams")
        nothing_is_left(d)
        equal(d.stop(), 0, "ends well: " + d.log()[-2000:])
        check(not any(f in d.log() for f in FINDINGS), "the sanitizer is silent", d.log()[-6000:])
    finally:
        d.kill()


main(a_crowd)
