# SPDX-License-Identifier: Apache-2.0
"""Rows that concern Hawser alone: memory, cold start, search, the loop's longest turn. Each returns a list of rows."""
import os
import re
import statistics
import subprocess
import sys
import time

from contenders import TOP, Absent, Hawser

BARE_MS = 15  # allowed over a bare interpreter
BROKER_MIB = 30
TURN_MS = 5
SEARCH_MS = 1
TOOLS = 5000
FIXTURE = os.path.join(TOP, 'tests/fixture/server.py')


def pss_mib(pid):
    """None: it has ended, or is somebody else's."""
    try:
        with open(f'/proc/{pid}/smaps_rollup', encoding='utf-8') as file:
            return int(re.search(r'^Pss:\s+(\d+)', file.read(), re.MULTILINE).group(1)) / 1024
    except (OSError, AttributeError):
        return None


def kind_of(name, argv):
    text = argv.replace(b'\0', b' ').decode(errors='replace')
    if 'guest' in name:
        return 'guests'
    if 'keeper' in name:
        return 'keepers'
    if 'serve --spawned' in text:
        return 'broker'
    if name == 'hawser':
        return 'thin clients'
    if name == 'bwrap':
        return 'bubblewrap'
    return 'parked interpreters'


def memory(row, hawser):
    sums = {}
    for pid, (name, _, argv) in hawser.processes().items():
        kind, mib = kind_of(name, argv), pss_mib(pid)
        if mib is not None:
            sums[kind] = sums.get(kind, 0) + mib
    if 'broker' not in sums:
        raise Absent("the broker's /proc/PID/smaps_rollup cannot be read here")
    rows = []
    for kind in ('broker', 'thin clients', 'keepers', 'guests', 'bubblewrap', 'parked interpreters'):
        if kind in sums:
            value = sums[kind]
            budget = f'<= {BROKER_MIB}' if kind == 'broker' else ''
            met = value <= BROKER_MIB if kind == 'broker' else None
            rows.append(row(f'memory (PSS) after the rounds: {kind}', 'MiB', value, {}, budget, met))
    return rows


def longest_turn(row, hawser):
    found = re.search(r'turn[^0-9]*([0-9.]+)\s*(us|ms|s)\b[^"]*', hawser.ask_binary('doctor', '--json'))
    if not found:
        raise Absent('hawser doctor does not tell the longest turn')
    print('    ' + found.group(0))  # and whose it was
    value = float(found.group(1)) * {'us': 0.001, 'ms': 1, 's': 1000}[found.group(2)]
    return [row('longest turn of the loop', 'ms', value, {}, f'<= {TURN_MS}', value <= TURN_MS)]


def cold_start(row, sizes):
    """A sandbox and an interpreter from nothing, beside `node -e` from nothing, interleaved."""
    hawser, bare, cold = Hawser(config={'limits': {'pool': 0}}), [], []
    hawser.start()
    try:
        for _ in range(sizes.cold):
            begin = time.perf_counter()
            subprocess.run(['node', '-e', 'console.log(1)'], stdout=subprocess.DEVNULL, check=True)
            bare.append(1000 * (time.perf_counter() - begin))
            cold += hawser.latencies(1)
    finally:
        hawser.stop()
    value, base = statistics.median(cold), statistics.median(bare)
    return [row('cold process sandbox to first answer, p50', 'ms', value, {'bare interpreter': base},
                f'<= bare + {BARE_MS}', value <= base + BARE_MS, value / base)]


SEARCH = '''
const words = ["echo", "list item", "tool 4321", "count calls slow", "nothing of the kind"];
const times = [];
for (let i = 0; i < COUNT + 20; i++) {
  const t = performance.now();
  await search_tools(words[i % words.length], "names", 10);
  if (i >= 20) times.push(performance.now() - t);
}
times.sort((a, b) => a - b);
return times[Math.floor(times.length * 0.99)];
'''


def search(row, sizes):
    servers = {'many': {'command': sys.executable, 'args': ['-B', FIXTURE, '--tools', str(TOOLS)]}}
    hawser = Hawser(config={'mcpServers': servers})
    hawser.start()
    try:
        p99 = hawser.run(SEARCH.replace('COUNT', str(sizes.searches)))
    finally:
        hawser.stop()
    return [row(f'search over {TOOLS:,} tools from code, p99', 'ms', p99, {}, f'< {SEARCH_MS}',
                p99 < SEARCH_MS, note='with the way from the sandbox and back')]
