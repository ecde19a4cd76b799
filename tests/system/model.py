"""The small trained model of tests/fixtures as a GGUF file, and a daemon that serves it."""
import os
import subprocess
import tempfile

from harness import Daemon

TESTS = os.environ["FONTE_TESTS"]
FONTE = os.environ["FONTE_EXE"]


def make_model(folder, name="tiny.gguf"):
    path = os.path.join(folder, name)
    subprocess.run([FONTE, "model", "convert", os.path.join(TESTS, "fixtures", "tiny-llama"), path],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


class ModelDaemon(Daemon):
    """A Daemon with the model; settings are added to its own."""

    def __init__(self, *arguments, settings=(), **more):
        self.models = tempfile.TemporaryDirectory(prefix="fonte-model-")
        os.chmod(self.models.name, 0o755)
        path = make_model(self.models.name)
        own = ["generator.model=" + path, "generator.template=llama2", "generator.threads=2",
               "generator.context=256"]
        super().__init__(*arguments, settings=own + list(settings), **more)

    def kill(self):
        super().kill()
        self.models.cleanup()


def chat(text, **more):
    return {"model": "tiny", "messages": [{"role": "user", "content": text}], **more}
