#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns files into a C table: embed.py OUT BASE FILE..."""
import os
import sys


def main():
    out, base, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    lines = ['/* Made by embed.py. */', '#include "tunnel/guest/install.h"', '']
    table = []
    for i, path in enumerate(files):
        with open(path, "rb") as f:
            data = f.read()
        lines.append("static const unsigned char file%d[] = {" % i)
        for at in range(0, len(data), 24):
            lines.append("\t" + "".join("%d," % b for b in data[at:at + 24]))
        lines.append("};")
        table.append('\t{"%s", file%d, %d},' % (os.path.relpath(path, base), i, len(data)))
    lines += ["", "const struct embedded_file embedded_shims[] = {", *table, "\t{NULL, NULL, 0},", "};", ""]
    with open(out, "w", encoding="utf-8") as f:
        f.write("\n".join(lines))


main()
