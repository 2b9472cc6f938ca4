# SPDX-License-Identifier: Apache-2.0
"""Runs the table of tests/parts.py and counts. Started by tests/run."""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import parts

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(TOP, 'build-logs')
SKIP_STATUS = 77
TIMED = 'timed'  # the suite of the tests that may be run once more
TAIL_LINES = 40
CAUSE = re.compile(r'\berror\b: |^not ok |^(?:FAIL|ERROR): ')  # a line of a log that says what broke
CAUSES_MAX = 20
CLOSING = re.compile(r'^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$')
TAP_LINE = re.compile(r'^\s*(not ok|ok)\b[^#]*(#\s*SKIP\b\s*(.*))?', re.IGNORECASE)


class Count:
    def __init__(self, passed=0, failed=0, skips=(), failures=()):
        self.passed, self.failed, self.skips, self.failures = passed, failed, list(skips), list(failures)
        self.flaky = []  # what failed at first and passed when it was run once more; counted as passed

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skips += other.skips
        self.failures += other.failures
        self.flaky += other.flaky

    def __str__(self):
        return f'{self.passed} passed, {self.failed} failed, {len(self.skips)} skipped'


def count_closing(name, text):
    """What a suite says of itself in its last line, or None."""
    lines = text.rstrip().splitlines()
    found = CLOSING.match(lines[-1].strip()) if lines else None
    if not found:
        return None
    passed, failed, skipped = (int(n or 0) for n in found.groups())
    named = [line.strip() for line in lines if re.match(r'\s*SKIP\b', line)]
    skips = [f'{name}: {line}' for line in named[:skipped]]
    skips += [f'{name}: (not named)'] * (skipped - len(skips))
    failures = [f'{name}: {line.strip()}' for line in lines if re.match(r'\s*FAIL\b', line)] if failed else []
    return Count(passed, failed, skips, failures)


def count_tap(name, text):
    """Subtests of a TAP stream, or None if there is none."""
    if not re.search(r'^\s*1\.\.\d+', text, re.MULTILINE):
        return None
    count = Count()
    for line in text.splitlines():
        found = TAP_LINE.match(line)
        if not found:
            continue
        if found.group(2):
            count.skips.append(f'{name}: {line.strip()}')
        elif found.group(1).lower() == 'ok':
            count.passed += 1
        else:
            count.failed += 1
            count.failures.append(f'{name}: {line.strip()}')
    return count


def count_unittest(name, text):
    """What Python's unittest says, or None."""
    ran = re.search(r'^Ran (\d+) tests? in ', text, re.MULTILINE)
    if not ran:
        return None
    words = dict(re.findall(r'(failures|errors|skipped|unexpected successes)=(\d+)', text[ran.end():]))
    skipped = int(words.pop('skipped', 0))
    failed = sum(map(int, words.values()))
    reasons = re.findall(r"skipped ['\"](.*)['\"]$", text, re.MULTILINE)[:skipped]
    skips = [f'{name}: {r}' for r in reasons] + [f'{name}: (not named)'] * (skipped - len(reasons))
    failures = [f'{name}: {line}' for line in re.findall(r'^(?:FAIL|ERROR): .*', text, re.MULTILINE)]
    return Count(int(ran.group(1)) - failed - skipped, failed, skips, failures)


def count_text(name, text, status):
    """One program: by its closing line, its TAP, or its status; a bad status is a failure whatever it printed."""
    count = count_closing(name, text) or count_tap(name, text) or count_unittest(name, text)
    if status == SKIP_STATUS and (not count or not count.failed):
        last = text.strip().splitlines()[-1:] or ['no reason given']
        return Count(skips=[f'{name}: {last[0]}'])
    if count is None:
        count = Count(passed=1) if status == 0 else Count()
    if status != 0 and not count.failed:
        count.failed += 1
        count.failures.append(f'{name}: ended with status {status}')
    return count


def run(argv, log, limit, env=None):
    """One command with its output in log; its whole process group ends with it. Returns the status, -1 after limit."""
    log.write('$ ' + ' '.join(argv) + '\n')
    log.flush()
    child = subprocess.Popen(argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                             env=dict(os.environ, **(env or {})), start_new_session=True)
    try:
        status = child.wait(limit)
    except subprocess.TimeoutExpired:
        status = -1
        log.write(f'\ntests/run: stopped after {limit} s\n')
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    return status


def do_build(part, log):
    _, folder, cc, options = part.action
    env = {'CC': cc}
    if not os.path.exists(os.path.join(TOP, folder, 'build.ninja')):
        status = run(['meson', 'setup', folder, *options], log, part.limit, env)
    else:
        status = run(['meson', 'configure', folder, *options], log, part.limit, env)
    if status == 0:
        status = run(['ninja', '-C', folder], log, part.limit, env)
    return count_text(part.name, '', status)


def meson_results(folder, base):
    """{name of a test: its line of meson's testlog.json}"""
    path = os.path.join(TOP, folder, 'meson-logs', f'{base}.json')
    if not os.path.exists(path):
        return {}
    with open(path, encoding='utf-8', errors='replace') as lines:
        return {test['name']: test for test in map(json.loads, lines)}


def meson_test(part, base, wanted, log):
    folder = part.action[1]
    path = os.path.join(TOP, folder, 'meson-logs', f'{base}.json')
    if os.path.exists(path):
        os.unlink(path)
    argv = ['meson', 'test', '-C', folder, '--no-rebuild', '--logbase', base, '--print-errorlogs', *wanted]
    status = run(argv, log, part.limit, {'HAWSER_BUILD': os.path.join(TOP, folder)})
    return status, meson_results(folder, base)


def do_suites(part, log):
    """A program of the suite "timed" that failed is run once more, alone: it measures time, and on a machine that others
    use too such a test can fail by itself. What passes then is counted as passed and named as flaky at the end; what
    fails twice, and what fails without measuring time, is a failure."""
    _, folder, names = part.action
    listed = subprocess.run(['meson', 'introspect', folder, '--tests'], cwd=TOP, capture_output=True, text=True)
    suites = {test['name']: {suite.split(':')[-1] for suite in test['suite']} for test in json.loads(listed.stdout or '[]')}
    there = [n for n in names if any(n in known for known in suites.values())]
    if not there:
        return Count(skips=[f'{part.name}: no test is registered in the suites {", ".join(names)}'])
    status, results = meson_test(part, part.name, [word for name in there for word in ('--suite', name)], log)
    count = Count()
    for name, test in results.items():
        one, short = count_meson(test), name.split(' / ')[-1]
        if one.failed and TIMED in suites.get(short, ()):
            _, again = meson_test(part, part.name + '-again', [short], log)
            second = count_meson(again[name]) if name in again else one
            second.flaky = [] if second.failed else one.failures
            one = second
        count.add(one)
    if status != 0 and not results:
        count.add(count_text(part.name, '', status))
    return count


def count_meson(test):
    """One line of meson's testlog.json."""
    name, result, text = test['name'], test['result'], (test.get('stdout') or '') + (test.get('stderr') or '')
    if result in ('SKIP',):
        return count_text(name, text, SKIP_STATUS)
    good = result in ('OK', 'EXPECTEDFAIL')
    count = count_text(name, text, 0 if good else test.get('returncode') or result)
    return count


def do_script(part, log):
    start = log.tell()
    status = run(list(part.action[1]), log, part.limit, {'HAWSER_BUILD': os.path.join(TOP, 'build-release')})
    with open(log.name, encoding='utf-8', errors='replace') as text:
        text.seek(start)
        return count_text(part.name, text.read(), status)


def missing(part, passed):
    """Why this part cannot run, or None."""
    wanted = list(part.needs)
    if part.action[0] == 'script' and '/' in part.action[1][0]:
        wanted.append(part.action[1][0])
    for need in wanted:
        if not (os.path.exists(os.path.join(TOP, need)) if '/' in need else shutil.which(need)):
            return f'{need} is missing'
    for name in part.after:
        if name in passed and not passed[name]:
            return f'part {name} failed'
    return None


ACTIONS = {'build': do_build, 'suites': do_suites, 'script': do_script}


def run_part(part, passed):
    reason = missing(part, passed)
    if reason:
        return Count(skips=[f'{part.name}: {reason}']), None
    path = os.path.join(LOGS, part.name + '.log')
    with open(path, 'w', encoding='utf-8', errors='replace') as log:
        return ACTIONS[part.action[0]](part, log), path


def show(count, path):
    for line in count.failures:
        print(f'    FAIL {line}')
    for line in count.flaky:
        print(f'    FLAKY {line}')
    for line in count.skips:
        print(f'    SKIP {line}')
    if count.failed and path:
        with open(path, encoding='utf-8', errors='replace') as text:
            lines = text.read().splitlines()
        early = [line for line in lines[:-TAIL_LINES] if CAUSE.search(line)][:CAUSES_MAX]
        for line in early + ['...'] * bool(early) + lines[-TAIL_LINES:]:
            print('    | ' + line[:300])
        print(f'    whole log: {os.path.relpath(path, TOP)}')


def choose(words):
    table = {p.name: p for p in parts.PARTS}
    unknown = [w for w in words if w not in table]
    if unknown:
        sys.exit(f'tests/run: no part is called {unknown[0]}; there are: {" ".join(table)}')
    wanted = set()

    def want(name):
        wanted.add(name)
        for other in table[name].after:
            want(other)

    for word in words:
        want(word)
    return [p for p in parts.PARTS if p.name in wanted]


def arguments():
    parser = argparse.ArgumentParser(prog='tests/run', description='Builds and tests everything; ends with '
                                     '"N passed, N failed, N skipped"; status 1 if anything failed.')
    parser.add_argument('part', nargs='*', help='run these parts only, with the builds they need (see --list)')
    parser.add_argument('--quick', action='store_true', help='only ' + ', '.join(parts.QUICK))
    parser.add_argument('--list', action='store_true', help='list the parts and leave')
    parser.add_argument('--no-install', action='store_true', help='do not install Debian packages')
    return parser.parse_args()


def main():
    args = arguments()
    if args.list:
        for part in parts.PARTS:
            print(f'{part.name:10} {part.what}' + (' (only when named)' if part.name in parts.EXTRA else ''))
        return 0
    chosen = choose(args.part or (parts.QUICK if args.quick else [p.name for p in parts.PARTS if p.name not in parts.EXTRA]))
    os.makedirs(LOGS, exist_ok=True)
    print(f'==> tests/run: {len(chosen)} parts; logs in {os.path.relpath(LOGS, TOP)}/', flush=True)
    total, passed, began = Count(), {}, time.monotonic()
    for number, part in enumerate(chosen, 1):
        print(f'[{number:2}/{len(chosen)}] {part.name:10} {part.what} ...', flush=True)
        start = time.monotonic()
        count, path = run_part(part, passed)
        passed[part.name] = not count.failed
        total.add(count)
        print(f'        {part.name:10} {count}  ({time.monotonic() - start:.0f} s)', flush=True)
        show(count, path)
        sys.stdout.flush()
    print(f'==> {time.monotonic() - began:.0f} s')
    for line in total.failures:
        print(f'FAIL {line}')
    for line in total.flaky:
        print(f'FLAKY {line} (passed when it was run once more)')
    for line in total.skips:
        print(f'SKIP {line}')
    print(total)
    return 1 if total.failed or not total.passed else 0


if __name__ == '__main__':
    sys.exit(main())
