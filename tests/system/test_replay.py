"""Records of answers and replaying them: who sees what, what is kept, and that the same comes out."""
import glob
import json
import os
import pwd
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

from harness import Daemon, as_user, check, equal, main, parse_events, skip
from model import FONTE, ModelDaemon, make_model

NOBODY = pwd.getpwnam("nobody")
CORPUS = os.path.join(os.environ["FONTE_TESTS"], "..", "corpora", "tech-policy")
BRIDGE = ("The bridge over the Grand Canal was designed by Santiago Calatrava. It was opened on 11 "
          "September 2008.")
QUESTION = "Who designed the bridge over the Grand Canal?"


def load(d, languages=("it", "en")):
    for language in languages:
        for path in sorted(glob.glob(os.path.join(CORPUS, language, "*.md"))):
            with open(path, "rb") as f:
                d.post(f"/v1/documents?url=test:{language}/{os.path.basename(path)}&lang={language}",
                       f.read(), "text/markdown")


def ask(d, question=QUESTION, **more):
    reply = d.post("/v1/ask", {"question": question, **more})
    check(reply.status == 200, "an answer", reply.body[:300])
    return reply.json()


def replay(d, id, question=None, **more):
    body = {**({"question": question} if question else {}), **more}
    return d.post(f"/v1/answers/{id}/replay", body)


def record(d, id):
    return d.get("/v1/answers/" + id)


def fonte(d, *arguments):
    return subprocess.run([FONTE, "--socket", d.socket, *arguments], capture_output=True, text=True,
                          timeout=60)


def corpus_comes_out_the_same():
    """By default no text is kept; what is added meanwhile would change searches and weights."""
    with open(os.path.join(CORPUS, "questions.jsonl"), encoding="utf-8") as f:
        questions = [json.loads(line)["question"] for line in f][::15]
    questions += ["Who won the chess olympiad of 1998?"]
    with Daemon() as d:
        load(d)
        before = [ask(d, q) for q in questions]
        load(d, ("en",))
        for i in range(40):
            d.add(f"Number {i}: the AI Act, Meta, Huawei and OpenAI were fined in 20{i + 10}.",
                  url=f"more/{i}", lang="en")
        after = [ask(d, q) for q in questions]
        changed = sum(a["confidence"] != b["confidence"] for a, b in zip(before, after))
        check(changed > len(questions) // 2, "asked anew they are weighed otherwise", changed)
        different = []
        for q, a in zip(questions, before):
            b = replay(d, a["id"], q).json()
            same = b["replay"]["same"] and all(b[k] == a[k] for k in (
                "answer", "citations", "confidence", "abstained"))
            if not same:
                different.append((q, b.get("replay")))
        equal(different, [], f"{len(questions)} answers come out the same")
        print(f"{len(questions)} replayed; asked anew {changed} have another confidence")


def what_a_record_says():
    with Daemon() as d:
        id = d.add(BRIDGE, title="The bridge").json()["id"]
        a = ask(d, "  " + QUESTION + "\n")
        r = record(d, a["id"]).json()
        equal((r["id"], r["collection"], r["uid"]), (a["id"], "default", os.getuid()), "whose it is")
        equal([(p["document"], p["version"], p["start"], p["end"]) for p in r["passages"]],
              [(id, a["passages"][0]["version"], 0, len(BRIDGE))], "what was found")
        equal((r["citations"], r["abstained"], "kept" in r, "prompt" in r), (1, False, False, False),
              "figures")
        check("Calatrava" not in json.dumps(r), "and no text", r)
        streamed = d.events({"question": QUESTION})[-1][1]
        equal(record(d, streamed["id"]).json()["answer_sha256"], r["answer_sha256"], "of a stream too")
        no = ask(d, "Who won the chess olympiad of 1998?")
        equal(record(d, no["id"]).json()["abstained"], True, "of one that abstains")
        chat = d.post("/v1/chat/completions", {"model": "fonte", "messages": [
            {"role": "user", "content": QUESTION}]}).json()
        equal(record(d, chat["id"]).json()["answer_sha256"], r["answer_sha256"], "of a completion")
        equal(replay(d, chat["id"], QUESTION).json()["replay"]["same"], True, "which is replayed")
        for bad in ("0" * 32, "x", "%27", "chatcmpl-"):
            got = record(d, bad)
            equal((got.status, got.param), (404, "id"), "no such " + bad)
            equal(replay(d, bad, QUESTION).status, 404, "nor to be replayed")


def what_is_asked_of_a_replay():
    with Daemon() as d:
        document = d.add(BRIDGE, url="b").json()["id"]
        a = ask(d)
        for body, param in (({}, "question"), ({"question": "Who?"}, "question"), ({"q": 1}, "q"),
                            ({"question": 3}, "question")):
            got = d.post(f"/v1/answers/{a['id']}/replay", body)
            equal((got.status, got.param), (400, param), f"{body} is refused")
        reply = replay(d, a["id"], QUESTION, stream=True)
        events = parse_events(reply.body)
        equal([events[0][0], events[-1][0]], ["passages", "done"], "it is streamed")
        equal("".join(e["text"] for n, e in events if n == "token").strip(), a["answer"], "by tokens")
        equal(events[-1][1]["replay"]["same"], True, "and says at its end that it is the same")
        check("id" not in events[-1][1], "a replay has no record of its own")
        d.add(BRIDGE + " It is closed.", url="b")
        got = replay(d, a["id"], QUESTION)
        equal((got.status, got.code), (409, "conflict"), "a document that changed")
        check(document in got.error["message"], "is named", got.error)
        d.add(BRIDGE, url="b")
        equal(replay(d, a["id"], QUESTION).json()["replay"]["same"], True, "as it was, it is the same")
        d.request("DELETE", "/v1/documents/" + document)
        got = replay(d, a["id"], QUESTION)
        check(got.status == 409 and document in got.error["message"], "nor is it there", got.body)


def follow_ups():
    with Daemon() as d:
        load(d, ("en",))
        first = ask(d, "What does the AI Act ban?", conversation=True)
        then = ask(d, "And when did it enter into force?", conversation=first["conversation"])
        equal(replay(d, then["id"], "And when did it enter into force?").status, 400,
              "what was asked is not what was read")
        again = replay(d, then["id"], then["read_as"]).json()
        equal((again["replay"]["same"], again["answer"]), (True, then["answer"]), "what it was read as")


def texts_are_kept_only_where_wanted():
    word = "Xyzzyquux"
    question = f"Who designed the bridge over the Grand Canal, {word}?"

    def bytes_of(d):
        return b"".join(open(p, "rb").read() for p in glob.glob(d.state + "/fonte.db*"))

    with Daemon() as d:
        d.add(BRIDGE)
        a = ask(d, question)
        time.sleep(1)
        check(a["id"].encode() in bytes_of(d), "a record is in the file")
        check(word.encode() not in bytes_of(d) and b"Calatrava. [1]" not in bytes_of(d),
              "without a word of question and answer")
        d.stop()
        check(word.encode() not in bytes_of(d), "nor after the end")
    with Daemon(settings=["answer.record_text=1"]) as d:
        load(d, ("en",))
        d.add(BRIDGE)
        a = ask(d, question)
        kept = record(d, a["id"]).json()["kept"]
        equal(kept, {"question": question, "answer": a["answer"]}, "what is kept")
        time.sleep(1)
        check(word.encode() in bytes_of(d), "is in the file")
        again = replay(d, a["id"]).json()
        equal((again["replay"]["same"], again["answer"]), (True, a["answer"]), "and is enough")
        first = ask(d, "What does the AI Act ban?", conversation=True)
        then = ask(d, "And when did it enter into force?", conversation=first["conversation"])
        kept = record(d, then["id"]).json()["kept"]
        equal((kept["asked"], kept["question"]), ("And when did it enter into force?", then["read_as"]),
              "both of a follow-up")
        equal(replay(d, then["id"]).json()["replay"]["same"], True, "which is replayed")


def only_who_asked():
    if os.geteuid() != 0:
        skip("needs root to become other users")
        return

    def nobody(call):
        return as_user(NOBODY.pw_uid, NOBODY.pw_gid, [], call)

    settings = ["server.socket_mode=0666", "answer.record_text=1"]
    with Daemon(settings=settings) as d:
        d.add(BRIDGE)
        d.add(BRIDGE, collection="mine")
        roots, theirs = ask(d)["id"], nobody(lambda: ask(d)["id"])
        mine = nobody(lambda: ask(d, collection="mine")["id"])
        equal(nobody(lambda: record(d, theirs).status), 200, "one's own")
        equal(nobody(lambda: replay(d, theirs).json()["replay"]["same"]), True, "is replayed")
        equal(record(d, theirs).status, 200, "root sees all")
        missing = nobody(lambda: record(d, "0" * 32).body.decode())
        for call in (record, replay):
            equal(nobody(lambda: call(d, roots).status), 404, f"another's is not there ({call.__name__})")
        equal(nobody(lambda: record(d, roots).body.decode()), missing, "and not told apart from none")
        d.stop()
        d.settings = settings + ["access.records=nobody", "collection.mine.read=root"]
        d.start()
        equal(nobody(lambda: record(d, roots).status), 200, "[access] records")
        for call in (record, replay):
            equal(nobody(lambda: call(d, mine).status), 404, "who may no longer read the collection")


def bounds():
    with Daemon(settings=["answer.records=3", "answer.record_time=3s"]) as d:
        d.add(BRIDGE)
        ids = [ask(d)["id"] for _ in range(5)]
        time.sleep(0.6)
        equal([record(d, id).status for id in ids], [404, 404, 200, 200, 200], "answer.records")
        time.sleep(3.6)
        equal(record(d, ids[-1]).status, 404, "answer.record_time")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf, Daemon("--config", conf.name) as d:
        d.add(BRIDGE)
        id = ask(d)["id"]
        conf.write("[answer]\nrecords = 0\n")
        conf.flush()
        d.process.send_signal(signal.SIGHUP)
        d.wait_log("reload: done")
        equal(record(d, id).status, 404, "SIGHUP: none is wanted any more")
        a = ask(d)
        check("id" not in a and not a["abstained"], "none is kept, and the answer has no id", a)
        check("id: (no record is kept)" in fonte(d, "ask", "--id", QUESTION).stdout, "fonte says so")


def survive():
    """Restart, and a death half a second after the answer; a crowd's are written too."""
    with Daemon() as d:
        d.add(BRIDGE)
        answers = []

        def run():
            answers.extend(ask(d) for _ in range(25))
        threads = [threading.Thread(target=run) for _ in range(8)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        equal(len({a["id"] for a in answers}), 200, "each has its own")
        check(all(record(d, a["id"]).status == 200 for a in answers), "and is there at once")
        last = ask(d)["id"]
        equal(record(d, last).status, 200, "written or not")
        time.sleep(0.7)
        d.process.kill()
        d.process.wait()
        d.start()
        equal([record(d, a["id"]).status for a in answers].count(200), 200, "after kill -9")
        equal(replay(d, last, QUESTION).json()["replay"]["same"], True, "the last one too")
        last = ask(d)["id"]
        d.stop()
        d.start()
        equal(record(d, last).status, 200, "what waits is written at the end")


def by_the_model():
    settings = ["generator.answer_tokens=40", "answer.min_confidence=0"]
    with ModelDaemon(context=1024, settings=settings) as d:
        d.add(BRIDGE, title="The bridge", lang="en")
        modes = ("generate", "auto", "extract")
        answers = [ask(d, mode=mode) for mode in modes]
        d.add("Other bridges were designed by others.", lang="en")
        records = [record(d, a["id"]).json() for a in answers]
        sha256 = subprocess.run(["sha256sum", d.settings[0].split("=")[1]], check=True,
                                capture_output=True, text=True).stdout.split()[0]
        equal([r.get("model_sha256") for r in records], [sha256, sha256, None], "whose file is named")
        equal(records[0]["prompt"]["tokens"], answers[0]["prompt"]["tokens"], "tokens of the prompt")
        check(records[0]["prompt"]["written_sha256"] == records[1]["prompt"]["written_sha256"],
              "the same was written for the same")
        for mode, a in zip(modes, answers):
            b = replay(d, a["id"], QUESTION).json()
            equal((b["replay"]["same"], b["answer"]), (True, a["answer"]), "the same by " + mode)

        settings = list(d.settings)
        for more in ("threads=1", "streams=1", "drafted=0"):
            d.stop()
            d.settings = settings + ["generator." + more]
            d.start()
            got = replay(d, answers[0]["id"], QUESTION).json()["replay"]
            equal((got["same"], "arithmetic" in got), (True, False), "with generator." + more)
        d.stop()
        d.settings = settings + ["generator.kv=q8_0"]
        d.start()
        got = replay(d, answers[0]["id"], QUESTION).json()["replay"]
        check("kv f16" in got["recorded_arithmetic"] and "kv q8_0" in got["arithmetic"],
              "other numbers are told", got)
        run = fonte(d, "replay", answers[0]["id"], "-q", QUESTION)
        check(got["same"] or (run.returncode == 1 and "now kv q8_0" in run.stderr), "where it differs", run)
        d.settings = settings

        # the model alone changes
        other = make_model(d.models.name, "other.gguf", context=1024)
        with open(other, "r+b") as f:
            f.seek(-64, os.SEEK_END)
            f.write(bytes(64))
        d.stop()
        d.settings = [s.replace("tiny.gguf", "other.gguf") for s in d.settings]
        d.start()
        got = replay(d, answers[0]["id"], QUESTION)
        check(got.status == 409 and sha256[:12] in got.error["message"], "another model", got.body)
        equal(replay(d, answers[2]["id"], QUESTION).json()["replay"]["same"], True,
              "what was only quoted needs none")
        run = fonte(d, "replay", answers[0]["id"], "-q", QUESTION)
        check(run.returncode == 1 and "is served now" in run.stderr, "fonte fails and says why", run)
        d.stop()
        d.settings = [s for s in d.settings if not s.startswith("generator.")]
        d.start()
        got = replay(d, answers[1]["id"], QUESTION)
        check(got.status == 409 and "none is served" in got.error["message"], "no model", got.body)


def forge(d, id, change):
    """Change a record in the file, behind the daemon's back."""
    db = sqlite3.connect(d.state + "/fonte.db")
    (text,) = db.execute("SELECT record FROM answer WHERE public_id = ?", (id,)).fetchone()
    text = json.dumps(change(json.loads(text)))
    db.execute("UPDATE answer SET record = ? WHERE public_id = ?", (text, id))
    db.commit()
    db.close()


def what_differs_is_told():
    """As if other things had come out then than come out now."""
    with ModelDaemon(context=1024, settings=["generator.answer_tokens=40"]) as d:
        d.add(BRIDGE, title="The bridge", lang="en")
        ids = [ask(d, mode=mode)["id"] for mode in ("extract", "generate", "generate", "extract")]
        d.stop()
        forge(d, ids[0], lambda r: {**r, "answer_sha256": "0" * 64})
        forge(d, ids[1], lambda r: {**r, "prompt": {**r["prompt"], "written_sha256": "0" * 64}})
        forge(d, ids[2], lambda r: {**r, "prompt": {**r["prompt"], "sha256": "0" * 64}})
        forge(d, ids[3], lambda r: {"a": 1})
        d.start()
        for id, difference, text in ((ids[0], "answer", "the text is another"),
                                     (ids[1], "written", "the model wrote another text"),
                                     (ids[2], "prompt", "the model read another prompt")):
            got = replay(d, id, QUESTION).json()["replay"]
            equal((got["same"], got["difference"]), (False, difference), "it is not the same")
            run = fonte(d, "replay", id, "-q", QUESTION)
            check(run.returncode == 1 and text in run.stderr, "and fonte ends with 1", run)
        equal(replay(d, ids[3], QUESTION).status, 500, "a record that is damaged")


def client():
    with Daemon() as d:
        d.add(BRIDGE)
        run = fonte(d, "ask", "--id", QUESTION)
        id = run.stdout.strip().split()[-1]
        check("\nid: " + id in run.stdout and len(id) == 32, "fonte ask --id", run)
        check("id: " not in fonte(d, "ask", QUESTION).stdout, "only where it is wanted")
        run = fonte(d, "replay", id, "--question", QUESTION)
        check(run.returncode == 0 and "Calatrava" in run.stdout and "The same as on 2" in run.stdout,
              "fonte replay", run)
        run = fonte(d, "--json", "replay", id, "-q", QUESTION)
        equal(json.loads(run.stdout)["replay"]["same"], True, "--json")
        for arguments, status, text in ((["replay", id], 1, "was not kept"),
                                        (["replay", id, "-q", "Why?"], 1, "not the question"),
                                        (["replay", "0" * 32, "-q", "Why?"], 4, "no record"),
                                        (["replay"], 2, "one id"), (["replay", id, "x"], 2, "one id")):
            run = fonte(d, *arguments)
            check(run.returncode == status and text in run.stderr, f"{arguments}: {text}", run)


main(corpus_comes_out_the_same, what_a_record_says, what_is_asked_of_a_replay, follow_ups,
     texts_are_kept_only_where_wanted, only_who_asked, bounds, survive, by_the_model,
     what_differs_is_told, client)
