# SPDX-License-Identifier: Apache-2.0
"""test-trace-replay.py SIM REPLAY: a trace of the simulation passes; traces with one line spoilt do not."""
import os
import subprocess
import sys
import tempfile

sim, replay = sys.argv[1:]
cases = 0
failed = 0


def check(name, lines, good):
    global cases, failed
    with tempfile.NamedTemporaryFile('w') as f:
        f.writelines(lines)
        f.flush()
        done = subprocess.run([replay, f.name], stdout=subprocess.PIPE, text=True)
    cases += 1
    ok = done.returncode == (0 if good else 1)
    failed += not ok
    print('%s %d - %s' % ('ok' if ok else 'not ok', cases, name))
    for line in done.stdout.splitlines():
        print('# ' + line)


def spoil(name, lines, match, change, from_line=0):
    for i in range(from_line, len(lines)):
        fields = lines[i].split()
        if match(fields):
            check(name, lines[:i] + change(fields) + lines[i + 1:], False)
            return
    check(name + ': no such line', lines, False)


def line(fields):
    return ' '.join(fields) + '\n'


def with_field(at, value):
    return lambda f: [line(f[:at] + [str(value(f[at]))] + f[at + 1:])]


print('1..9')
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'trace')
    subprocess.run([sim, '4', '3000'], env=dict(os.environ, HAWSER_TRACE=path), stdout=subprocess.DEVNULL, check=True)
    trace = open(path).readlines()

check('the simulation, both ends', trace, True)
one = [text for text in trace if ' dialler ' in text]
check('one end alone', one, True)
middle = next(i for i, text in enumerate(one) if ' in dialler BODY ' in text and i > 200)
spoil('a frame is missing', one, lambda f: f[1] == 'in' and f[3] == 'BODY', lambda f: [], middle)
spoil('a number is left out', one, lambda f: f[1] == 'out' and f[3] == 'BODY', lambda f: [], middle)
spoil('credit is exceeded', one, lambda f: f[1] == 'out' and f[3] == 'BODY',
      lambda f: [line(f[:7] + [str(int(f[7]) + n)] + ['65536']) for n in range(5)], middle)
spoil('a stream that never was', one, lambda f: f[1] == 'in' and f[3] == 'BODY', with_field(6, lambda v: 60000), middle)
spoil('an acknowledgement too far', one, lambda f: f[3] == 'ACK' and f[1] == 'in',
      with_field(7, lambda v: (int(v) + 5000) % 2**32), middle)


def behind_reset():
    """A BODY of a stream that was given up, in the place of one of another stream; the stream was still written to."""
    written = {}
    for i, text in enumerate(one):
        fields = text.split()
        if fields[3] == 'PROOF':
            written = {}
        elif fields[1] == 'out':
            written[fields[6]] = fields[4] == '0' and fields[3] in ('OPEN', 'HEAD', 'BODY')
        elif fields[3] == 'RESET' and fields[4] == '0' and written.get(fields[6]):
            stream, number = fields[6], int(fields[5])
            for k in range(i + 1, len(one)):
                later = one[k].split()
                if later[1] == 'out' and later[3] == 'BODY' and later[6] != stream and int(later[7]) > number:
                    return one[:k] + [line(later[:4] + ['0', '0', stream, later[7], '1'])] + one[k + 1:]
    return []


check('a frame behind a RESET that came', behind_reset() or ['none\n'], False)
spoil('not a trace', one, lambda f: True, lambda f: ['hello\n'], middle)
sys.exit(failed > 0)
