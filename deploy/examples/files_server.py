#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small MCP server that reads the files of one folder: files_server.py FOLDER

Tools: list_directory, read_file, search_files, file_info. Nothing outside the folder can be read, also not through
symbolic links; nothing can be written. Standard library only; MCP over stdio, revisions 2024-11-05 to 2025-11-25.
"""
import fnmatch
import json
import os
import stat
import sys
from datetime import datetime, timezone

VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
READ_MAX = 1 << 20      # bytes that read_file gives at once
ENTRIES_MAX = 10000     # entries of a list or search
VISITED_MAX = 200000    # files that a search looks at


class Fault(Exception):
    """What the caller did wrong, in words for the caller."""


def text_schema(description):
    return {"type": "string", "description": description}


def shape(required, **properties):
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


PATH = text_schema("Path relative to the folder; \".\" is the folder itself")
ENTRY = shape(["name", "type"], name={"type": "string"}, type={"enum": ["file", "directory", "link", "other"]},
              size={"type": "integer", "description": "bytes; files only"})


class Files:
    """The folder. Each path is opened component by component without following links, so that neither ".." nor a symbolic
    link, not even one that is swapped in at that moment, leads outside."""

    def __init__(self, root):
        self.root = os.path.realpath(root)
        self.root_fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def parts(self, path):
        if "\0" in path:
            raise Fault("a path cannot have a NUL in it")
        if os.path.isabs(path):
            path = os.path.relpath(os.path.normpath(path), self.root)
        parts = []
        for part in path.split("/"):
            if part == "..":
                if not parts:
                    raise Fault("%s is outside of the folder" % path)
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        return parts

    def open(self, path, flags=os.O_RDONLY):
        """A descriptor of the file or directory at path; the caller closes it."""
        parts, fd = self.parts(path), os.dup(self.root_fd)
        try:
            for i, part in enumerate(parts):
                more = flags | os.O_NONBLOCK if i == len(parts) - 1 else os.O_PATH | os.O_DIRECTORY
                inner = os.open(part, more | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
                os.close(fd)
                fd = inner
            return fd
        except OSError as e:
            os.close(fd)
            raise Fault(self.explain(path, parts, e)) from e

    @staticmethod
    def explain(path, parts, e):
        if isinstance(e, FileNotFoundError):
            return "there is no %s" % path
        if e.errno in (40, 20):  # ELOOP, ENOTDIR
            return "%s: \"%s\" is a symbolic link or no directory on the way; links are not followed" % (path, "/".join(parts))
        return "%s: %s" % (path, e.strerror)

    # ---- tools ----

    def list_directory(self, path="."):
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            names = sorted(os.listdir(fd))
            entries = [self.entry(fd, name) for name in names[:ENTRIES_MAX]]
        finally:
            os.close(fd)
        return {"path": path, "entries": entries, "truncated": len(names) > ENTRIES_MAX}

    @staticmethod
    def entry(fd, name):
        kind, size = "other", None
        try:
            st = os.stat(name, dir_fd=fd, follow_symlinks=False)
            kind, size = kind_of(st.st_mode), st.st_size
        except OSError:
            pass
        found = {"name": clean(name), "type": kind}
        if kind == "file":
            found["size"] = size
        return found

    def read_file(self, path, offset=0, limit=READ_MAX):
        fd = self.open(path)
        try:
            st = os.fstat(fd)
            if not stat.S_ISREG(st.st_mode):
                raise Fault("%s is no file but of type %s" % (path, kind_of(st.st_mode)))
            data = os.pread(fd, min(limit, READ_MAX), offset)
        finally:
            os.close(fd)
        truncated = offset + len(data) < st.st_size
        try:
            text = decode(data, offset > 0, truncated)
        except UnicodeDecodeError:
            raise Fault("%s is not UTF-8 text (%d bytes)" % (path, st.st_size)) from None
        return {"path": path, "text": text, "size": st.st_size, "truncated": truncated}

    def search_files(self, pattern, path=".", limit=1000):
        found, visited = [], 0
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        base = "/".join(self.parts(path))
        try:
            for where, dirs, files, _ in os.fwalk(".", dir_fd=fd):
                dirs.sort()
                for name in sorted(dirs + files):
                    inner = os.path.normpath(os.path.join(where, name))
                    visited += 1
                    if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(inner, pattern):
                        found.append(clean(os.path.join(base, inner)))
                    if len(found) >= limit or visited >= VISITED_MAX:
                        return {"matches": found, "truncated": True}
        finally:
            os.close(fd)
        return {"matches": found, "truncated": False}

    def file_info(self, path):
        parts = self.parts(path)
        fd = self.open("/".join(parts[:-1]) or ".", os.O_PATH | os.O_DIRECTORY) if parts else os.dup(self.root_fd)
        try:
            st = os.stat(parts[-1] if parts else ".", dir_fd=fd, follow_symlinks=False)
        except OSError as e:
            raise Fault(self.explain(path, parts, e)) from e
        finally:
            os.close(fd)
        when = datetime.fromtimestamp(st.st_mtime, timezone.utc).isoformat(timespec="seconds")
        return {"path": path, "type": kind_of(st.st_mode), "size": st.st_size, "modified": when.replace("+00:00", "Z"),
                "mode": stat.filemode(st.st_mode)}


def kind_of(mode):
    return "file" if stat.S_ISREG(mode) else "directory" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "other"


def clean(name):
    """A name that is not UTF-8 is shown with replacements."""
    return os.fsencode(name).decode("utf-8", "replace")


def decode(data, cut_before, cut_behind):
    """Text of a part of a file: a character that an edge cuts in two is left out."""
    if cut_before:
        while data and data[0] & 0xC0 == 0x80:
            data = data[1:]
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        if not cut_behind or e.start + 4 <= len(data):
            raise
        return data[:e.start].decode()


NUMBER = {"type": "integer", "minimum": 0}
TOOLS = {
    "list_directory": ("List the entries of a directory, sorted by name.", shape([], path=PATH),
                       shape(["path", "entries", "truncated"], path={"type": "string"},
                             entries={"type": "array", "items": ENTRY}, truncated={"type": "boolean"})),
    "read_file": ("Read a UTF-8 text file, or a part of it.",
                  shape(["path"], path=PATH, offset={**NUMBER, "description": "first byte, default 0"},
                        limit={**NUMBER, "maximum": READ_MAX, "description": "most bytes, default 1048576"}),
                  shape(["path", "text", "size", "truncated"], path={"type": "string"}, text={"type": "string"},
                        size={"type": "integer", "description": "bytes of the whole file"}, truncated={"type": "boolean"})),
    "search_files": ("Find files and directories by a glob on their name or relative path, for instance *.c or src/*.py.",
                     shape(["pattern"], pattern=text_schema("glob with *, ? and [...]"), path=PATH,
                           limit={"type": "integer", "minimum": 1, "maximum": ENTRIES_MAX, "description": "default 1000"}),
                     shape(["matches", "truncated"], matches={"type": "array", "items": {"type": "string"}},
                           truncated={"type": "boolean"})),
    "file_info": ("Type, size, time of change and mode of a file or directory.", shape(["path"], path=PATH),
                  shape(["path", "type", "size", "modified", "mode"], path={"type": "string"},
                        type=ENTRY["properties"]["type"], size={"type": "integer", "description": "bytes"},
                        modified=text_schema("RFC 3339, UTC"), mode=text_schema("as ls -l prints it"))),
}
ANNOTATIONS = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
TYPES = {"string": str, "integer": int}


def check(name, args):
    """Arguments against the input schema, as far as it is used here."""
    properties, required = TOOLS[name][1]["properties"], TOOLS[name][1]["required"]
    for key, value in args.items():
        want = properties.get(key)
        if want is None:
            raise Fault("%s: there is no \"%s\"; it takes %s" % (name, key, ", ".join(properties)))
        if not isinstance(value, TYPES[want["type"]]) or isinstance(value, bool):
            raise Fault("%s: \"%s\" must be of type %s" % (name, key, want["type"]))
        if want["type"] == "integer" and not want.get("minimum", 0) <= value <= want.get("maximum", 1 << 53):
            raise Fault("%s: \"%s\" is out of range" % (name, key))
    for key in required:
        if key not in args:
            raise Fault("%s: \"%s\" is missing" % (name, key))


def call(files, params):
    name, args = params.get("name"), params.get("arguments") or {}
    if name not in TOOLS:
        return None, {"code": -32602, "message": "unknown tool: %s" % name}
    try:
        check(name, args)
        result = getattr(files, name)(**args)
    except (Fault, OSError, RecursionError) as e:
        return {"content": [{"type": "text", "text": str(e)}], "isError": True}, None
    return {"content": [{"type": "text", "text": json.dumps(result, ensure_ascii=False)}], "structuredContent": result}, None


def handle(files, method, params):
    """(result, error) of a request."""
    if method == "initialize":
        asked = params.get("protocolVersion")
        return {"protocolVersion": asked if asked in VERSIONS else VERSIONS[-1], "capabilities": {"tools": {}},
                "serverInfo": {"name": "files", "version": "1"}, "instructions": "Reads files below %s." % files.root}, None
    if method == "ping":
        return {}, None
    if method == "tools/list":
        return {"tools": [{"name": name, "description": description, "inputSchema": given, "outputSchema": made,
                           "annotations": ANNOTATIONS} for name, (description, given, made) in TOOLS.items()]}, None
    if method == "tools/call":
        return call(files, params)
    return None, {"code": -32601, "message": "no method %s" % method}


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    try:
        files = Files(sys.argv[1])
    except OSError as e:
        sys.exit("files_server.py: %s: %s" % (sys.argv[1], e.strerror))
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        try:
            message = json.loads(line)
        except ValueError as e:
            answer = {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "no JSON: %s" % e}}
        else:
            if not isinstance(message, dict) or "method" not in message or message.get("id") is None:
                continue
            result, error = handle(files, message["method"], message.get("params") or {})
            answer = {"jsonrpc": "2.0", "id": message["id"], **({"error": error} if error else {"result": result})}
        sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        pass
