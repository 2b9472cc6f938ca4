# SPDX-License-Identifier: Apache-2.0
"""What a call costs whose guest is far away: the shipped guest in a network name space of its own behind a delay, dialled
by ws:// (provider `fake`), as tests/e2e/remote rehearses it."""
import os
import statistics
import sys
from contextlib import ExitStack

from contenders import TOP, Absent, Hawser, need_command

DELAY_MS = 20  # each way
MOST_MS = 2  # over one round trip

PROGRAM = '''
const took = [];
for (let i = 0; i < COUNT + 5; i++) {
  const begin = performance.now();
  await everything.echo({ message: "x" });
  took.push(performance.now() - begin);
}
return took.slice(5).sort((a, b) => a - b)[Math.floor(COUNT / 2)];
'''


def rehearsal():
    """The modules of tests/e2e/remote. They read $HAWSER_BUILD when they are imported, which main() sets."""
    sys.path[:0] = [os.path.join(TOP, 'tests', *where) for where in (('e2e', 'remote'), ('support',))]
    # pylint: disable=import-outside-toplevel,import-error
    import remote
    import rig
    import spaces
    return remote, rig, spaces


def start(stack, net, remote, rig):
    """Hawser at the near end and a way to connect to the guest's port as it does."""
    guest = stack.enter_context(rig.FarGuest(net))
    secret = os.path.join(guest.dir, 'secret')
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), 'wb') as file:
        file.write(guest.secret)
    provider = {'url': f'ws://{rig.FAR}:{guest.port}/tunnel', 'secret_file': secret, 'tunnel': rig.TUNNEL}
    hawser = Hawser(config={'providers': [{'fake': provider}], 'limits': {'pool': 0, 'runs': 1}})
    stack.callback(hawser.stop)
    return hawser.start(), remote.far_connect(guest.port)


def remote_call(row, sizes):
    """Rounds of: the round trip now (TCP handshakes, before and after), and a run of sequential calls between."""
    need_command('node')
    remote, rig, spaces = rehearsal()
    over, trips = [], []
    delay_line = os.path.join(os.environ['HAWSER_BUILD'], 'tests/e2e/remote/delay-line')
    with ExitStack() as stack:
        try:
            net = stack.enter_context(spaces.Net(DELAY_MS, delay_line))
        except spaces.Missing as what:
            raise Absent(str(what)) from None
        hawser, connect = start(stack, net, remote, rig)
        for _ in range(sizes.rounds):
            before = rig.round_trip(connect, 5)
            took = hawser.run(PROGRAM.replace('COUNT', str(sizes.far)))
            trips.append((before + rig.round_trip(connect, 5)) / 2)
            over.append(took - trips[-1])
            print(f'    call={took:.4g} round trip={trips[-1]:.4g}', flush=True)
        name = net.cable.name
    value = statistics.median(over)
    return [row('a remote call, over one round trip', 'ms', value, {'round trip': statistics.median(trips)}, f'< {MOST_MS}',
                value < MOST_MS, note=f'sequential calls, guest behind {name} in a network name space of its own, ws://')]
