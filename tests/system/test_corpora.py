"""The corpora are what corpora/README.md says: front matter, lengths, and every answer at its bytes."""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2] / "corpora" / "tech-policy"
passed, failures = 0, []


def check(condition, what):
    global passed
    if condition:
        passed += 1
    else:
        failures.append(what)


def split(path):
    match = re.match(r"---\n(.*?)\n---\n", path.read_text(encoding="utf-8"), re.S)
    if not match:
        return None, ""
    fields = dict(line.split(": ", 1) for line in match.group(1).splitlines())
    return fields, path.read_text(encoding="utf-8")[match.end():]


for language in ("en", "it"):
    articles = sorted((ROOT / language).glob("*.md"))
    check(len(articles) >= 40, f"{language}: at least 40 articles")
    for path in articles:
        fields, body = split(path)
        check(fields is not None, f"{path.name}: front matter")
        fields = fields or {}
        check(set(fields) >= {"title", "date", "source", "lang"}, f"{path.name}: fields")
        check(re.fullmatch(r"\d{4}-\d\d-\d\d", fields.get("date", "")), f"{path.name}: date")
        check(fields.get("lang") == language, f"{path.name}: language")
        words = len(re.sub(r"^#.*$", "", body, flags=re.M).split())
        check(150 <= words <= 400, f"{path.name}: {words} words")

questions = [json.loads(line) for line in (ROOT / "questions.jsonl").open(encoding="utf-8")]
check(len(questions) >= 240, "at least 240 questions")
check(len({q["id"] for q in questions}) == len(questions), "ids are unique")
unanswerable = [q for q in questions if not q["answerable"]]
crossed = [q for q in questions if q["answerable"] and q["document"][:2] != q["lang"]]
check(len(unanswerable) * 6 >= len(questions), f"about a fifth unanswerable: {len(unanswerable)}")
check(len(crossed) * 6 >= len(questions), f"about a fifth across languages: {len(crossed)}")
for q in questions:
    if not q["answerable"]:
        check(q["document"] is None and not q["answers"], f"{q['id']}: holds no answer")
        continue
    raw = (ROOT / q["document"]).read_bytes()
    check(q["answers"], f"{q['id']}: has an answer")
    for answer in q["answers"]:
        got = raw[answer["start"]:answer["end"]].decode("utf-8", "replace")
        check(got == answer["text"], f"{q['id']}: {answer['text']!r} is {got!r}")

for failure in failures:
    print("FAIL", failure)
print(f"{passed} passed, {len(failures)} failed")
sys.exit(1 if failures else 0)
