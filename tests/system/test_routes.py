"""Every route does what docs/openapi.yaml says, on a real daemon."""
from harness import Daemon, check, equal, main

FACTS = {
    "en": "Meta released LLaMA 2 on 18 July 2023. Its licence has a clause for services with more "
          "than 700 million monthly users.",
    "it": "Il Garante ha bloccato ChatGPT il 31 marzo 2023. Il servizio è tornato in Italia il 28 "
          "aprile 2023.",
}


def documents():
    with Daemon() as d:
        a = d.add(FACTS["en"], title="Llama 2", url="https://example.org/llama", date="2023-07-18",
                  lang="en", source="Example", collection="news")
        equal(a.status, 201, "a JSON document is added")
        added = a.json()
        equal(set(added) >= {"id", "version", "passages", "language", "duplicate"}, True, "its fields")
        equal((added["language"], added["duplicate"]), ("en", False), "its values")
        again = d.add(FACTS["en"], title="Llama 2", url="https://example.org/llama",
                      date="2023-07-18", lang="en", source="Example", collection="news").json()
        equal((again["id"], again["duplicate"]), (added["id"], True), "the same again is a duplicate")
        new = d.add(FACTS["en"] + " It was new.", url="https://example.org/llama",
                    collection="news").json()
        equal((new["id"], new["replaced"]), (added["id"], True), "a new version replaces")
        check(new["version"] != added["version"], "and has another version")
        raw = "# Titolo\n\n" + FACTS["it"] + "\n"
        b = d.request("POST", "/v1/documents?collection=news&url=x%2Fy.md&title=T%C3%ACtolo&lang=it"
                      "&date=2023-04-28&source=S&name=y.md", raw.encode(), "text/markdown")
        equal(b.status, 201, "raw bytes are added")
        meta = d.get("/v1/documents/" + b.json()["id"]).json()
        equal([meta[k] for k in ("collection", "url", "title", "language", "date", "source", "format")],
              ["news", "x/y.md", "Tìtolo", "it", "2023-04-28", "S", "markdown"], "its metadata")
        text = d.get(f"/v1/documents/{b.json()['id']}/text")
        equal((text.status, text.headers["content-type"]), (200, "text/plain; charset=utf-8"), "text")
        check(FACTS["it"] in text.body.decode(), "the text is there")
        equal(len(text.body), meta["text_bytes"], "text_bytes")
        original = d.get(f"/v1/documents/{b.json()['id']}/original")
        equal(original.body, raw.encode(), "the original is byte for byte the same")
        equal([original.headers[h] for h in ("content-type", "x-content-type-options")],
              ["text/markdown", "nosniff"], "headers of the original")
        check(original.headers["content-disposition"].startswith("attachment"), "an attachment")
        put = d.request("PUT", "/v1/documents/" + b.json()["id"], b"Nuovo testo del documento.",
                        "text/plain")
        equal((put.status, put.json()["id"]), (200, b.json()["id"]), "PUT replaces by id")
        equal(d.get(f"/v1/documents/{b.json()['id']}/text").body, b"Nuovo testo del documento.",
              "the new text")
        equal(d.request("DELETE", "/v1/documents/" + added["id"]).status, 204, "DELETE")
        for tail in ("", "/text", "/original"):
            equal(d.get("/v1/documents/" + added["id"] + tail).status, 404, "gone" + tail)
        equal(d.request("DELETE", "/v1/documents/" + added["id"]).status, 404, "DELETE again")
        equal(d.request("PUT", "/v1/documents/nosuch", b"x y", "text/plain").status, 404, "PUT nothing")


def several_documents():
    with Daemon() as d:
        lines = "".join('{"title":"T%d","text":"Sentence number %d stands here."}\n' % (i, i)
                        for i in range(5)) + "{broken\n"
        many = d.post("/v1/documents?collection=many", lines.encode(), "application/jsonl").json()
        equal((len(many["documents"]), many["skipped"]), (5, 1), "JSON Lines")
        check("skipped_reason" in many, "why a line was skipped")
        seen, after = [], ""
        for _ in range(5):
            page = d.get(f"/v1/documents?collection=many&limit=2&after={after}").json()
            seen += [x["id"] for x in page["documents"]]
            after = page["next"]
            if not after:
                break
        equal((len(seen), len(set(seen))), (5, 5), "pages of the list")
        equal([(c["name"], c["documents"]) for c in d.get("/v1/collections").json()["collections"]],
              [("many", 5)], "collections")
        equal(len(d.get("/v1/documents").json()["documents"]), 5, "a list of all collections")


def questions():
    with Daemon() as d:
        for lang, text in FACTS.items():
            equal(d.add(text, lang=lang, title=lang, url="u/" + lang).status, 201, "added")
        a = d.post("/v1/ask", {"question": "When did Meta release LLaMA 2?"}).json()
        check(not a["abstained"] and "18 July 2023" in a["answer"], "an answer", a["answer"])
        for c in a["citations"]:
            text = d.get(f"/v1/documents/{c['document']}/text").body
            equal(text[c["start"]:c["end"]].decode(), c["quote"], "a quote is the document's bytes")
        check(a["citations"] and a["passages"] and "total" in a["timings_ms"], "what comes with it")
        p = a["passages"][0]
        text = d.get(f"/v1/documents/{p['document']}/text").body
        equal(text[p["start"]:p["end"]].decode(), p["text"], "a passage is the document's bytes")
        no = d.post("/v1/ask", {"question": "Who won the 1998 chess olympiad?"}).json()
        check(no["abstained"] and no["reason"] and no["answer"] == "", "it abstains", no)
        no = d.post("/v1/ask", {"question": "When did Meta release LLaMA 2?", "collection": "void"})
        check(no.json()["abstained"], "nothing in an unknown collection")
        for headers, body in (([], {"stream": True}), (["Accept: text/event-stream"], {})):
            r = d.post("/v1/ask", {"question": "When did Meta release LLaMA 2?", **body},
                       headers=headers)
            equal(r.headers["content-type"], "text/event-stream", "a stream")
            from harness import parse_events
            events = parse_events(r.body)
            names = [e[0] for e in events]
            equal((names[0], names[-1]), ("passages", "done"), "first and last event")
            check("token" in names and "citation" in names, "tokens and citations")
            done = events[-1][1]
            equal(done["answer"], a["answer"], "done has the whole answer")
            equal("".join(e[1]["text"] for e in events if e[0] == "token").strip(), a["answer"],
                  "tokens make the answer")
            equal([e[1]["quote"] for e in events if e[0] == "citation"],
                  [c["quote"] for c in done["citations"]], "citations")
        s = d.post("/v1/search", {"question": "licence", "k": 1}).json()
        equal(len(s["passages"]), 1, "search gives k passages")
        equal(d.post("/v1/search", {"query": "licence", "mode": "lexical"}).json()["passages"][0]
              ["vector_rank"], None, "lexical mode uses no vectors")
        f = d.post("/v1/search", {"question": "2023", "filters": {"language": "it"}}).json()
        equal({x["language"] for x in f["passages"]}, {"it"}, "filter by language")


def the_daemon_itself():
    with Daemon() as d:
        d.add("A document about something.")
        equal(d.get("/healthz").json(), {"status": "ok"}, "health")
        head = d.request("HEAD", "/healthz")
        equal((head.status, head.body, int(head.headers["content-length"]) > 0), (200, b"", True), "HEAD")
        s = d.get("/v1/status").json()
        equal((s["state"], s["index"]["documents"]), ("ready", 1), "status")
        jobs = d.get("/v1/jobs").json()["jobs"]
        equal([j["id"] for j in jobs], ["embed", "maintain"], "jobs")
        equal(d.get("/v1/jobs/embed").json()["id"], "embed", "one job")
        equal(d.get("/v1/jobs/none").status, 404, "no such job")
        m = d.get("/metrics")
        check(m.headers["content-type"].startswith("text/plain; version=0.0.4"), "metrics' type")
        for line in ('fonte_requests_total{method="GET",route="/healthz",status="200"} 1',
                     'fonte_requests_total{method="POST",route="/v1/documents",status="201"} 1',
                     "fonte_documents 1", "fonte_commits_total 1"):
            check(line in m.body.decode(), "metrics: " + line)
        ids = [d.get("/healthz").headers["x-request-id"] for _ in range(3)]
        equal(len(set(ids)), 3, "request ids differ")
        for i in ids:
            check(d.wait_log(f"request id={i} "), "the log has the request's line")
        d.post("/v1/ask", {"question": "zanzibarquestion?"})
        check("zanzibar" not in d.log() and "something" not in d.log(), "no text in the log")


def connections():
    with Daemon() as d, d.connect() as s, s.makefile("rb") as stream:
        from harness import read_reply
        for _ in range(3):
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            equal(read_reply(stream).status, 200, "kept alive")
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        equal([read_reply(stream).status for _ in range(5)], [200] * 5, "pipelined")
        body = b'{"text":"Expected document."}'
        s.sendall(b"POST /v1/documents HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        equal(stream.readline(), b"HTTP/1.1 100 Continue\r\n", "Expect: 100-continue")
        stream.readline()
        s.sendall(body)
        equal(read_reply(stream).status, 201, "the body after it")
        s.sendall(b"POST /v1/documents HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n6\r\nChunk \r\n9\r\ndocument.\r\n0\r\n\r\n")
        equal(read_reply(stream).status, 201, "a chunked body")
        s.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        equal(read_reply(stream).status, 200, "HTTP/1.0")
        equal(stream.read(), b"", "which closes")


main(documents, several_documents, questions, the_daemon_itself, connections)
