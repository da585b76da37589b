"""Starts new processes in turn and measures each from birth to end.

usage: processes.py ROUNDS ID=COMMAND...

Prints for each ID its wall time and its peak memory; what a program prints about itself
(name=number words on its only line) becomes ID_name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

UNITS = {"wall": "ns", "peak": "bytes", "inside": "ns", "grown": "bytes"}


def run(command: list[str]) -> dict[str, float]:
    began = time.perf_counter_ns()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter_ns() - began
    if process.returncode != 0:
        sys.exit(f"{command} ended with status {process.returncode}")
    figures = {"wall": float(wall), "peak": usage.ru_maxrss * 1024.0}
    for word in said.split():
        name, value = word.split("=")
        figures[name] = float(value)
    return figures


def main() -> None:
    rounds = int(sys.argv[1])
    commands = {}
    for argument in sys.argv[2:]:
        name, words = argument.split("=", 1)
        commands[name] = words.split()
    samples: dict[str, list[float]] = {}
    for command in commands.values():
        run(command)  # files are in the page cache, Python's bytecode is written
    for _ in range(rounds):
        for name, command in commands.items():
            for figure, value in run(command).items():
                samples.setdefault(f"{name}.{figure}", []).append(value)
    for name, values in samples.items():
        unit = UNITS[name.rsplit(".", 1)[1]]
        print(json.dumps({"id": name, "unit": unit, "samples": values}))


main()
