"""The unit files: accepted by systemd, hardened to an exposure of 0.4 or less, users and folders
made, and the shipped configuration read without complaint."""
import os
import re
import shutil
import subprocess
import tempfile

from harness import FONTED, check, equal, main, skip

UNITS = os.environ["FONTE_UNITS"]
SOURCE = os.environ["FONTE_SYSTEMD"]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def hardening():
    if not shutil.which("systemd-analyze"):
        skip("no systemd-analyze")
        return
    r = run("systemd-analyze", "security", "--offline=yes", "--no-pager",
            os.path.join(UNITS, "fonted.service"))
    found = re.search(r"exposure level for fonted.service: ([0-9.]+)", r.stdout)
    check(found and float(found[1]) <= 0.4, "exposure of 0.4 or less", found and found[0] or r.stderr)
    text = open(os.path.join(UNITS, "fonted.service")).read()
    check("PrivateUsers=" not in text, "PrivateUsers would hide who asks")


def verified():
    if not shutil.which("systemd-analyze"):
        skip("no systemd-analyze")
        return
    with tempfile.TemporaryDirectory(prefix="fonte-test-") as folder:
        for name in ("fonted.service", "fonted.socket"):
            with open(os.path.join(UNITS, name)) as f:
                text = f.read()
            text = re.sub(r"ExecStart=.*", "ExecStart=" + FONTED, text)
            with open(os.path.join(folder, name), "w") as f:
                f.write(text)
        r = run("systemd-analyze", "verify", "--man=no", os.path.join(folder, "fonted.service"),
                os.path.join(folder, "fonted.socket"))
        equal((r.returncode, r.stderr), (0, ""), "systemd-analyze verify")


def users_and_folders():
    if not shutil.which("systemd-sysusers") or os.geteuid() != 0:
        skip("no systemd-sysusers, or not root")
        return
    with tempfile.TemporaryDirectory(prefix="fonte-test-") as root:
        os.makedirs(root + "/etc")
        r = run("systemd-sysusers", "--root=" + root, os.path.join(UNITS, "fonte.sysusers.conf"))
        equal(r.returncode, 0, "systemd-sysusers " + r.stderr)
        check("fonte:" in open(root + "/etc/passwd").read(), "the user is made")
        check("fonte:" in open(root + "/etc/group").read(), "and the group")
        r = run("systemd-tmpfiles", "--root=" + root, "--create",
                os.path.join(UNITS, "fonte.tmpfiles.conf"))
        equal(r.returncode, 0, "systemd-tmpfiles " + r.stderr)
        equal(os.stat(root + "/run/fonte").st_mode & 0o777, 0o755, "mode of the socket's folder")


def configuration():
    path = os.path.join(SOURCE, "fonted.conf")
    r = run(FONTED, "--config", path, "--check-config")
    equal(r.returncode, 0, "the shipped configuration " + r.stderr)
    keys = run(FONTED, "--help-config").stdout
    with tempfile.TemporaryDirectory(prefix="fonte-test-") as folder:
        with open(path) as f, open(folder + "/f.conf", "w") as g:
            for line in f:  # what is commented out must be good as well
                line = re.sub(r"^; ([a-z_]+ = )", r"\1", line)
                g.write(line.replace("@board", "@root").replace("secretary", "root")
                        if not line.startswith("; [") else line[2:])
        r = run(FONTED, "--config", folder + "/f.conf", "--check-config")
        equal(r.returncode, 0, "and with every line of it " + r.stderr)
    check("[limits]" in keys, "--help-config")


main(hardening, verified, users_and_folders, configuration)
