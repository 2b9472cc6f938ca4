#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""deploy/examples/files_server.py: what it shows, and that nothing outside of its folder can be read."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../deploy/examples/files_server.py")


class FilesServer(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.root = os.path.join(self.temp.name, "root")
        os.makedirs(os.path.join(self.root, "sub/deep"))
        os.makedirs(os.path.join(self.temp.name, "root-secret"))
        self.write("root/a.txt", "h\u00e9llo\n")
        self.write("root/sub/b.md", "two")
        self.write("root/sub/deep/c.txt", "three")
        self.write("secret.txt", "SECRET")
        self.write("root-secret/s.txt", "SECRET")
        with open(os.path.join(self.root, "bin"), "wb") as f:
            f.write(b"\xff\xfe\x00")
        os.symlink("../secret.txt", os.path.join(self.root, "link"))
        os.symlink("..", os.path.join(self.root, "up"))
        os.symlink("a.txt", os.path.join(self.root, "inner"))
        os.mkfifo(os.path.join(self.root, "fifo"))
        self.id = 0
        self.p = subprocess.Popen([sys.executable, SERVER, self.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.stop)

    def stop(self):
        self.p.stdin.close()
        self.assertEqual(self.p.wait(5), 0)
        self.p.stdout.close()
        self.temp.cleanup()

    def write(self, name, text):
        with open(os.path.join(self.temp.name, name), "w", encoding="utf-8") as f:
            f.write(text)

    def ask(self, method, params):
        self.id += 1
        self.p.stdin.write(json.dumps({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}).encode() + b"\n")
        self.p.stdin.flush()
        answer = json.loads(self.p.stdout.readline())
        self.assertEqual(answer["id"], self.id)
        return answer

    def call(self, name, **args):
        result = self.ask("tools/call", {"name": name, "arguments": args})["result"]
        if not result.get("isError"):
            self.assertEqual(json.loads(result["content"][0]["text"]), result["structuredContent"])
            return result["structuredContent"]
        return result["content"][0]["text"]

    def test_handshake_and_list(self):
        self.assertEqual(self.ask("initialize", {"protocolVersion": "2025-06-18"})["result"]["protocolVersion"], "2025-06-18")
        self.assertEqual(self.ask("initialize", {"protocolVersion": "2099-01-01"})["result"]["protocolVersion"], "2025-11-25")
        tools = self.ask("tools/list", {})["result"]["tools"]
        self.assertEqual([t["name"] for t in tools], ["list_directory", "read_file", "search_files", "file_info"])
        for t in tools:
            self.assertTrue(t["annotations"]["readOnlyHint"])
            self.assertEqual((t["inputSchema"]["type"], t["outputSchema"]["type"]), ("object", "object"))
        self.assertEqual(self.ask("nonsense", {})["error"]["code"], -32601)
        self.assertEqual(self.ask("tools/call", {"name": "rm"})["error"]["code"], -32602)

    def test_list(self):
        entries = {e["name"]: e for e in self.call("list_directory")["entries"]}
        self.assertEqual(entries["a.txt"], {"name": "a.txt", "type": "file", "size": 7})
        self.assertEqual(entries["sub"]["type"], "directory")
        self.assertEqual(entries["link"]["type"], "link")
        self.assertEqual([e["name"] for e in self.call("list_directory", path="sub/")["entries"]], ["b.md", "deep"])
        self.assertEqual(len(self.call("list_directory", path=self.root)["entries"]), len(entries))

    def test_read(self):
        self.assertEqual(self.call("read_file", path="a.txt"),
                         {"path": "a.txt", "text": "h\u00e9llo\n", "size": 7, "truncated": False})
        self.assertEqual(self.call("read_file", path="sub/../a.txt", limit=2)["text"], "h")  # not half a character
        self.assertEqual(self.call("read_file", path="a.txt", offset=2)["text"], "llo\n")
        self.assertIn("not UTF-8", self.call("read_file", path="bin"))
        self.assertIn("there is no nothing.txt", self.call("read_file", path="nothing.txt"))
        self.assertIn("no file but of type directory", self.call("read_file", path="sub"))
        self.assertIn("no file but of type other", self.call("read_file", path="fifo"))  # and does not hang

    def test_nothing_outside(self):
        for path in ("../secret.txt", "sub/../../secret.txt", "/etc/passwd", "link", "up/secret.txt", "up/root/a.txt", "inner",
                     self.temp.name + "/root-secret/s.txt", "../root-secret/s.txt", "a\0b", "./././../secret.txt"):
            for tool in ("read_file", "list_directory"):
                answer = self.call(tool, path=path)
                self.assertIsInstance(answer, str, (tool, path))
                self.assertNotIn("SECRET", answer)
        self.assertIsInstance(self.call("file_info", path="../secret.txt"), str)
        self.assertIsInstance(self.call("file_info", path="up/secret.txt"), str)
        self.assertEqual(self.call("file_info", path="link")["type"], "link")  # the link itself, not its target
        self.assertIsInstance(self.call("list_directory", path="up"), str)
        self.assertNotIn("up/secret.txt", self.call("search_files", pattern="*")["matches"])

    def test_search(self):
        self.assertEqual(self.call("search_files", pattern="*.txt")["matches"], ["a.txt", "sub/deep/c.txt"])
        self.assertEqual(self.call("search_files", pattern="*.txt", path="sub")["matches"], ["sub/deep/c.txt"])
        self.assertEqual(self.call("search_files", pattern="*", limit=2)["truncated"], True)

    def test_info(self):
        info = self.call("file_info", path="sub/b.md")
        self.assertEqual((info["type"], info["size"]), ("file", 3))
        self.assertRegex(info["modified"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(self.call("file_info", path=".")["type"], "directory")

    def test_bad_arguments(self):
        self.assertIn("\"path\" is missing", self.call("read_file"))
        self.assertIn("there is no \"pth\"", self.call("read_file", pth="a"))
        self.assertIn("must be of type string", self.call("read_file", path=3))
        self.assertIn("out of range", self.call("read_file", path="a.txt", offset=-1))


if __name__ == "__main__":
    unittest.main()
