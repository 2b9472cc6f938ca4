# SPDX-License-Identifier: Apache-2.0
"""What the checks cost a large call, and which defaults are on. Both are found out by what happens, not by what a
configuration says: a wrong argument is refused or not, a planted secret comes back or not.

There is no switch that turns a check off. Off means what a user can have: no ${VAR} in the configuration, so that no secret
is known, and a server whose tools ask for any object (no-schemas.cjs makes server-everything one). The strict reading
of arguments (one key once, whole UTF-16) and the audit line stay."""
import json
import os
import statistics

from contenders import HERE, PLANTED, Executor, Floor, Hawser, everything

BIG = 1 << 20
MOST_MS = 16

PROGRAM = '''
const message = "a".repeat(BYTES);
for (let i = 0; i < WARM; i++) await everything.echo({ message: "x" });
await everything.echo({ message });
const begin = Date.now();
for (let i = 0; i < BIG; i++) await everything.echo({ message });
return (Date.now() - begin) / BIG;
'''

PROBE = '''
const status = require("fs").readFileSync("/proc/self/status", "utf8");
const word = (name) => Number(new RegExp("^" + name + ":\\\\s+(\\\\d+)", "m").exec(status)?.[1]);
let kind = "none";
try { await everything.echo({ message: 1 }); } catch (error) { kind = error.kind; }
return { kind, secret: "PLANTED", seccomp: word("Seccomp"), privileges: word("NoNewPrivs") };
'''


def on(yes):
    return 'on' if yes else 'off'


def audit_lines(hawser):
    try:
        with open(os.path.join(hawser.home, 'state/hawser/audit.jsonl'), encoding='utf-8') as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0


def probe(hawser):
    """Which of the checks are on with this Hawser."""
    lines = audit_lines(hawser)
    found = hawser.run(PROBE.replace('PLANTED', PLANTED))
    return {'seccomp': on(found['seccomp'] == 2 and found['privileges'] == 1),
            'schema check': on(found['kind'] == 'invalid_arguments'), 'redaction': on(PLANTED not in found['secret']),
            'audit': on(audit_lines(hawser) == lines + 1)}


def defaults(hawser):
    """Those and the limits: which of them are not the shipped ones, and what enforces them."""
    limits = json.loads(hawser.ask_binary('config', 'show', '--json'))['limits']
    doctor = {f['key']: f['text'] for f in json.loads(hawser.ask_binary('doctor', '--json'))['findings']}
    return {**probe(hawser), 'limits': {'changed': {k: v['value'] for k, v in limits.items() if v['from'] != 'preset'},
                                        **{k: doctor.get(k, 'nothing') for k in ('memory', 'processes', 'cpu')}}}


def without_checks():
    server = everything()
    server['args'] = ['--require', os.path.join(HERE, 'no-schemas.cjs'), *server['args']]
    return Hawser(config={'mcpServers': {'everything': server}})


def large_call(row, sizes, start):
    """start: Bench.start(), which leaves out who cannot be had."""
    found = start({'without': without_checks, 'with': Hawser, 'executor': Executor, 'floor': Floor})
    samples = {name: [] for name in found}
    code = PROGRAM.replace('BYTES', str(BIG)).replace('WARM', str(sizes.warm)).replace('BIG', str(sizes.big))
    try:
        if 'without' not in found:
            return []
        state = probe(found['without'])
        if (state['schema check'], state['redaction']) != ('off', 'off'):
            raise RuntimeError(f'the checks are not off: {state}')
        for number in range(sizes.rounds):
            order = list(found)
            for name in order[number % len(order):] + order[:number % len(order)]:
                one = found[name]
                samples[name].append(one.big(BIG, sizes) if name == 'floor' else one.run(code))
            print('    ' + ' '.join(f'{name}={values[-1]:.4g}' for name, values in samples.items()), flush=True)
    finally:
        for one in found.values():
            one.stop()
    medians = {name: statistics.median(values) for name, values in samples.items()}
    value = medians.pop('without')
    names = {'with': 'Hawser, checks on', 'executor': 'mcp-use executor', 'floor': 'bare C client'}
    ratio = value / medians['executor'] if 'executor' in medians else None
    return [row('1 MiB echo, no secret known, tool takes any object', 'ms', value,
                {names[name]: median for name, median in medians.items()}, f'<= {MOST_MS}', value <= MOST_MS, ratio,
                'redaction: no ${VAR} in the configuration; schema: {"type":"object"}; strict JSON, audit and seccomp on')]
