"""The small trained model of tests/fixtures as a GGUF file, and a daemon that serves it."""
import os
import shutil
import subprocess
import tempfile

from harness import Daemon

TESTS = os.environ["FONTE_TESTS"]
FONTE = os.environ["FONTE_EXE"]


def make_model(folder, name="tiny.gguf", context=256):
    """context above 256: beyond what it was trained for, it writes nonsense, but it writes."""
    path = os.path.join(folder, name)
    source = os.path.join(folder, name + ".hf")
    shutil.copytree(os.path.join(TESTS, "fixtures", "tiny-llama"), source)
    config = os.path.join(source, "config.json")
    with open(config) as f:
        text = f.read()
    with open(config, "w") as f:
        f.write(text.replace('"max_position_embeddings": 256', f'"max_position_embeddings": {context}'))
    subprocess.run([FONTE, "model", "convert", source, path], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return path


class ModelDaemon(Daemon):
    """A Daemon with the model; settings are added to its own."""

    def __init__(self, *arguments, settings=(), context=256, **more):
        self.models = tempfile.TemporaryDirectory(prefix="fonte-model-")
        os.chmod(self.models.name, 0o755)
        path = make_model(self.models.name, context=context)
        own = ["generator.model=" + path, "generator.template=llama2", "generator.threads=2",
               f"generator.context={context}"]
        super().__init__(*arguments, settings=own + list(settings), **more)

    def kill(self):
        super().kill()
        self.models.cleanup()


def chat(text, **more):
    return {"model": "tiny", "messages": [{"role": "user", "content": text}], **more}
