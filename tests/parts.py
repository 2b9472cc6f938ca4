# SPDX-License-Identifier: Apache-2.0
"""The parts of tests/run, in the order in which they run. To register a suite, add a line.

Part(name, what, action, needs=[...], after=[...], limit=SECONDS)
  action  build(dir, options...)           set up and compile a build folder
          suites(dir, names...)            `meson test` of these suites in it; TAP subtests are counted
          script(argv...)                  any program; it may print "N passed, N failed[, N skipped]" as a last line (then
                                           that is counted, "SKIP name: what is missing" lines are shown), else it counts as
                                           one test by its exit status (77 = skipped)
  needs   commands, or paths in the repository ("deploy/x"): where one is missing the part is a skip that names it
  after   parts that must have passed, else this one is a skip that names them
A script finds the build to test in $HAWSER_BUILD (the release build).
"""
from collections import namedtuple

Part = namedtuple('Part', 'name what action needs after limit')


def part(name, what, action, needs=(), after=(), limit=300):
    return Part(name, what, action, tuple(needs), tuple(after), limit)


def build(folder, *options, cc='gcc'):
    return ('build', folder, cc, options)


def suites(folder, *names):
    return ('suites', folder, names)


def script(*argv):
    return ('script', argv)


CORE = ('unit', 'scenario', 'fuzz', 'conformance')
SANITIZE = ('-Db_sanitize=address,undefined', '-Db_lundef=false')

PARTS = [
    # cheap static checks first
    part('edges', 'includes only point down', script('tests/checks/edges.py'), ['git']),
    part('format', 'clang-format leaves the sources as they are', script('tests/checks/format'), ['clang-format']),
    part('lint', 'shell and Python sources', script('tests/checks/lint')),
    # plain, with gcc
    part('peers', 'npm and PyPI packages that tests talk to', script('tests/peers'), limit=600),
    part('gcc', 'build with gcc, warnings are errors', build('build-gcc', '-Dwerror=true'), ['gcc'], limit=600),
    part('unit', 'unit, scenario, fuzz corpora, conformance', suites('build-gcc', *CORE), after=['gcc'], limit=600),
    # sanitised, with clang
    part('clang', 'build with clang, warnings are errors', build('build-clang', '-Dwerror=true', cc='clang'), ['clang'],
         limit=600),
    part('asan', 'build with clang, ASan and UBSan', build('build-asan', '-Dwerror=true', *SANITIZE, cc='clang'),
         ['clang'], limit=600),
    part('sanitized', 'the same tests under ASan and UBSan', suites('build-asan', *CORE), after=['asan'], limit=900),
    # the shipped build, from outside
    part('release', 'release build with LTO', build('build-release', '-Dbuildtype=release', '-Db_lto=true'), ['gcc'],
         limit=600),
    part('demo', 'deploy/quickstart, once more', script('tests/e2e/demo'), after=['release']),
    part('e2e', 'the shipped binary with real servers and clients', suites('build-release', 'e2e'), after=['release'],
         limit=1500),
    part('attacks', 'hostile programs in the sandbox', suites('build-release', 'attacks'), after=['release'], limit=600),
    part('cuts', 'cut links, short form', script('tests/cuts/run'), after=['release'], limit=900),
    part('fault', 'broken disks, servers and clients', suites('build-release', 'fault'), after=['release'], limit=600),
    # slow static checks
    part('tidy', 'clang-tidy', script('tests/checks/tidy', 'build-clang'), ['clang-tidy'], ['clang'], limit=2400),
    part('cppcheck', 'cppcheck', script('tests/checks/cppcheck'), ['cppcheck'], limit=600),
    part('bench', 'the bench harness runs (short form; figures are not judged)',
         script('tests/bench/run', '--smoke'), after=['release'], limit=300),
    part('vm', 'kernels that this machine has not: cgroup v2, netem, AppArmor', script('tests/vm/run'), after=['release'],
         limit=2400),
    part('fresh', 'quickstart and quick tests on a fresh Debian 12', script('tests/fresh/run', '--quick'),
         ['mmdebstrap'], limit=900),
    part('trixie', 'build, demo and quick tests on a fresh Debian 13', script('tests/fresh/run', '--trixie'),
         ['mmdebstrap'], limit=900),
]

# Longer ones: only when they are named.
EXTRA = ('vm', 'trixie')

QUICK = ('edges', 'gcc', 'unit')
