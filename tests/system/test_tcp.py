"""TCP on the loopback: only with the key, only for this machine's own names, never by accident."""
import glob
import os
import re
import signal
import socket
import subprocess
import sys

from harness import Daemon, Reply, check, equal, main, read_reply
from model import make_model

for path in glob.glob(os.path.join(os.environ["FONTE_VENV"], "lib", "python*", "site-packages")):
    sys.path.append(path)

KEY = "correct-horse-battery-staple"


def write_key(d, text=KEY + "\n", mode=0o600):
    path = os.path.join(d.folder, "key")
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def tcp_daemon(listen="127.0.0.1:0", settings=()):
    d = Daemon(start=False)
    d.settings = [f"tcp.listen={listen}", f"tcp.key_file={write_key(d)}", *settings]
    d.start()
    d.port = int(re.search(r"tcp: http://.*:(\d+),", d.log())[1])
    return d


def ask(port, target="/v1/models", headers=(), host="127.0.0.1", key=KEY):
    """One request; headers over the usual ones, None leaves one out."""
    fields = {"Host": f"127.0.0.1:{port}", "Authorization": f"Bearer {key}", "Connection": "close",
              **dict(headers)}
    head = f"GET {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v is not None)
    with socket.create_connection((host, port), timeout=10) as s:
        s.sendall(head.encode() + b"\r\n")
        return read_reply(s.makefile("rb")) or Reply(0, {}, b"")


def only_with_the_key():
    with tcp_daemon() as d:
        equal(ask(d.port).status, 200, "with the key")
        equal(ask(d.port, headers={"Authorization": f"bearer  {KEY}"}).status, 200, "the scheme in any case")
        for name, value in (("none", None), ("another", f"Bearer {KEY}x"), ("a beginning", f"Bearer {KEY[:-1]}"),
                            ("empty", "Bearer "), ("basic", "Basic Zm9v"), ("bare", KEY)):
            reply = ask(d.port, headers={"Authorization": value})
            equal((reply.status, reply.code, reply.headers.get("www-authenticate")),
                  (401, "unauthorized", "Bearer"), f"key: {name}")
        for target in ("/healthz", "/metrics", "/v1/status", "/nowhere"):
            equal(ask(d.port, target, key="x" * 20).status, 401, f"{target} is behind it too")
        equal(d.get("/v1/models").status, 200, "the Unix socket asks for none")
        check(KEY not in d.log(), "the log does not hold it")


def only_for_names_of_the_loopback():
    with tcp_daemon() as d:
        for host in ("localhost", f"localhost:{d.port}", "LOCALHOST", "[::1]:1", "127.0.0.1"):
            equal(ask(d.port, headers={"Host": host}).status, 200, f"Host {host}")
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:8x",
                     "127.0.0.10", ""):
            equal((ask(d.port, headers={"Host": host}).status), 403, f"Host {host!r}")
        own = f"http://127.0.0.1:{d.port}"
        equal(ask(d.port, headers={"Origin": own}).status, 200, "its own origin")
        for origin in ("http://localhost:3000", own + "0", "https" + own[4:], "https://evil.example", "null", "http://localhost.evil.example", "file://"):
            equal(ask(d.port, headers={"Origin": origin}).status, 403, f"Origin {origin}")


def the_key_has_the_rights_of_its_user():
    with tcp_daemon(settings=["tcp.user=nobody", "access.admin=root", "access.write=root"]) as d:
        equal(ask(d.port, "/v1/documents").status, 200, "nobody may read")
        equal(ask(d.port, "/v1/status").status, 403, "nobody is no admin")
        equal(d.get("/v1/status").status, 200, "root is")


def wrong_settings_are_named():
    cases = (
        ("0.0.0.0:8631", KEY, 0o600, "nobody", "loopback address"),
        ("192.168.1.1:80", KEY, 0o600, "nobody", "loopback address"),
        ("[::]:80", KEY, 0o600, "nobody", "loopback address"),
        ("localhost:80", KEY, 0o600, "nobody", "PORT"),
        ("127.0.0.1", KEY, 0o600, "nobody", "PORT"),
        ("127.0.0.1:99999", KEY, 0o600, "nobody", "PORT"),
        ("127.0.0.1:0", KEY, 0o644, "nobody", "mode 0644"),
        ("127.0.0.1:0", "short", 0o600, "nobody", "16 to 512"),
        ("127.0.0.1:0", "two words in the key", 0o600, "nobody", "byte 3"),
        ("127.0.0.1:0", "", 0o600, "nobody", "16 to 512"),
        ("127.0.0.1:0", KEY, 0o600, "no-such-user", "no such user"),
        ("127.0.0.1:0", None, 0o600, "nobody", "needs a key"),
    )
    for listen, key, mode, user, text in cases:
        with Daemon(start=False) as d:
            d.settings = [f"tcp.listen={listen}", f"tcp.user={user}"]
            if key is not None:
                d.settings.append("tcp.key_file=" + write_key(d, key, mode))
            command = d.command()
            for more in (["--check-config"], []):
                run = subprocess.run(command + more, capture_output=True, text=True, timeout=30)
                equal(run.returncode, 2, f"{listen} {more}: {run.stderr}")
                check(text in run.stderr, f"it says why: {text}", run.stderr)


def a_wrong_address_is_found_in_its_file():
    with Daemon("--check-config", "--config", "/dev/null", start=False) as d:
        path = d.arguments[-1] = os.path.join(d.folder, "fonted.conf")
        with open(path, "w") as f:
            f.write("[tcp]\n\nlisten = 192.168.1.1:80\n")
        run = subprocess.run(d.command(), capture_output=True, text=True, timeout=30)
        check(run.returncode == 2 and f"{path}:3: " in run.stderr, "with file and line", run.stderr)


def the_keys_file_is_nobody_elses():
    with Daemon(start=False) as d:
        path = write_key(d)
        d.settings = ["tcp.listen=127.0.0.1:0", "tcp.key_file=" + path]

        def checked():
            return subprocess.run(d.command() + ["--check-config"], capture_output=True, text=True)

        for mode, text in ((0o604, "mode 0604"), (0o620, "mode 0620"), (0o640, None), (0o400, None)):
            os.chmod(path, mode)
            run = checked()
            equal(run.returncode, 2 if text else 0, f"mode {mode:o}")
            check(not text or text in run.stderr, "it says why", run.stderr)
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
            run = checked()
            check(run.returncode == 2 and "belongs to user 65534" in run.stderr, "an owner", run.stderr)
        os.unlink(path)
        os.mkfifo(path)
        check("not a regular file" in checked().stderr, "a pipe")


def systemds_credential():
    with Daemon(start=False) as d:
        os.rename(write_key(d, mode=0o440), os.path.join(d.folder, "api-key"))
        d.settings, d.env = ["tcp.listen=127.0.0.1:0"], {"CREDENTIALS_DIRECTORY": d.folder}
        d.start()
        port = int(re.search(r"tcp: http://.*:(\d+),", d.log())[1])
        equal(ask(port).status, 200, "the key of the credential api-key")


def another_key_with_sighup():
    with tcp_daemon() as d:
        another = "another-key-altogether"
        write_key(d, another)
        d.process.send_signal(signal.SIGHUP)
        d.wait_log("reload: done")
        equal((ask(d.port).status, ask(d.port, key=another).status), (401, 200), "the new key only")
        write_key(d, "short")
        d.process.send_signal(signal.SIGHUP)
        d.wait_log("reload: nothing is changed")
        equal(ask(d.port, key=another).status, 200, "a bad one changes nothing")


def curl_too():
    with tcp_daemon() as d:
        command = ["curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}",
                   f"http://localhost:{d.port}/v1/models", "-4", "-H"]
        for header, status in (("Authorization: Bearer " + KEY, "200"), ("A: b", "401")):
            run = subprocess.run(command + [header], capture_output=True, text=True)
            equal(run.stdout, status, header)
        d.wait_log("via=tcp")
        two = ask(d.port, headers={"authorization": "Bearer " + KEY})
        equal(two.status, 400, "two keys")


def a_taken_port_and_ipv6():
    with tcp_daemon() as d:
        with Daemon(start=False) as other:
            other.settings = [f"tcp.listen=127.0.0.1:{d.port}", "tcp.key_file=" + write_key(other)]
            other.start(wait=False)
            equal(other.process.wait(20), 1, "a port that is taken")
            check("tcp.listen" in other.log(), "is named", other.log())
            other.process = None
    if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6") and "00000001" in open("/proc/net/if_inet6").read():
        with tcp_daemon("[::1]:0") as d:
            equal(ask(d.port, host="::1", headers={"Host": f"[::1]:{d.port}"}).status, 200, "IPv6")


def many_at_once_and_a_clean_end():
    with tcp_daemon() as d:
        open_ones = [socket.create_connection(("127.0.0.1", d.port)) for _ in range(200)]
        equal(ask(d.port).status, 200, "beside 200 that say nothing")
        equal(d.stop(), 0, "SIGTERM")
        equal(sum(s.recv(1) == b"" for s in open_ones), 200, "they are closed")
        [s.close() for s in open_ones]


def the_official_client():
    try:
        import openai
    except ImportError:
        print("SKIP: openai is not installed")
        return
    with Daemon(start=False) as d:
        make_model(d.folder, "tiny.gguf")
        d.settings = ["tcp.listen=127.0.0.1:0", "tcp.key_file=" + write_key(d), "generator.template=llama2",
                      "generator.model=" + os.path.join(d.folder, "tiny.gguf"), "generator.context=256"]
        d.start()
        port = re.search(r"tcp: http://.*:(\d+),", d.log())[1]
        base = f"http://127.0.0.1:{port}/v1"
        good = openai.OpenAI(base_url=base, api_key=KEY, max_retries=0)
        check("tiny" in [m.id for m in good.models.list()], "models")
        message = [{"role": "user", "content": "Who?"}]
        whole = good.chat.completions.create(model="tiny", messages=message, max_tokens=12, seed=1)
        parts = [c.choices[0].delta.content or "" for c in good.chat.completions.create(
            model="tiny", messages=message, max_tokens=12, seed=1, stream=True) if c.choices]
        equal("".join(parts), whole.choices[0].message.content, "a stream over TCP")
        try:
            openai.OpenAI(base_url=base, api_key="wrong-key-wrong-key", max_retries=0).models.list()
            check(False, "a wrong key is refused")
        except openai.AuthenticationError as error:
            equal(error.status_code, 401, "a wrong key is refused")


main(only_with_the_key, only_for_names_of_the_loopback, the_key_has_the_rights_of_its_user,
     wrong_settings_are_named,
     a_wrong_address_is_found_in_its_file, the_keys_file_is_nobody_elses, systemds_credential,
     another_key_with_sighup, curl_too, a_taken_port_and_ipv6, many_at_once_and_a_clean_end, the_official_client)
