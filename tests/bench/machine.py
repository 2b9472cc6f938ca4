# SPDX-License-Identifier: Apache-2.0
"""What a figure was measured on, without any name of the machine."""
import os
import platform
import re
import subprocess


def first_line(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()[0]
    except (OSError, IndexError):
        return 'none'


def read(path, pattern):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
        return found.group(1).strip() if found else 'unknown'
    except OSError:
        return 'unknown'


def describe():
    memory = read('/proc/meminfo', r'^MemTotal:\s*(\d+)')
    return {'cpu': read('/proc/cpuinfo', r'^model name\s*:(.*)$'), 'cpus': os.cpu_count(),
            'memory_gib': round(int(memory) / 2**20, 1) if memory.isdigit() else memory,
            'kernel': platform.release().split('-')[0], 'system': read('/etc/os-release', r'^PRETTY_NAME="?([^"\n]*)'),
            'virtual': 'yes' if 'hypervisor' in read('/proc/cpuinfo', r'^flags\s*:(.*)$').split() else 'no',
            'node': first_line('node', '--version'), 'compiler': first_line('gcc', '--version'),
            'load': f'{os.getloadavg()[0]:.1f}'}
