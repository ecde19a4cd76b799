"""What the official Python client does: models, chat, JSON, streams, embeddings, errors, time-outs."""
import glob
import json
import os
import sys
import time

for path in glob.glob(os.path.join(os.environ["FONTE_VENV"], "lib", "python*", "site-packages")):
    sys.path.append(path)
try:
    import httpx2 as httpx
    import openai
except ImportError as error:
    print(f"SKIP: the client is not installed (tests/requirements.txt): {error}")
    sys.exit(77)

from harness import check, equal, main
from model import ModelDaemon

ASK = [{"role": "user", "content": "Which company was the first to support Llama 2?"}]


def client_of(d, **more):
    transport = httpx.HTTPTransport(uds=d.socket)
    return openai.OpenAI(base_url="http://fonte/v1", api_key="none", max_retries=0,
                         http_client=httpx.Client(transport=transport), **more)


def models(d, c):
    names = [m.id for m in c.models.list()]
    check({"fonte", "tiny"} <= set(names), "models are listed", names)
    equal(c.models.retrieve("tiny").owned_by, "fonte", "one of them")


def chat(d, c):
    r = c.chat.completions.create(model="tiny", messages=ASK, max_tokens=12, temperature=0, n=2,
                                  logprobs=True, top_logprobs=3)
    equal((r.object, len(r.choices)), ("chat.completion", 2), "two choices")
    equal(r.choices[0].message.content, r.choices[1].message.content, "greedy twice")
    equal(r.usage.completion_tokens, 24, "usage")
    content = r.choices[0].logprobs.content
    equal((len(content), len(content[0].top_logprobs)), (12, 3), "log-probabilities")
    equal(content[0].token, content[0].top_logprobs[0].token, "greedy takes the likeliest")
    stopped = c.chat.completions.create(model="tiny", messages=ASK, max_tokens=12, temperature=0,
                                        stop=[r.choices[0].message.content[3:5]])
    equal((stopped.choices[0].finish_reason, stopped.choices[0].message.content),
          ("stop", r.choices[0].message.content[:3]), "a stop string")


def streams(d, c):
    whole = c.chat.completions.create(model="tiny", messages=ASK, max_tokens=20, seed=5)
    parts, usage = [], None
    for chunk in c.chat.completions.create(model="tiny", messages=ASK, max_tokens=20, seed=5,
                                           stream=True, stream_options={"include_usage": True}):
        parts += [choice.delta.content or "" for choice in chunk.choices]
        usage = chunk.usage or usage
    equal("".join(parts), whole.choices[0].message.content, "a stream is the same text")
    equal(usage.completion_tokens, whole.usage.completion_tokens, "and the same usage")


SCHEMAS = {
    "person": {"type": "object", "properties": {
        "name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"},
        "kind": {"enum": ["a", "b", 3]}}, "required": ["name", "age", "kind"],
        "additionalProperties": False},
    "tree": {"$defs": {"node": {"type": "object", "properties": {
        "value": {"type": "boolean"}, "left": {"$ref": "#/$defs/node"}}, "required": ["value"],
        "additionalProperties": False}}, "$ref": "#/$defs/node"},
    "either": {"anyOf": [{"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
                         {"type": "object", "properties": {"x": {"type": ["number", "null"]}},
                          "required": ["x"], "additionalProperties": False}]},
}


def conforms(name, value):
    if name == "person":
        return (set(value) == {"name", "age", "kind"} and len(value["name"]) <= 12 and
                type(value["age"]) is int and value["kind"] in ("a", "b", 3))
    if name == "tree":
        return (type(value.get("value")) is bool and set(value) <= {"value", "left"} and
                ("left" not in value or conforms(name, value["left"])))
    if isinstance(value, list):
        return 1 <= len(value) <= 3 and all(type(x) is int for x in value)
    return set(value) == {"x"} and type(value["x"]) in (int, float, type(None))


def structured(d, c):
    n_whole = 0
    for name, schema in SCHEMAS.items():
        form = {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}
        for temperature in (0, 1, 2):
            r = c.chat.completions.create(model="tiny", messages=ASK, max_tokens=120, n=3, seed=3,
                                          temperature=temperature, response_format=form)
            for choice in r.choices:
                check(choice.finish_reason in ("stop", "length"), "an end", choice)
                if choice.finish_reason == "length":
                    continue
                n_whole += 1
                value = json.loads(choice.message.content)
                check(conforms(name, value), "the schema's own", choice.message.content)
    check(n_whole > 15, "most are whole", n_whole)
    parts = [x.choices[0].delta.content or "" for x in c.chat.completions.create(
        model="tiny", messages=ASK, max_tokens=120, temperature=2, seed=8, stream=True,
        response_format={"type": "json_schema", "json_schema": {"name": "e", "schema": SCHEMAS["either"]}})]
    check(conforms("either", json.loads("".join(parts))), "a stream", parts)
    r = c.chat.completions.create(model="tiny", messages=ASK, max_tokens=120, temperature=2, seed=1,
                                  response_format={"type": "json_object"})
    choice = r.choices[0]
    check(choice.message.content.lstrip().startswith("{"), "an object", choice)
    if choice.finish_reason == "stop":
        check(isinstance(json.loads(choice.message.content), dict), "that is whole", choice)
    for model, schema, says in (("tiny", {"type": "object", "properties": {"a": {"pattern": "x"}}},
                                 "schema.properties.a.pattern"), ("fonte", {}, "from the documents")):
        try:
            c.chat.completions.create(model=model, messages=ASK, response_format={
                "type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
            check(False, "a schema that is refused")
        except openai.BadRequestError as e:
            check(says in e.message, "why it is refused", e.message)
            equal(e.param, "response_format", "and what")


def completions(d, c):
    r = c.completions.create(model="tiny", prompt="Meta released", max_tokens=6, temperature=0,
                             logprobs=2)
    lists = r.choices[0].logprobs
    equal([len(x) for x in (lists.tokens, lists.token_logprobs, lists.text_offset)], [6, 6, 6],
          "four lists")
    equal("".join(lists.tokens), r.choices[0].text, "whose tokens are the text")


def documents(d, c):
    d.add("Alibaba Cloud was the first Chinese company to support Llama 2. It said so in July.",
          title="Llama 2", url="https://example.org/a", lang="en")
    r = c.chat.completions.create(model="fonte", messages=[
        {"role": "user", "content": "Which Chinese company was the first to support Llama 2?"}])
    message = r.choices[0].message
    check("Alibaba Cloud" in message.content and "[1]" in message.content, "a cited answer", message)
    citation = message.annotations[0].url_citation
    equal(citation.url, "https://example.org/a", "its source")
    equal(message.content[citation.start_index:citation.end_index], "[1]", "and where its mark is")
    r = c.chat.completions.create(model="fonte:default", stream=True, messages=[
        {"role": "user", "content": "Who won the chess match on Mars?"}])
    check("do not hold" in "".join(x.choices[0].delta.content or "" for x in r), "abstains")


def embeddings(d, c):
    r = c.embeddings.create(model="fonte", input=["the same text", "the same text", "other words"])
    a, b, other = (x.embedding for x in r.data)
    equal((len(a), a == b), (256, True), "vectors")
    check(abs(sum(x * x for x in a) - 1) < 1e-3, "of norm 1")
    check(sum(x * y for x, y in zip(a, other)) < 0.5, "that tell texts apart")
    floats = c.embeddings.create(model="fonte", input="the same text", encoding_format="float")
    check(max(abs(x - y) for x, y in zip(floats.data[0].embedding, a)) < 1e-6, "in both encodings")


def errors(d, c):
    for error, call in (
            (openai.NotFoundError, lambda: c.chat.completions.create(model="none", messages=ASK)),
            (openai.BadRequestError, lambda: c.chat.completions.create(model="tiny", messages=[])),
            (openai.BadRequestError, lambda: c.chat.completions.create(model="tiny", messages=ASK,
                                                                       temperature=5)),
            (openai.NotFoundError, lambda: c.embeddings.create(model="none", input="x")),
            (openai.NotFoundError, lambda: c.models.retrieve("none"))):
        try:
            call()
            check(False, error.__name__)
        except error as e:
            check(e.code and e.body["message"] and e.type.endswith("_error"), "an error that says why", e)


def gives_up(d, c):
    with c.chat.completions.create(model="tiny", messages=ASK, max_tokens=150, stream=True) as stream:
        next(iter(stream))
    start = time.monotonic()
    c.chat.completions.create(model="tiny", messages=ASK, max_tokens=1)
    check(time.monotonic() - start < 20, "a stream that was left does not hold others up")
    try:
        client_of(d, timeout=0.001).chat.completions.create(model="tiny", messages=ASK, max_tokens=150)
        check(False, "a time-out")
    except openai.APITimeoutError:
        check(True, "a time-out")


def all_of_it():
    with ModelDaemon() as d:
        c = client_of(d)
        for test in (models, chat, structured, streams, completions, documents, embeddings, errors, gives_up):
            test(d, c)


main(all_of_it)
