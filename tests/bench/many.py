# SPDX-License-Identifier: Apache-2.0
"""1,000 live tunnels beside 10: guests of our own making behind the provider `fake`, the same number of runs at work in
both, all other tunnels live and idle. An interpreter a tunnel would measure the machine's memory instead of the broker."""
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack

from contenders import Absent, Hawser, need_command
from extra import pss_mib

FEW, AT_WORK, BUCKET_MS = 10, 10, 50
LEAST_SHARE, MOST_KIB = 0.7, 64
TUNNEL = '0b' * 16
PATIENCE = 60  # seconds until all tunnels live

# Calls in a loop; how many ended in which 50 ms, so that only the time in which all runs were at work counts.
PROGRAM = '''
const call = () => everything.echo({ message: "x" });
for (let i = 0; i < WARM; i++) await call();
const counts = {}, begin = Date.now();
let now = begin;
while (now < begin + FOR_MS) {
  await call();
  now = Date.now();
  const bucket = Math.floor(now / BUCKET_MS);
  counts[bucket] = (counts[bucket] || 0) + 1;
}
return { begin, end: now, counts };
'''


class Guests:
    """N shipped guests without a wall, each on a socket FOLDER/N.sock."""

    def __init__(self, count):
        self.count, self.processes = count, []
        self.folder = tempfile.mkdtemp(prefix='hawser-bench-guests-')
        self.secret = os.urandom(32)

    def __enter__(self):
        try:
            with open(os.open(os.path.join(self.folder, 'secret'), os.O_WRONLY | os.O_CREAT, 0o600), 'wb') as file:
                file.write(self.secret)
            with open(os.path.join(self.folder, 'log'), 'wb') as log:
                for number in range(self.count):
                    self.processes.append(self.spawn(number, log))
        except BaseException:
            self.__exit__()
            raise
        return self

    def spawn(self, number, log):
        program = os.path.join(os.environ['HAWSER_BUILD'], 'tunnel/guest/hawser-guest')
        read, write = os.pipe()
        os.write(write, self.secret)
        os.close(write)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(os.path.join(self.folder, f'{number}.sock'))
            listener.listen(8)
            try:
                return subprocess.Popen(
                    [program, 'serve', '--listen-fd', str(listener.fileno()), '--secret-fd', str(read), '--tunnel', TUNNEL,
                     '--interpreter', 'javascript=' + os.path.realpath(shutil.which('node'))],
                    pass_fds=[listener.fileno(), read], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd='/',
                    env={'PATH': os.environ.get('PATH', ''), 'HOME': self.folder})
            finally:
                os.close(read)

    def provider(self):
        return {'fake': {'unix_path': os.path.join(self.folder, '*.sock'), 'tunnel': TUNNEL, 'sandboxes': self.count,
                         'secret_file': os.path.join(self.folder, 'secret')}}

    def linked(self):
        """How many have a link now: their ends of it bear the path of the listener."""
        with open('/proc/net/unix', encoding='utf-8') as file:
            return sum(1 for line in file if self.folder in line and line.split()[5] == '03')

    def wait_linked(self):
        until = time.monotonic() + PATIENCE
        while self.linked() < self.count:
            if time.monotonic() > until:
                raise RuntimeError(f'{self.linked()} of {self.count} tunnels live after {PATIENCE} s')
            time.sleep(0.05)

    def __exit__(self, *_):
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
        for process in self.processes:
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Many:
    """Hawser with so many live tunnels."""

    def __init__(self, count, stack):
        self.guests = stack.enter_context(Guests(count))
        self.hawser = Hawser(config={'providers': [self.guests.provider()],
                                     'limits': {'pool': count, 'runs': count, 'calls': 1000000}})
        stack.callback(self.hawser.stop)
        self.hawser.start()
        self.guests.wait_linked()

    def broker_kib(self):
        mib = pss_mib(self.hawser.broker_pid())
        if mib is None:
            raise Absent("the broker's /proc/PID/smaps_rollup cannot be read here")
        return 1024 * mib

    def broker_seconds(self):
        """CPU time that the broker has used."""
        with open(f'/proc/{self.hawser.broker_pid()}/stat', encoding='utf-8') as file:
            fields = file.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def rate(self, sizes):
        """Calls/s of all runs together, while all of them are at work; CPU time in us that the broker used for each."""
        seconds = self.broker_seconds()
        code = PROGRAM.replace('WARM', str(sizes.warm // AT_WORK)).replace('FOR_MS', str(sizes.many_ms))
        found = self.hawser.run_all([code.replace('BUCKET_MS', str(BUCKET_MS))] * AT_WORK)
        first = max(f['begin'] for f in found) // BUCKET_MS + 1
        behind = min(f['end'] for f in found) // BUCKET_MS
        if behind - first < sizes.many_ms // BUCKET_MS // 4:
            raise RuntimeError(f'{AT_WORK} runs were at work together for {(behind - first) * BUCKET_MS} ms only')
        calls = sum(f['counts'].get(str(b), 0) for f in found for b in range(first, behind))
        self.guests.wait_linked()
        used = 1e6 * (self.broker_seconds() - seconds)
        all_calls = sum(sum(f['counts'].values()) for f in found) + sizes.warm // AT_WORK * AT_WORK
        return 1000 * calls / ((behind - first) * BUCKET_MS), used / all_calls


def live_tunnels(row, sizes):
    """Rows: what the tunnels cost the broker in calls/s and in memory."""
    need_command('node')
    with ExitStack() as stack:
        all_of = {count: Many(count, stack) for count in (FEW, sizes.many)}
        kib = {count: one.broker_kib() for count, one in all_of.items()}
        rates, costs = {count: [] for count in all_of}, {count: [] for count in all_of}
        for number in range(sizes.rounds):
            for count in sorted(all_of, reverse=number % 2):
                rate, cost = all_of[count].rate(sizes)
                rates[count].append(rate)
                costs[count].append(cost)
            print('    ' + ' '.join(f'{count}: {rates[count][-1]:.4g}/s {costs[count][-1]:.3g} us' for count in all_of), flush=True)
    few, many = (statistics.median(rates[count]) for count in (FEW, sizes.many))
    few_us, many_us = (statistics.median(costs[count]) for count in (FEW, sizes.many))
    each = (kib[sizes.many] - kib[FEW]) / (sizes.many - FEW)
    note = f'{AT_WORK} runs at work in both, the other tunnels live and idle; provider fake, no wall'
    return [row(f'{sizes.many:,} live tunnels, calls of {AT_WORK} runs', '/s', many, {f'{FEW} tunnels': few},
                f'>= {LEAST_SHARE} x {FEW} tunnels', many >= LEAST_SHARE * few, many / few, note),
            row(f'{sizes.many:,} live tunnels, CPU time of the broker a call', 'us', many_us, {f'{FEW} tunnels': few_us},
                ratio=many_us / few_us, note='the making of sandboxes between the rounds is in it'),
            row(f'{sizes.many:,} live tunnels, broker (PSS) for each', 'KiB', each, {}, f'<= {MOST_KIB}', each <= MOST_KIB,
                note=f'{kib[sizes.many]:.0f} KiB with {sizes.many:,}, {kib[FEW]:.0f} KiB with {FEW}; no call was made yet')]
