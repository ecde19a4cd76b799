"""kill -9 while documents are added, replaced and deleted, FONTE_CRASH_ROUNDS times: what was
acknowledged is there after each start, what was deleted is not, and the index agrees with itself."""
import http.client
import os
import random
import signal
import socket
import threading
import time

from harness import Daemon, check, equal, main

ROUNDS = int(os.environ.get("FONTE_CRASH_ROUNDS") or 100)
SECONDS = 45 if ROUNDS <= 100 else ROUNDS


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("fonte", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


class Truth:
    """What the daemon acknowledged. A change under way when it was killed may have happened."""

    def __init__(self):
        self.lock = threading.Lock()
        self.there = {}  # id -> set of texts that it may have
        self.gone = set()
        self.maybe = set()  # deletes without an answer


def client(path, truth, stop, seed):
    rng = random.Random(seed)
    try:
        c = Connection(path)
        while not stop.is_set():
            with truth.lock:
                free = [i for i in truth.there if i not in truth.maybe]
            what = rng.random()
            if what < 0.15 and free:
                victim = rng.choice(free)
                with truth.lock:
                    if victim in truth.maybe:
                        continue
                    truth.maybe.add(victim)
                c.request("DELETE", "/v1/documents/" + victim)
                reply = c.getresponse()
                reply.read()
                with truth.lock:
                    if reply.status == 204:
                        truth.there.pop(victim, None)
                        truth.gone.add(victim)
                    truth.maybe.discard(victim)
            else:
                text = f"Document {seed} {rng.getrandbits(64):x} says " + "word " * rng.randrange(1, 400)
                text = text.strip()
                c.request("POST", "/v1/documents", text.encode(), {"Content-Type": "text/plain"})
                reply = c.getresponse()
                body = reply.read()
                if reply.status == 201:
                    import json
                    with truth.lock:
                        truth.there[json.loads(body)["id"]] = text
    except (OSError, http.client.HTTPException):
        pass  # it was killed


def crashes():
    random.seed(11)
    truth, begin, rounds = Truth(), time.monotonic(), 0
    with Daemon(start=False, settings=["server.log_level=warning"]) as d:
        while rounds < ROUNDS and time.monotonic() - begin < SECONDS:
            d.start()
            stop = threading.Event()
            threads = [threading.Thread(target=client, args=(d.socket, truth, stop, rounds * 8 + i))
                       for i in range(3)]
            for t in threads:
                t.start()
            time.sleep(random.uniform(0.005, 0.12))
            d.process.send_signal(signal.SIGKILL)
            d.process.wait()
            d.log_file.close()
            stop.set()
            for t in threads:
                t.join()
            rounds += 1
            if rounds % 10 == 0 or rounds == ROUNDS:
                verify(d, truth, f"round {rounds}")
        print(f"{rounds} rounds, {len(truth.there)} documents acknowledged, "
              f"{len(truth.gone)} deleted, {time.monotonic() - begin:.0f} s")
        check(rounds >= min(ROUNDS, 30), "enough rounds in the time", rounds)
        d.start()
        verify_all(d, truth)


def listed(d):
    ids, after = set(), ""
    while after is not None:
        page = d.get(f"/v1/documents?limit=1000&after={after}").json()
        ids |= {x["id"] for x in page["documents"]}
        after = page["next"]
    return ids


def verify(d, truth, when):
    d.start()
    ids = listed(d)
    lost = [i for i in truth.there if i not in ids and i not in truth.maybe]
    equal(lost, [], when + ": acknowledged documents are there")
    equal([i for i in truth.gone if i in ids], [], when + ": deleted ones are not")
    with truth.lock:  # a delete without an answer: see what became of it
        for i in list(truth.maybe):
            if i not in ids:
                truth.there.pop(i, None)
                truth.gone.add(i)
        truth.maybe.clear()
    index = d.get("/v1/status").json()["index"]
    equal((index["documents"], index["vectors"]), (len(ids), index["passages"]), when + ": counts agree")
    d.process.send_signal(signal.SIGKILL)
    d.process.wait()
    d.log_file.close()


def verify_all(d, truth):
    import json
    c = Connection(d.socket)
    for i, text in truth.there.items():
        c.request("GET", f"/v1/documents/{i}/text")
        reply = c.getresponse()
        body = reply.read().decode()
        if reply.status != 200 or body != text:
            check(False, "the text of " + i, (reply.status, body[:80], text[:80]))
            return
    check(True, "every text is whole")
    sample = random.sample(sorted(truth.there), min(30, len(truth.there)))
    for i in sample:
        word = truth.there[i].split()[2]
        c.request("POST", "/v1/search", json.dumps({"question": word, "k": 3, "mode": "lexical"}),
                  {"Content-Type": "application/json"})
        found = json.loads(c.getresponse().read())["passages"]
        check(any(p["document"] == i for p in found), "a search finds " + i)


main(crashes)
