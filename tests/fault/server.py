#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An MCP server with bad habits, after its handshake: argv[1] names one, its tools do the rest.

    secrets  says $TOKEN in names, descriptions, results, errors, stderr (in two pieces) and in a line that is no JSON
    lazy     does not end when stdin does, nor at SIGTERM; its child neither
    env      tells the value of a variable and its own pid
    mute     says that its one tool only reads, and never answers it; writes "called" to stderr
"""
import json
import os
import signal
import subprocess
import sys
import time

TOKEN = os.environ.get("TOKEN", "")
HABIT = sys.argv[1]


def say(id_, **more):
    print(json.dumps({"jsonrpc": "2.0", "id": id_, **more}), flush=True)


def text(id_, words, **more):
    say(id_, result={"content": [{"type": "text", "text": words}], **more})


def cut_words():
    half = len(TOKEN) // 2
    sys.stderr.write("the token is " + TOKEN[:half])
    sys.stderr.flush()
    time.sleep(0.05)
    sys.stderr.write(TOKEN[half:] + " indeed\n")
    sys.stderr.flush()


def call(id_, name, arguments):
    if HABIT == "mute":
        sys.stderr.write("called\n")
        sys.stderr.flush()
    elif name == "value":
        text(id_, json.dumps({"token": TOKEN, "pid": os.getpid()}))
    elif name == "fail":
        text(id_, "cannot log in with " + TOKEN, isError=True)
    elif name == "refuse":
        say(id_, error={"code": -32000, "message": "bad token " + TOKEN, "data": {"token": TOKEN}})
    elif name == "die":
        sys.stderr.write("dying of %s\n" % TOKEN)
        sys.stderr.flush()
        os._exit(9)
    elif name == "rubbish":
        print("debug: token=%s" % TOKEN, flush=True)
        text(id_, "after rubbish")
    else:
        text(id_, "called " + json.dumps(arguments))


def tools():
    if HABIT == "mute":
        return [{"name": "mute", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}]
    names = ["value", "fail", "refuse", "die", "rubbish", "plain"]
    if HABIT == "secrets":
        names.append("named_" + TOKEN)
    return [{"name": n, "description": "Uses %s." % (TOKEN if HABIT == "secrets" else "nothing"),
             "inputSchema": {"type": "object"}} for n in names]


def main():
    if HABIT == "lazy":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                                                "time.sleep(600)"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if HABIT == "secrets":
        cut_words()
    for line in sys.stdin:
        message = json.loads(line)
        id_, method = message.get("id"), message.get("method")
        if method == "initialize":
            say(id_, result={"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                             "serverInfo": {"name": HABIT, "version": "1"}})
        elif method == "tools/list":
            say(id_, result={"tools": tools()})
        elif method == "tools/call":
            call(id_, message["params"]["name"], message["params"].get("arguments"))
    while HABIT == "lazy":
        time.sleep(600)


main()
