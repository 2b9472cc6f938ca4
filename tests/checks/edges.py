#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Folders are layers: reads every #include "..." and compares it with the pairs of folders that may be. A folder that is
not in the table fails, so a new one has to say where it stands. Also: which folder may include which foreign library.

edges.py            check the tree; closes with "N passed, N failed" (one test a folder)
edges.py --self     check that the check can fail
"""
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# folder -> folders whose headers it may include besides its own. `base` is under everybody but providers.
ALLOWED = {
    'base': [],
    'tunnel/proto': ['base'],
    'tunnel/carrier': ['base', 'tunnel/proto'],
    'tunnel/guest': ['base', 'tunnel/proto', 'tunnel/carrier'],
    'tunnel/guest/kernels': ['base', 'tunnel/guest'],
    'tunnel/guest/shims': ['base'],
    'policy': ['base', 'policy/schema'],
    'policy/schema': ['base'],
    'policy/redact': ['base'],
    'providers/include': [],
    # a provider sees the public header and nothing else of ours
    'providers/process': ['providers/include'],
    'providers/fake': ['providers/include'],
    'providers/exec': ['providers/include'],
    'providers/keeper': ['base'],
    'broker/store': ['base'],
    'broker/audit': ['base', 'policy', 'policy/redact'],
    # providers/keeper here is the keeper's command line and messages, which both ends share
    'broker/host': ['base', 'providers/include', 'providers/keeper'],
    'broker/upstream': ['base'],
    'broker/machine': ['base', 'tunnel/proto', 'tunnel/carrier'],
    # files of MCP clients: who reads the configuration and who moves servers into it stand on it; how a rule is written
    # is policy's
    'broker/clientfiles': ['base', 'policy'],
    'broker/core': ['base', 'broker/clientfiles', 'broker/machine', 'broker/upstream', 'broker/host', 'broker/store', 'broker/audit', 'policy',
                    'policy/schema', 'policy/redact'],
    'broker/doors': ['base', 'broker/core'],
    # a thin client that speaks MCP comes in here and is handed on
    'broker/doors/local': ['base', 'broker/core', 'broker/doors', 'broker/doors/mcp'],
    'broker/doors/mcp': ['base', 'broker/core', 'broker/doors'],
    # a thin client is another process: of the broker it knows what the local door says, nothing else. The audit log is
    # a file with a format: `hawser audit verify` reads it without the broker that wrote it; so are the files of clients,
    # and the database that `hawser state check` reads
    'broker/cli': ['base', 'broker/clientfiles', 'broker/doors/local', 'broker/audit', 'broker/store'],
    # main.c puts it together
    'broker': ['base', 'broker/core', 'broker/doors', 'broker/doors/local', 'broker/doors/mcp', 'broker/cli',
               'policy/redact'],
}
# Tests may look at everything; nothing but tests may include a test's header.
FREE = 'tests'

# foreign header -> where alone it may be included (prefixes of paths)
FOREIGN = {
    'libwebsockets.h': ['base/ws'],
    'seccomp.h': ['providers/process/', 'tunnel/guest/'],
    'yaml.h': ['broker/core/'],
    'openssl/': ['base/', 'broker/', 'providers/keeper/'],
    'nettle/': ['base/', 'tunnel/'],
    'uv.h': ['base/'],
    'curl/': ['base/http'],
    'sqlite3.h': ['broker/store/'],
}

INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', re.MULTILINE)


def sources(top):
    listed = subprocess.run(['git', 'ls-files', '-z', '*.c', '*.h'], cwd=top, capture_output=True)
    if listed.returncode == 0 and listed.stdout:
        return sorted(name for name in listed.stdout.decode().split('\0') if name)
    found = []
    for folder, folders, names in os.walk(top):
        folders[:] = [f for f in folders if not f.startswith(('.', 'build')) and f != 'node_modules']
        found += [os.path.relpath(os.path.join(folder, n), top) for n in names if n.endswith(('.c', '.h'))]
    return sorted(found)


def folder_of(path):
    folder = os.path.dirname(path)
    return 'providers/include' if folder.startswith('providers/include') else folder


def target_of(top, source, name):
    """The file in the tree that an include means, or None for one that is not ours."""
    if name.startswith('hawser/'):
        return 'providers/include/' + name
    for candidate in (name, os.path.join(os.path.dirname(source), name)):
        if os.path.exists(os.path.join(top, candidate)):
            return os.path.normpath(candidate)
    return None


def foreign_fault(source, name):
    for header, places in FOREIGN.items():
        match = name.startswith(header) if header.endswith('/') else name == header
        if match and not source.startswith((*places, 'tests/')):
            return f'<{name}> belongs to {", ".join(places)} alone'
    return None


def faults_of(top, source):
    """Sentences about one file."""
    folder = folder_of(source)
    with open(os.path.join(top, source), 'rb') as file:
        text = file.read()
    for found in INCLUDE.finditer(text):
        name = found.group(2).decode(errors='replace')
        line = text.count(b'\n', 0, found.start()) + 1
        fault = foreign_fault(source, name)
        target = target_of(top, source, name) if found.group(1) == b'"' or name.startswith('hawser/') else None
        if target and folder.split('/')[0] != FREE:
            into = folder_of(target)
            if into != folder and into not in ALLOWED.get(folder, []):
                fault = f'{folder} may not include from {into} ("{name}")'
        if fault:
            yield f'{source}:{line}: {fault}'


def check(top):
    folders = {}
    for source in sources(top):
        folder = folder_of(source)
        faults = folders.setdefault(folder, [])
        if folder.split('/')[0] != FREE and folder not in ALLOWED:
            if not faults:
                faults.append(f'{folder}/: not in the table of tests/checks/edges.py: say where it stands')
            continue
        faults += faults_of(top, source)
    return folders


def self_test():
    """A tree with one fault of each kind must show exactly these."""
    with tempfile.TemporaryDirectory() as top:
        for path, text in {
                'base/a.h': '', 'broker/core/core.h': '', 'stray/x.c': '',
                'base/up.c': '#include "broker/core/core.h"\n', 'base/good.c': '#include "base/a.h"\n#include <uv.h>\n',
                'policy/uv.c': '\n#include <uv.h>\n'}.items():
            os.makedirs(os.path.dirname(os.path.join(top, path)), exist_ok=True)
            with open(os.path.join(top, path), 'w', encoding='utf-8') as file:
                file.write(text)
        found = sorted(fault.split(': ')[0] for faults in check(top).values() for fault in faults)
    good = found == ['base/up.c:1', 'policy/uv.c:2', 'stray/']
    if not good:
        print(f'FAIL self test: {found}')
    return good


def main():
    good = self_test()
    folders = {} if '--self' in sys.argv[1:] else check(TOP)
    for faults in folders.values():
        for fault in faults:
            print(f'FAIL {fault}')
    failed = sum(1 for faults in folders.values() if faults) + (not good)
    print(f'{len(folders) + 1 - failed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
