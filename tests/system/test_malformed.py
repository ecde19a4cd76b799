"""Requests that are wrong get the right status and a JSON error, and the daemon goes on."""
import json

from harness import Daemon, check, equal, main

JSON = "Content-Type: application/json\r\n"
TEXT = "Content-Type: text/plain\r\n"


def req(line, headers="", body=b"", host="Host: x\r\n"):
    return (line + " HTTP/1.1\r\n" + host + headers + "\r\n").encode("latin-1") + body


def sized(line, body, headers=JSON):
    body = body if isinstance(body, bytes) else body.encode()
    return req(line, headers + f"Content-Length: {len(body)}\r\n", body)


ASK, ADD = "POST /v1/ask", "POST /v1/documents"

# name, bytes, status, JSON body expected (libmicrohttpd answers some itself, in HTML)
HEADS = [
    ("two Content-Lengths", req(ASK, JSON + "Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"), 400, 1),
    ("Content-Length and Transfer-Encoding",
     req(ASK, JSON + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400, 1),
    ("two Transfer-Encodings",
     req(ASK, JSON + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400, 1),
    ("unknown Transfer-Encoding", req(ASK, JSON + "Transfer-Encoding: gzip\r\n"), 501, 1),
    ("two Hosts", req("GET /healthz", "Host: y\r\n"), 400, 1),
    ("no Host", req("GET /healthz", host=""), 400, 1),
    ("two Content-Types", req(ASK, JSON + TEXT + "Content-Length: 2\r\n", b"{}"), 400, 1),
    ("NUL in a value", req("GET /healthz", "X-A: foo\0bar\r\n"), 400, 1),
    ("NUL in an empty value", req("GET /healthz", "X-A: \0\r\n"), 400, 1),
    ("NUL in a name", req("GET /healthz", "X-A\0B: foo\r\n"), 400, 0),
    ("NUL in the target", req("GET /healthz\0x"), 400, 1),
    ("control byte in a value", req("GET /healthz", "X-A: foo\x01bar\r\n"), 400, 1),
    ("DEL in a value", req("GET /healthz", "X-A: foo\x7fbar\r\n"), 400, 1),
    ("space before the colon", req("GET /healthz", "X-A : foo\r\n"), 400, 1),
    ("no colon", req("GET /healthz", "X-A\r\n"), 400, 0),
    ("an empty name", req("GET /healthz", ": foo\r\n"), 400, 1),
    ("a folded field", req("GET /healthz", "X-A: foo\r\n bar\r\nX-B: c\r\n"), 400, 1),
    ("Content-Length with a sign", req(ASK, JSON + "Content-Length: +2\r\n", b"{}"), 400, 0),
    ("negative Content-Length", req(ASK, JSON + "Content-Length: -2\r\n", b"{}"), 400, 0),
    ("Content-Length with letters", req(ASK, JSON + "Content-Length: 2x\r\n", b"{}"), 400, 0),
    ("Content-Length list", req(ASK, JSON + "Content-Length: 2, 2\r\n", b"{}"), 400, 0),
    ("huge Content-Length", req(ASK, JSON + "Content-Length: 99999999999999999999\r\n", b"{}"), 413, 0),
    ("bad chunk size", req(ADD, TEXT + "Transfer-Encoding: chunked\r\n", b"zz\r\nabc\r\n"), 400, 0),
    ("unknown expectation", req(ASK, JSON + "Expect: miracles\r\nContent-Length: 2\r\n", b"{}"), 417, 1),
    ("Content-Encoding", sized(ADD, b"text", TEXT + "Content-Encoding: gzip\r\n"), 415, 1),
    ("HTTP/2.0", b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505, 0),
    ("HTTP/0.9", b"GET /healthz\r\n\r\n", 400, 0),
    ("two spaces", b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400, 1),
    ("spaces in the target", b"GET /heal thz HTTP/1.1\r\nHost: x\r\n\r\n", 400, 1),
    ("absolute target", req("GET http://x/healthz"), 400, 1),
    ("star target", req("GET *"), 400, 1),
    ("bad percent-encoding", req("GET /v1/documents/%zz"), 400, 1),
    ("cut percent-encoding", req("GET /v1/documents/%4"), 400, 1),
    ("encoded NUL", req("GET /v1/documents/%00"), 400, 1),
    ("dots", req("GET /v1/../healthz"), 400, 1),
    ("encoded dots", req("GET /v1/%2e%2e/healthz"), 400, 1),
    ("encoded slash", req("GET /v1/documents/a%2fb"), 400, 1),
    ("encoded backslash", req("GET /v1/documents/a%5cb"), 400, 1),
    ("not UTF-8", req("GET /v1/documents/%ff"), 400, 1),
    ("overlong UTF-8", req("GET /v1/documents/%c0%af"), 400, 1),
    ("raw bytes", req("GET /v1/documents/\xe8"), 400, 1),
    ("a parameter twice", req("GET /v1/documents?limit=1&limit=2"), 400, 1),
    ("unknown parameter", req("GET /v1/documents?colour=red"), 400, 1),
    ("unknown path", req("GET /nowhere"), 404, 1),
    ("double slash", req("GET /v1//documents"), 404, 1),
    ("deep path", req("GET /1/2/3/4/5/6/7/8/9"), 404, 1),
    ("long target", req("GET /" + "a" * 9000), 414, 1),
    ("very long target", req("GET /" + "a" * 100000), 414, 0),
    ("large head", req("GET /healthz", "X-A: " + "a" * 17000 + "\r\n"), 431, 1),
    ("very large head", req("GET /healthz", "X-A: " + "a" * 100000 + "\r\n"), 431, 0),
    ("many fields", req("GET /healthz", "".join(f"X-{i}: 1\r\n" for i in range(200))), 431, 1),
    ("a body where none belongs", sized("GET /healthz", b"{}"), 400, 1),
]
METHODS = ["OPTIONS", "TRACE", "PATCH", "CONNECT", "FOO", "get", "PROPFIND"]
BODIES = [
    ("no Content-Type", sized(ASK, "{}", ""), 415, "Content-Type"),
    ("wrong Content-Type", sized(ASK, "{}", TEXT), 415, "Content-Type"),
    ("unknown document type", sized(ADD, b"%PDF-1.4", "Content-Type: application/pdf\r\n"), 415,
     "Content-Type"),
    ("a PDF that calls itself text", sized(ADD, b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", TEXT), 415, None),
    ("question too large", sized(ASK, b"x" * 70000), 413, None),
    ("empty body", sized(ASK, ""), 400, None),
    ("not JSON", sized(ASK, '{"question" "x"}'), 400, None),
    ("cut JSON", sized(ASK, '{"question":"x"'), 400, None),
    ("JSON of the wrong kind", sized(ASK, '["question"]'), 400, None),
    ("something behind", sized(ASK, '{"question":"x"}}'), 400, None),
    ("not UTF-8", sized(ASK, b'{"question":"\xff"}'), 400, None),
    ("deep nesting", sized(ASK, '{"filters":' * 50 + "1" + "}" * 50), 413, None),
    ("very deep nesting", sized(ASK, "[" * 60000), 413, None),
    ("unknown field", sized(ASK, '{"question":"x","colour":1}'), 400, "colour"),
    ("a field twice", sized(ASK, '{"question":"x","question":"y"}'), 400, None),
    ("no question", sized(ASK, "{}"), 400, "question"),
    ("empty question", sized(ASK, '{"question":" "}'), 400, "question"),
    ("question of the wrong type", sized(ASK, '{"question":1}'), 400, "question"),
    ("question with NUL", sized(ASK, '{"question":"a\\u0000b"}'), 400, "question"),
    ("long question", sized(ASK, json.dumps({"question": "x" * 9000})), 413, "question"),
    ("k of the wrong type", sized(ASK, '{"question":"x","k":"8"}'), 400, "k"),
    ("k zero", sized(ASK, '{"question":"x","k":0}'), 400, "k"),
    ("k negative", sized(ASK, '{"question":"x","k":-1}'), 400, "k"),
    ("k too large", sized(ASK, '{"question":"x","k":101}'), 400, "k"),
    ("k huge", sized(ASK, '{"question":"x","k":1e300}'), 400, "k"),
    ("k not whole", sized(ASK, '{"question":"x","k":1.5}'), 400, "k"),
    ("k NaN", sized(ASK, '{"question":"x","k":NaN}'), 400, None),
    ("k infinite", sized(ASK, '{"question":"x","k":1e999}'), 400, None),
    ("stream of the wrong type", sized(ASK, '{"question":"x","stream":1}'), 400, "stream"),
    ("unknown mode", sized(ASK, '{"question":"x","mode":"fast"}'), 400, "mode"),
    ("no model", sized(ASK, '{"question":"x","mode":"generate"}'), 415, "mode"),
    ("collection's name", sized(ASK, '{"question":"x","collection":"../etc"}'), 400, "collection"),
    ("filters of the wrong type", sized(ASK, '{"question":"x","filters":[]}'), 400, "filters"),
    ("unknown filter", sized(ASK, '{"question":"x","filters":{"a":1}}'), 400, "a"),
    ("date filter", sized(ASK, '{"question":"x","filters":{"date_from":"July"}}'), 400, "date_from"),
    ("unknown language", sized(ASK, '{"question":"x","language":"klingonese"}'), 400, "language"),
    ("document without text", sized(ADD, '{"title":"x"}'), 400, "text"),
    ("document with NUL", sized(ADD, '{"text":"a\\u0000b"}'), 400, "text"),
    ("document with a wrong date", sized(ADD, '{"text":"abc","date":"18.7.2023"}'), 400, "date"),
    ("document with an unknown field", sized(ADD, '{"text":"abc","x":1}'), 400, "x"),
    ("document of a bad collection", sized(ADD, '{"text":"abc","collection":"A B"}'), 400, "collection"),
    ("empty document", sized(ADD, b"", TEXT), 400, None),
    ("blank document", sized(ADD, b"  \n", TEXT), 400, None),
    ("limit no number", req("GET /v1/documents?limit=x"), 400, "limit"),
    ("limit too large", req("GET /v1/documents?limit=1001"), 400, "limit"),
    ("limit overflows", req("GET /v1/documents?limit=99999999999999999999"), 400, "limit"),
    ("after too long", req("GET /v1/documents?after=" + "a" * 100), 400, "after"),
]


def statuses():
    with Daemon() as d:
        for name, data, status, is_json in HEADS:
            reply = d.raw(data)
            if not check(reply, name, "no reply"):
                continue
            equal(reply.status, status, name)
            if is_json:
                check(reply.code and "x-request-id" in reply.headers, name + ": a JSON error")
        for method in METHODS:
            reply = d.raw(req(method + " /v1/documents"))
            equal(reply and (reply.status, reply.headers.get("allow")), (405, "POST, GET, HEAD"), method)
        equal(d.raw(req("DELETE /v1/ask")).headers["allow"], "POST", "Allow of /v1/ask")
        for name, data, status, param in BODIES:
            reply = d.raw(data)
            if check(reply, name, "no reply") and equal(reply.status, status, name):
                equal(reply.param, param, name + ": param")
        equal(d.raw(sized(ASK, '{"question": x}')).json()["error"]["message"].find("byte 13") >= 0, True,
              "the error names the byte")
        equal(d.get("/healthz").status, 200, "the daemon goes on")


def body_limits():
    with Daemon(settings=["limits.body_size=10K", "limits.pending_size=64K"]) as d:
        equal(d.raw(sized(ADD, b"x" * 10241, TEXT)).status, 413, "a body over the limit")
        reply = d.raw(req(ADD, TEXT + "Transfer-Encoding: chunked\r\n",
                          b"".join(b"1000\r\n" + b"x" * 4096 + b"\r\n" for _ in range(20))))
        equal(reply and (reply.status, reply.code), (413, "too_large"), "a chunked body over the limit")
        held = []
        for _ in range(6):  # six bodies of 10 KiB that never end take the 64 KiB
            s = d.connect()
            s.sendall(req(ADD, TEXT + "Content-Length: 10240\r\n", b"x"))
            held.append(s)
        for _ in range(50):
            reply = d.raw(sized(ADD, b"x" * 10000, TEXT))
            if reply.status == 503:
                break
        equal((reply.status, reply.headers.get("retry-after")), (503, "1"), "too many bytes wait")
        equal(d.get("/healthz").status, 200, "others are served")
        for s in held:
            s.close()


def a_storm_of_random_bytes():
    import random
    random.seed(7)
    good = [h[1] for h in HEADS] + [b[1] for b in BODIES]
    with Daemon() as d:
        for i in range(600):
            data = bytearray(random.choice(good)[:3000])
            for _ in range(random.randrange(1, 8)):
                data[random.randrange(len(data))] = random.randrange(256)
            s = d.connect()
            try:
                s.sendall(data)
                s.shutdown(1)
            except OSError:
                pass
            s.close()
        equal(d.get("/healthz").status, 200, "the daemon goes on")


main(statuses, body_limits, a_storm_of_random_bytes)
