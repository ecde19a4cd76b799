"""Slow and absent clients: half-open connections, trickled heads and bodies, streams that nobody
reads, and that everyone else is served as before."""
import resource
import socket
import time

from harness import Daemon, check, equal, main, read_reply

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
N_HALF_OPEN, N_STREAMS = 2000, 200
ASK = b'{"question":"When did Meta release LLaMA 2?","stream":true,"k":100}'


def head(body, extra=b""):
    return (b"POST /v1/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + extra +
            b"Content-Length: %d\r\n\r\n" % len(body))


def latencies(d, n=400):
    times = []
    with d.connect() as s, s.makefile("rb") as stream:
        for _ in range(n):
            start = time.perf_counter()
            s.sendall(b'POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
                      b'Content-Length: 22\r\n\r\n{"question":"licence"}')
            status = read_reply(stream).status
            if status != 200:
                raise RuntimeError(f"a good request got {status}")
            times.append(time.perf_counter() - start)
    times.sort()
    return times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000


def best(d, rounds=4):
    """The least disturbed round: the machine of a test run has other work too."""
    return min((latencies(d) for _ in range(rounds)), key=lambda x: x[1])


def crowd():
    settings = ["limits.header_time=60s", "limits.stall_time=60s", "server.log_level=warning"]
    with Daemon(settings=settings) as d:
        for i in range(120):  # enough passages for a stream that fills its socket
            d.add(f"Meta released LLaMA 2 on 18 July 2023, says report {i}. " +
                  " ".join(f"Detail {i} {j} of the release of LLaMA 2." for j in range(60)))
        latencies(d, 100)
        quiet = best(d)
        half_open = []
        for i in range(N_HALF_OPEN):
            s = d.connect()
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "[:1 + i % 40])
            half_open.append(s)
        streams = []
        for _ in range(N_STREAMS):
            s = socket.socket(socket.AF_UNIX)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(60)
            s.connect(d.socket)
            s.sendall(head(ASK) + ASK)
            streams.append(s)
        time.sleep(1.5)
        status = d.get("/v1/status").json()["server"]
        check(status["connections"] >= N_HALF_OPEN, "half-open connections are open", status)
        check(status["streams"] >= N_STREAMS * 0.9, "streams are stalled", status)
        crowded = best(d)
        print("search p50/p99 ms: quiet %.2f/%.2f, with %d half-open and %d stalled streams %.2f/%.2f"
              % (*quiet, N_HALF_OPEN, N_STREAMS, *crowded))
        # the target is twice; below 20 ms it is the scheduler that is measured
        check(crowded[1] < max(2 * quiet[1], 20), "good requests are not hurt", (quiet, crowded))
        equal(d.post("/v1/ask", {"question": "When did Meta release LLaMA 2?"}).status, 200, "an answer")
        equal(d.add("One more document in the crowd.").status, 201, "a document")
        with streams[0].makefile("rb") as stream:
            reply = read_reply(stream)
            check(reply.body.count(b"event: ") >= 3 and b"event: done" in reply.body,
                  "a stream that is read late is whole")
        for s in half_open + streams:
            s.close()
        after = d.settled("connections", 1)
        equal((after["connections"], after["streams"], after["requests"]), (1, 0, 1), "all is let go")


def deadlines():
    settings = ["limits.header_time=500ms", "limits.body_time=500ms", "limits.idle_time=500ms"]
    with Daemon(settings=settings) as d:
        rows = [("nothing", b"", b"", 408), ("a cut head", b"GET /healthz HT", b"", 408),
                ("a trickled head", b"GET /healthz HTTP/1.1\r\nX: ", b"a", 408),
                ("a trickled body", head(b"x" * 1000), b"a", 408)]
        for name, first, drip, status in rows:
            with d.connect() as s, s.makefile("rb") as stream:
                start = time.monotonic()
                s.sendall(first)
                try:
                    while drip and time.monotonic() - start < 3:
                        s.sendall(drip)
                        time.sleep(0.05)
                except OSError:
                    pass
                reply = read_reply(stream)
                took = time.monotonic() - start
                equal((reply.status, reply.code), (status, "timeout"), name)
                check(drip or 0.4 < took < 2, name + " in time", took)
        with d.connect() as s, s.makefile("rb") as stream:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            read_reply(stream)
            start = time.monotonic()
            equal(stream.read(), b"", "an idle connection is closed without a word")
            check(0.4 < time.monotonic() - start < 2, "in time")


def stalled_streams_end():
    settings = ["limits.stall_time=500ms", "limits.stream_size=4K"]
    with Daemon(settings=settings) as d:
        for i in range(200):
            d.add(" ".join(f"LLaMA 2 was released in July, sentence {i} {j}." for j in range(150)))
        for _ in range(8):  # more than there are threads: each must come free again
            s = d.connect()
            s.sendall(head(ASK) + ASK)
        start = time.monotonic()
        equal(d.post("/v1/ask", {"question": "When was LLaMA 2 released?"}).status, 200,
              "threads come free from streams that nobody reads")
        check(time.monotonic() - start < 8, "soon", time.monotonic() - start)
        equal(d.settled("streams", 0, seconds=8)["streams"], 0, "stalled streams are cut off")


def clients_that_leave():
    with Daemon(settings=["limits.streams=20"]) as d:
        d.add("Meta released LLaMA 2 on 18 July 2023.")
        for _ in range(300):
            s = d.connect()
            s.sendall(head(ASK) + ASK)
            s.close()
        begun = [d.connect() for _ in range(100)]
        for s in begun:
            s.sendall(head(ASK) + ASK[:10])
        time.sleep(0.3)
        for s in begun:
            s.close()
        status = d.settled("requests", 1)
        equal((status["requests"], status["streams"], status["queue"]), (1, 0, 0), "nothing is left")
        check('status="499"' in d.get("/metrics").body.decode(), "clients that left are counted")
        # a client that only ends its sending side still gets its answer
        with d.connect() as s, s.makefile("rb") as stream:
            body = b'{"question":"When did Meta release LLaMA 2?"}'
            s.sendall(head(body) + body)
            s.shutdown(socket.SHUT_WR)
            reply = read_reply(stream)
            equal(reply and reply.status, 200, "half-closed")


def limits():
    with Daemon(settings=["limits.connections=10", "limits.streams=1"]) as d:
        held = [d.connect() for _ in range(10)]
        reply = d.get("/healthz")
        equal((reply.status, reply.code, reply.headers.get("retry-after")), (503, "busy", "1"),
              "too many connections")
        for s in held:
            s.close()
        time.sleep(0.1)
        equal(d.get("/healthz").status, 200, "again")
    with Daemon(settings=["limits.queue=1", "server.threads=1"]) as d:
        for i in range(100):
            d.add(" ".join(f"LLaMA 2 was released in July, sentence {i} {j}." for j in range(100)))
        body = b'{"question":"When was LLaMA 2 released in July? sentence","k":100}'
        sockets = [d.connect() for _ in range(60)]
        for s in sockets:
            s.sendall(head(body) + body)
        seen = {}
        for s in sockets:
            with s.makefile("rb") as stream:
                reply = read_reply(stream)
                seen[reply.status] = seen.get(reply.status, 0) + 1
                if reply.status == 503:
                    equal(reply.headers.get("retry-after"), "1", "Retry-After")
            s.close()
        check(seen.get(200) and seen.get(503) and len(seen) == 2, "a full queue is 503", seen)


def descriptors_run_out():
    with Daemon(wrap=["prlimit", "--nofile=120:120"],
                settings=["limits.connections=4000"]) as d:
        if "setrlimit" in d.log():
            return
        held = []
        for _ in range(400):
            try:
                held.append(d.connect(2))
            except OSError:
                break
        check(d.process.poll() is None, "it lives")
        for s in held:
            s.close()
        time.sleep(0.5)
        equal(d.get("/healthz").status, 200, "and serves again")


main(crowd, deadlines, stalled_streams_end, clients_that_leave, limits, descriptors_run_out)
