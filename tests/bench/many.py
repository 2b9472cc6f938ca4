# SPDX-License-Identifier: Apache-2.0
"""1,000 live tunnels beside 10, through the provider `fake`, with the same load in both: once calls that go around all
tunnels, whose far ends are in one process (crowd.c); once real guests with a few JavaScript runs among tunnels that only
live. An interpreter a tunnel would measure the machine's memory instead of the broker."""
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack

from contenders import Absent, Contender, Hawser, need_command
from extra import pss_mib

FEW, AT_WORK, BUCKET_MS = 10, 10, 50
LEAST_SHARE, MOST_KIB = 0.7, 64
TUNNEL = '0b' * 16
PATIENCE = 60  # seconds until all tunnels live
RUNS_OF_CLIENT = 200  # below what the MCP door has open at once, and core has waiting
RUN_SECONDS = 600
TRIES = 4

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


class Places:
    """Somewhere where N guests listen, each on a socket FOLDER/N.sock, for the provider `fake`."""

    def __init__(self, count):
        self.count = count
        self.folder = tempfile.mkdtemp(prefix='hawser-bench-guests-')
        self.secret = os.urandom(32)
        with open(os.open(os.path.join(self.folder, 'secret'), os.O_WRONLY | os.O_CREAT, 0o600), 'wb') as file:
            file.write(self.secret)

    def provider(self):
        return {'fake': {'unix_path': os.path.join(self.folder, '*.sock'), 'tunnel': TUNNEL, 'sandboxes': self.count,
                         'secret_file': os.path.join(self.folder, 'secret')}}

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Guests(Places):
    """Shipped guests without a wall."""

    def __init__(self, count):
        super().__init__(count)
        self.processes = []

    def __enter__(self):
        try:
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
        self.remove()


class Crowd(Places, Contender):
    """bench-crowd: as many far ends of tunnels in one process, which make calls without an interpreter."""

    def __init__(self, count):
        Contender.__init__(self)
        Places.__init__(self, count)

    def __enter__(self):
        self.spawn([os.path.join(os.environ['HAWSER_BUILD'], 'tests/bench/bench-crowd'), self.folder, str(self.count)])
        assert self.line() == b'ready\n'
        return self

    def order(self, text):
        self.send(text)
        return [float(word) for word in self.line().split()]

    def __exit__(self, *_):
        self.stop()
        self.remove()


class Broker:
    """What both kinds of measurement ask of the broker."""

    def __init__(self, guests, stack, **limits):
        self.guests = guests
        self.hawser = Hawser(config={'providers': [guests.provider()],
                                     'limits': {'runs': guests.count, 'calls': 10000000, **limits}})
        stack.callback(self.hawser.stop)

    def broker_kib(self):
        mib = pss_mib(self.hawser.broker_pid())
        if mib is None:
            raise Absent("the broker's /proc/PID/smaps_rollup cannot be read here")
        return 1024 * mib

    def broker_seconds(self):
        """CPU time that the broker's loop has used; the clock of /proc/PID/stat is too coarse for a short round."""
        try:
            with open(f'/proc/{self.hawser.broker_pid()}/schedstat', encoding='utf-8') as file:
                return int(file.read().split()[0]) / 1e9
        except OSError:
            raise Absent('this kernel has no /proc/PID/schedstat') from None


class Spread(Broker):
    """A run in each of so many tunnels, and calls that go around all of them, AT_WORK at a time."""

    def __init__(self, count, stack):
        super().__init__(stack.enter_context(Crowd(count)), stack, pool=0, yield_ms=1000 * RUN_SECONDS)
        self.hawser.prepare()
        self.hawser.connect()
        self.clients, self.wanted = [], []
        while len(self.wanted) < count:
            self.add_client(min(RUNS_OF_CLIENT, count - len(self.wanted)), stack)

    def add_client(self, runs, stack):
        """The door answers so many requests at once; the next batch comes when these have their tunnels."""
        client = self.hawser.another()
        stack.callback(client.hang_up)
        wanted = [client.begin_run('0', RUN_SECONDS) for _ in range(runs)]
        self.clients.append((client, wanted))
        self.wanted += wanted
        until = time.monotonic() + PATIENCE
        while self.guests.order('runs')[0] < len(self.wanted):
            if time.monotonic() > until:
                raise RuntimeError(f'{self.guests.order("runs")[0]:.0f} of {len(self.wanted)} runs began in {PATIENCE} s')
            time.sleep(0.05)

    def rate(self, sizes):
        """Calls/s, and the CPU time in us that the broker used for each."""
        seconds = self.broker_seconds()
        calls, ms = self.guests.order(f'go {AT_WORK} {sizes.many_ms}')
        return 1000 * calls / ms, 1e6 * (self.broker_seconds() - seconds) / calls

    def end(self):
        """All runs end well: no tunnel was lost on the way."""
        self.guests.order('end')
        for client, wanted in self.clients:
            assert client.values(wanted) == [1] * len(wanted)


class Many(Broker):
    """So many live tunnels, most of them idle."""

    def __init__(self, count, stack):
        super().__init__(stack.enter_context(Guests(count)), stack, pool=count)
        self.hawser.start()
        self.guests.wait_linked()

    def rate(self, sizes):
        """Calls/s of all runs together, while all of them are at work."""
        ms = sizes.many_ms
        for _ in range(TRIES):
            found, first, behind = self.runs(sizes, ms)
            if behind - first >= sizes.many_ms // BUCKET_MS // 2:
                break
            ms *= 2  # interpreters start one after the other on a busy machine
        else:
            raise RuntimeError(f'{AT_WORK} runs were at work together for {(behind - first) * BUCKET_MS} of {ms // 2} ms')
        calls = sum(f['counts'].get(str(b), 0) for f in found for b in range(first, behind))
        return 1000 * calls / ((behind - first) * BUCKET_MS)

    def runs(self, sizes, ms):
        """What the runs counted, and the 50 ms in which all of them were at work: from the first to behind the last."""
        code = PROGRAM.replace('WARM', str(sizes.warm // AT_WORK)).replace('FOR_MS', str(ms))
        found = self.hawser.run_all([code.replace('BUCKET_MS', str(BUCKET_MS))] * AT_WORK)
        self.guests.wait_linked()
        return found, max(f['begin'] for f in found) // BUCKET_MS + 1, min(f['end'] for f in found) // BUCKET_MS


def told(rate):
    return f'{rate:.4g}/s' if isinstance(rate, float) else f'{rate[0]:.4g}/s at {rate[1]:.3g} us'


def rounds_of(all_of, sizes):
    """What rate() gave in interleaved rounds, by number of tunnels."""
    rates = {count: [] for count in all_of}
    for number in range(sizes.rounds):
        for count in sorted(all_of, reverse=number % 2):
            rates[count].append(all_of[count].rate(sizes))
        print('    ' + ' '.join(f'{count}: {told(values[-1])}' for count, values in rates.items()), flush=True)
    return rates


def judge(row, name, few, many, note):
    return row(name, '/s', many, {f'{FEW} tunnels': few}, f'>= {LEAST_SHARE} x {FEW} tunnels', many >= LEAST_SHARE * few,
               many / few, note)


def memory_of_each(row, name, kib, many, note=''):
    each = (kib[many] - kib[FEW]) / (many - FEW)
    return row(name, 'KiB', each, {}, f'<= {MOST_KIB}', each <= MOST_KIB,
               note=f'{note}{kib[many]:.0f} KiB with {many:,}, {kib[FEW]:.0f} KiB with {FEW}')


def calls_of_all(row, sizes):
    """Rows: calls that go around all tunnels."""
    many = sizes.many
    with ExitStack() as stack:
        all_of = {count: Spread(count, stack) for count in (FEW, many)}
        for one in all_of.values():
            one.guests.order(f'go {AT_WORK} {sizes.many_ms}')  # warm
        rates = rounds_of(all_of, sizes)
        kib = {count: one.broker_kib() for count, one in all_of.items()}
        for one in all_of.values():
            one.end()
    (few_rate, few_us), (many_rate, many_us) = (
        (statistics.median(r for r, _ in rates[count]), statistics.median(us for _, us in rates[count])) for count in (FEW, many))
    return [judge(row, f'{many:,} live tunnels, calls around all of them', few_rate, many_rate,
                  f'a run in each tunnel, {AT_WORK} calls open at a time in both; provider fake, far ends in one process'),
            row(f'{many:,} live tunnels, CPU time of the broker a call', 'us', many_us, {f'{FEW} tunnels': few_us},
                ratio=many_us / few_us),
            memory_of_each(row, f'{many:,} live tunnels with a run, broker (PSS) for each', kib, many)]


def calls_beside_idle(row, sizes):
    """Rows: real guests and interpreters; what tunnels cost that only live."""
    need_command('node')
    many = sizes.many
    with ExitStack() as stack:
        all_of = {count: Many(count, stack) for count in (FEW, many)}
        kib = {count: one.broker_kib() for count, one in all_of.items()}
        rates = rounds_of(all_of, sizes)
    few_rate, many_rate = (statistics.median(rates[count]) for count in (FEW, many))
    return [judge(row, f'{many:,} live tunnels, calls of {AT_WORK} runs in JavaScript', few_rate, many_rate,
                  f'{AT_WORK} runs at work in both, the other tunnels live and idle; provider fake, shipped guests, no wall'),
            memory_of_each(row, f'{many:,} live tunnels at rest, broker (PSS) for each', kib, many)]
