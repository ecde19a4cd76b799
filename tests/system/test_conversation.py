"""Follow-up questions over the sample corpora: they find what they are about, standalone questions
are not touched, and a conversation is its user's alone."""
import json
import os
import subprocess
import sys
import time

from harness import Daemon, check, equal, main

CORPUS = os.path.join(os.environ["FONTE_TESTS"], "..", "corpora", "tech-policy")

# question, follow-up, the follow-up in full, a part of its document's name, what the answer holds
CASES = [
    ("What does the AI Act ban?", "And when did it enter into force?",
     "When did the AI Act enter into force?", "en/024-ai-act", "1 August 2024"),
    ("Who were the European Parliament's rapporteurs for the AI Act?", "From when do its bans apply?",
     "From when do the bans of the AI Act apply?", "en/024-ai-act", "2 February 2025"),
    ("Who is the founder of Huawei?", "How many of its affiliates were put on the Entity List?",
     "How many affiliates of Huawei were put on the Entity List?", "-huawei", "68"),
    ("Chi ha prodotto il processore del telefono Huawei Mate 60 Pro?",
     "E quale marchio ha venduto nel novembre 2020?",
     "Quale marchio ha venduto Huawei nel novembre 2020?", "it/046-huawei", "Honor"),
    ("On what date did Meta release LLaMA 2?", "How many tokens was it trained on?",
     "How many tokens was LLaMA 2 trained on?", "en/001-llama-2", "2 trillion"),
    ("On what date did Meta release LLaMA 2?", "Who was its preferred partner?",
     "Who was the preferred partner for LLaMA 2?", "en/001-llama-2", "Microsoft"),
    ("Quanto dura la convenzione per il Polo Strategico Nazionale?", "E quale quota ne detiene TIM?",
     "Quale quota del Polo Strategico Nazionale detiene TIM?", "it/035-polo", "45 per cento"),
    ("Quale quota del Polo Strategico Nazionale detiene TIM?", "E Leonardo?",
     "Quale quota del Polo Strategico Nazionale detiene Leonardo?", "it/035-polo", "25 per cento"),
    ("Chi ha donato la piattaforma Piracy Shield all'AGCOM?", "Entro quanto deve avvenire il blocco?",
     "Entro quanto tempo deve avvenire il blocco segnalato tramite Piracy Shield?",
     "it/041-legge-piracy", "30 minuti"),
    ("Quando Threads è diventato disponibile nell'Unione europea?", "Quale protocollo sperimenta?",
     "Quale protocollo sperimenta Threads?", "it/053-threads", "ActivityPub"),
    ("How much was Apple fined under the Digital Markets Act in April 2025?", "And Meta?",
     "How much was Meta fined under the Digital Markets Act in April 2025?", "en/029-dma",
     "200 million"),
    ("Quando è stata lanciata l'app IO?", "Chi la gestisce?", "Chi gestisce l'app IO?", "it/061-pagopa",
     "PagoPA"),
    ("Quale società possiede TikTok?", "Come si chiama il suo progetto per i dati in Europa?",
     "Come si chiama il progetto di TikTok per i dati in Europa?", "it/047-tiktok", "Clover"),
    ("When did the European Chips Act apply?", "What share of production does it aim for?",
     "What share of production does the European Chips Act aim for?", "en/017-european", "20 per cent"),
    ("By what vote did the Senate pass the CHIPS and Science Act?", "How much money does it provide?",
     "How much money does the CHIPS and Science Act provide?", "en/015-chips", "52.7 billion"),
    ("Cosa prevede la NIS2?", "Fino a quanto arrivano le sanzioni?",
     "Fino a quanto arrivano le sanzioni NIS2?", "it/044-italia", "10 milioni"),
]


def load(d):
    for language in ("it", "en"):
        folder = os.path.join(CORPUS, language)
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as f:
                d.post(f"/v1/documents?url=test:{language}/{name}&lang={language}", f.read(), "text/markdown")


def ask(d, question, **more):
    reply = d.post("/v1/ask", {"question": question, **more})
    check(reply.status == 200, "an answer", reply.body[:300])
    return reply.json()


def outcome(answer, document, gold):
    """Whether the document is among the first three passages, and whether the answer holds it."""
    found = any(document in p["url"] for p in answer["passages"][:3])
    return found, gold.lower() in answer["answer"].lower()


def follow_ups(d):
    """A follow-up does as well as the question in full, and better than alone."""
    figures = {way: [0, 0] for way in ("follow-up", "in full", "alone")}
    for first, question, full, document, gold in CASES:
        begun = ask(d, first, conversation=True)
        answers = {"follow-up": ask(d, question, conversation=begun["conversation"]),
                   "in full": ask(d, full), "alone": ask(d, question)}
        equal(answers["follow-up"]["conversation"], begun["conversation"], "the same conversation")
        for way, answer in answers.items():
            for i, is_right in enumerate(outcome(answer, document, gold)):
                figures[way][i] += is_right
        print(" ", answers["follow-up"]["read_as"],
              {way: outcome(answer, document, gold) for way, answer in answers.items()})
    print(f"{len(CASES)} follow-ups, found and answered: {figures}")
    check(figures["follow-up"][0] >= len(CASES) - 1, "what they are about is found", figures)
    check(figures["follow-up"][1] >= figures["in full"][1] - 2, "and answered as if in full", figures)
    check(figures["follow-up"][1] >= figures["alone"][1] + 4, "and not alone", figures)


def standalone(d):
    with open(os.path.join(CORPUS, "questions.jsonl"), encoding="utf-8") as f:
        questions = [json.loads(line) for line in f]
    id = ask(d, "Cosa vieta l'AI Act?", conversation=True)["conversation"]
    touched = []
    for q in questions:
        answer = ask(d, q["question"], conversation=id, k=1)
        if answer["read_as"] != q["question"]:
            touched.append(answer["read_as"])
    print(f"standalone: {len(touched)} of {len(questions)} touched")
    for text in touched:
        print("  " + text)
    check(len(touched) <= len(questions) // 50, "standalone questions are left alone", touched)


def life(d):
    """What is kept, who sees it, when it is forgotten."""
    events = d.events({"question": "What does the AI Act ban?", "conversation": True})
    done = events[-1][1]
    equal((events[-1][0], len(done["conversation"]), done["read_as"]),
          ("done", 32, "What does the AI Act ban?"), "a stream says it at its end")
    path = "/v1/conversations/" + done["conversation"]
    ask(d, "  And when did it enter into force? ", conversation=done["conversation"])
    turns = d.get(path).json()["turns"]
    equal([(t["question"].strip(), t["read_as"], t["language"]) for t in turns],
          [("What does the AI Act ban?",) * 2 + ("en",),
           ("And when did it enter into force?", "And when did it enter into force? (AI Act)", "en")],
          "its turns")
    other = as_other_user(d, "GET", path)
    if other is not None:
        equal(other, 404, "another user does not see it")
        equal(as_other_user(d, "DELETE", path), 404, "nor forgets it")
    equal(d.request("DELETE", path).status, 204, "forgotten")
    equal(d.get(path).status, 404, "for good")
    reply = d.post("/v1/ask", {"question": "Why?", "conversation": done["conversation"]})
    equal((reply.status, reply.param), (404, "conversation"), "and cannot be gone on with")
    equal(d.post("/v1/ask", {"question": "Why?", "conversation": 3}).status, 400, "no number")
    plain = ask(d, "When did it enter into force?", conversation=False)
    check("conversation" not in plain and "read_as" not in plain, "none is none")
    begun = [ask(d, "What does the AI Act ban?", conversation=True)["conversation"] for _ in range(3)]
    equal([d.get("/v1/conversations/" + id).status for id in begun], [404, 200, 200],
          "conversation.per_user")
    for question in ("Who?", "Where?", "When?"):
        ask(d, question, conversation=begun[2])
    equal(len(d.get("/v1/conversations/" + begun[2]).json()["turns"]), 3, "conversation.turns")
    time.sleep(1.2)
    equal(d.get("/v1/conversations/" + begun[2]).status, 404, "conversation.idle")


def as_other_user(d, method, path):
    """The status that somebody else gets; None where we cannot be somebody else."""
    if os.geteuid() != 0:
        return None
    os.chmod(d.socket, 0o666)
    program = ("import os,socket,sys;os.setuid(65534);s=socket.socket(socket.AF_UNIX);"
               "s.connect(sys.argv[1]);s.sendall((sys.argv[2]+' '+sys.argv[3]+' HTTP/1.1\\r\\nHost: f\\r\\n"
               "Connection: close\\r\\n\\r\\n').encode());print(s.recv(20).split()[1].decode())")
    return int(subprocess.run([sys.executable, "-c", program, d.socket, method, path], check=True,
                              capture_output=True).stdout)


def messages(d):
    """OpenAI's clients send what was said before: it is read likewise."""
    said = [{"role": "user", "content": "What does the AI Act ban?"},
            {"role": "assistant", "content": "Some practices. [1]"},
            {"role": "user", "content": "And when did it enter into force?"}]
    reply = d.post("/v1/chat/completions", {"model": "fonte", "messages": said}).json()
    check("1 August 2024" in reply["choices"][0]["message"]["content"], "a chat's history", reply)


def client(d):
    def run(*arguments, text=None):
        return subprocess.run([os.environ["FONTE_EXE"], "--socket", d.socket, *arguments], input=text,
                              capture_output=True, text=True, timeout=60)
    first = run("ask", "--conversation", "new", "What does the AI Act ban?")
    id = first.stdout.strip().split()[-1]
    check(first.returncode == 0 and "conversation" in first.stdout and len(id) == 32, "a new one", first)
    then = run("ask", "--conversation", id, "And when did it enter into force?")
    check("1 August 2024" in then.stdout, "goes on", then)
    both = run("ask", "-i", text="What does the AI Act ban?\n\nAnd when did it enter into force?\n")
    check(both.returncode == 0 and "1 August 2024" in both.stdout, "one after another", both)
    wrong = run("ask", "--conversation", "0" * 32, "Why?")
    check(wrong.returncode != 0 and "no such conversation" in wrong.stderr, "none of that id", wrong)


def all_of_it():
    with Daemon() as d:
        load(d)
        follow_ups(d)
        standalone(d)
        messages(d)
        client(d)
    with Daemon(settings=["conversation.per_user=2", "conversation.turns=3", "conversation.idle=1s"]) as d:
        load(d)
        life(d)


main(all_of_it)
