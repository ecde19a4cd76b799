#!/usr/bin/env python3
"""The library as a package: what it exports, its soname, its headers as C and C++, its example."""
import os
import re
import subprocess
import tempfile
import unittest

ROOT = os.environ["FONTE_ROOT"]
LIBRARY = os.environ["FONTE_LIBRARY"]
INCLUDE = os.path.join(ROOT, "include")


def run(*args, **more):
    return subprocess.run(args, capture_output=True, text=True, **more)


def headers():
    folder = os.path.join(INCLUDE, "fonte")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name)) as f:
            yield name, f.read()


class Library(unittest.TestCase):
    def test_exports_are_exactly_what_the_headers_declare(self):
        declared = set()
        for _, text in headers():
            text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
            declared |= set(re.findall(r"FONTE_API\b[^;({]*?\b(fonte_\w+)\s*\(", text))
        lines = run("nm", "-D", "--defined-only", LIBRARY).stdout.split("\n")
        exported = {line.split()[2].split("@")[0] for line in lines
                    if len(line.split()) == 3 and line.split()[1] != "A"}
        self.assertEqual(exported, declared)

    def test_soname_has_the_major_version(self):
        self.assertIn("[libfonte.so.0]", run("readelf", "-d", LIBRARY).stdout)

    def test_every_header_stands_alone_in_c_and_cpp(self):
        for name, _ in headers():
            for compiler, standard in (("cc", "-std=c17"), ("c++", "-std=c++17")):
                r = run(compiler, standard, "-x", "c" if compiler == "cc" else "c++", "-Wall",
                        "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I", INCLUDE, "-",
                        input="#include <fonte/%s>\nint unused;\n" % name)
                self.assertEqual(r.returncode, 0, r.stderr)

    def test_example_chats(self):
        example, fonte = os.environ["FONTE_EXAMPLE_CHAT"], os.environ["FONTE_EXE"]
        fixture = os.path.join(os.environ["FONTE_ROOT"], "tests", "fixtures", "tiny-llama")
        with tempfile.TemporaryDirectory() as folder:
            model = os.path.join(folder, "tiny.gguf")
            self.assertEqual(run(fonte, "model", "convert", fixture, model).returncode, 0)
            r = run(example, model, "llama2", input="Who made Llama 2?\nWhen?\n")
            self.assertEqual((r.returncode, r.stderr), (0, ""))
            one = run(example, model, "llama2", input="Who made Llama 2?\n").stdout
            self.assertGreater(len(one), 10)
            self.assertTrue(r.stdout.startswith(one))
            self.assertGreater(len(r.stdout), len(one) + 10)
            # the same conversation through the client, whose prompt is computed from the start
            alone = run(fonte, "model", "generate", model, "--chat", "--template", "llama2",
                        "--prompt", "Who made Llama 2?", "--tokens", "64")
            self.assertEqual(alone.stdout + "\n", one)
            long = run(example, model, "llama2", input="Who?\n" + "a b c " * 300 + "\n")
            self.assertEqual(long.returncode, 5)
            self.assertRegex(long.stderr, r"^chat: the prompt has \d+ tokens and 64 .* has 256\n$")
            r = run(example, model, "nope", input="Who?\n")
            self.assertEqual(r.returncode, 1)
            self.assertIn("llama2", r.stderr)
            r = run(example, model, input="Who?\n")
            self.assertEqual(r.returncode, 1)
            self.assertIn("choose one of llama2", r.stderr)
        self.assertEqual(run(example).returncode, 2)
        with open(os.path.join(ROOT, "docs/examples/chat.c")) as f:
            self.assertLessEqual(len(f.readlines()), 50)

    def test_example_adds_and_answers(self):
        example = os.environ["FONTE_EXAMPLE_ASK"]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tower.txt")
            with open(path, "w") as f:
                f.write("The tower of Testville was finished in 1889. It has 300 steps.\n")
            r = run(example, folder + "/index", path, "When was the tower of Testville finished?")
            self.assertEqual((r.returncode, r.stderr), (0, ""))
            self.assertIn("The tower of Testville was finished in 1889.", r.stdout)
            self.assertIn("[1] %s, bytes 0-44: The tower of Testville was finished in 1889.\n" % path,
                          r.stdout)
            r = run(example, folder + "/index", path, "Who painted the ceiling?")
            self.assertEqual((r.returncode, r.stdout), (0, "The documents do not hold the answer.\n"))
            r = run(example, "/dev/null", path, "Who?")
            self.assertNotEqual(r.returncode, 0)
            self.assertTrue(r.stderr.startswith("ask: "), r.stderr)
        self.assertEqual(run(example).returncode, 2)
        with open(os.path.join(ROOT, "docs/examples/ask.c")) as f:
            self.assertLessEqual(len(f.readlines()), 35)


if __name__ == "__main__":
    unittest.main()
