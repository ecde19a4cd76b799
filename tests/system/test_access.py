"""Rights by SO_PEERCRED: what other users may see and change, and that ids do not leak."""
import json
import os
import pwd
import grp
import signal
import time

from harness import Daemon, as_user, check, equal, main, skip

NOBODY = pwd.getpwnam("nobody")


def brief(reply):
    return reply and [reply.status, reply.param if reply.status >= 400 else None]


def lists():
    if os.geteuid() != 0:
        skip("needs root to become other users")
        return
    daemon_gid = grp.getgrnam("daemon").gr_gid
    settings = ["server.socket_mode=0666", "access.read=root", "access.write=root",
                "access.admin=root", "collection.public.read=*", "collection.group.read=@daemon",
                "collection.group.write=@daemon", "collection.mine.read=nobody",
                "collection.mine.write=nobody"]
    with Daemon(settings=settings) as d:
        ids = {}
        for c in ("default", "public", "group", "mine"):
            r = d.add(f"The secret of the {c} collection is {c}.", collection=c)
            equal(r.status, 201, "root may write " + c)
            ids[c] = r.json()["id"]

        def nobody(call, groups=()):
            return as_user(NOBODY.pw_uid, NOBODY.pw_gid, list(groups), call)

        def status(path):
            return nobody(lambda: brief(d.get(path)))

        equal(status("/healthz")[0], 200, "health is for all")
        for path in ("/v1/status", "/metrics", "/v1/jobs", "/v1/jobs/embed"):
            equal(status(path)[0], 403, path + " is for admins")
            equal(d.get(path).status, 200, path + " for root")
        may = {"public": True, "mine": True, "default": False, "group": False}
        for c, ok in may.items():
            for tail in ("", "/text", "/original"):
                equal(status(f"/v1/documents/{ids[c]}{tail}")[0], 200 if ok else 404, c + tail)
            for path in ("/v1/ask", "/v1/search"):
                got = nobody(lambda: brief(d.post(path, {"question": "What is the secret?",
                                                         "collection": c})))
                equal(got, [200, None] if ok else [403, "collection"], path + " in " + c)
            equal(status("/v1/documents?collection=" + c)[0], 200 if ok else 403, "list of " + c)
        got = nobody(lambda: brief(d.post("/v1/ask", {"question": "What is the secret?"})))
        equal(got, [403, "collection"], "the default collection is one too")
        listed = nobody(lambda: [x["collection"] for x in d.get("/v1/documents").json()["documents"]])
        equal(sorted(listed), ["mine", "public"], "a list of all holds what may be read")
        named = nobody(lambda: [x["name"] for x in d.get("/v1/collections").json()["collections"]])
        equal(sorted(named), ["mine", "public"], "collections likewise")
        equal(nobody(lambda: brief(d.add("x y", collection="public"))), [403, "collection"], "no writing")
        equal(nobody(lambda: brief(d.add("x y z", collection="mine"))), [201, None], "writing")
        equal(nobody(lambda: brief(d.request("DELETE", "/v1/documents/" + ids["public"]))),
              [403, "collection"], "no deleting")
        equal(nobody(lambda: brief(d.request("DELETE", "/v1/documents/" + ids["group"]))),
              [404, "id"], "what cannot be read is not there")
        equal(nobody(lambda: brief(d.request("PUT", "/v1/documents/" + ids["default"], b"Mine now.",
                                             "text/plain"))), [404, "id"], "nor replaced")
        equal(d.get(f"/v1/documents/{ids['default']}/text").body,
              b"The secret of the default collection is default.", "unharmed")
        got = nobody(lambda: brief(d.post("/v1/search", {"question": "secret", "collection": "group"})),
                     [daemon_gid])
        equal(got, [200, None], "a supplementary group counts")
        got = as_user(NOBODY.pw_uid, daemon_gid, [],
                      lambda: brief(d.post("/v1/search", {"question": "secret", "collection": "group"})))
        equal(got, [200, None], "the primary group counts")


def connections_of_one_user():
    if os.geteuid() != 0:
        skip("needs root to become other users")
        return
    settings = ["server.socket_mode=0666", "limits.connections_per_uid=20", "limits.connections=30"]
    with Daemon(settings=settings) as d:

        def hold():
            held = [d.connect() for _ in range(20)]
            refused = d.get("/healthz")
            time.sleep(0.5)
            return [len(held), refused.status, refused.headers.get("retry-after"), refused.code]

        got = as_user(NOBODY.pw_uid, NOBODY.pw_gid, [], hold)
        equal(got, [20, 503, "1", "busy"], "one user's share")
        d.settled("connections", 1)
        mine = [d.connect() for _ in range(19)]
        equal(d.get("/healthz").status, 200, "root has a share of its own")
        for s in mine:
            s.close()


def reload_of_rights():
    if os.geteuid() != 0:
        skip("needs root to become other users")
        return
    with Daemon(start=False, settings=["server.socket_mode=0666"]) as d:
        path = os.path.join(d.folder, "f.conf")
        with open(path, "w") as f:
            f.write("[access]\nread = root\n")
        d.arguments = ["--config", path]
        d.start()

        def ask():
            return d.post("/v1/search", {"question": "x"}).status

        equal(as_user(NOBODY.pw_uid, NOBODY.pw_gid, [], ask), 403, "before")
        with open(path, "w") as f:
            f.write("[access]\nread = nobody\n")
        d.process.send_signal(signal.SIGHUP)
        d.wait_log("reload: done")
        equal(as_user(NOBODY.pw_uid, NOBODY.pw_gid, [], ask), 200, "after")


main(lists, connections_of_one_user, reload_of_rights)
