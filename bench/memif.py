#!/usr/bin/env python3
"""memif.py -- the windows of bench/memif.sh, and the table it prints. What counts is the median of the windows."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from bench import CASES, OUT, amount, cycles_between, load, machine, prefer, say, stats, worker_cpu, wrong_with

NAMES = ("ticket", "id", "rsa-gcm", "ecdhe-rsa", "ecdhe-ecdsa", "bulk-gcm")
KEYS = ("pk_step", "pk_whole", "pk_key", "curves")


def window(case, seconds):
    path = os.path.join(os.environ["FARM_DIR"], "window.json")
    before = stats()
    out = subprocess.run(["taskset", "-c", os.environ["CLIENT_CORE"], os.environ["FARM_BIN"] + "/hfbench", "-q",
                          "--port", os.environ["BENCH_DEVICE"], "--from", os.environ["BENCH_FROM"], "--mix", case.mix,
                          "--cipher", case.cipher, "--close", case.closing, "--sni", os.environ["FARM_SNI"], "--ca",
                          os.environ["FARM_CA"], "--json", path, "--cpu-of", os.environ["BENCH_APPLIANCE"], *case.options, "-c", str(case.clients),
                          "-d", str(seconds), os.environ["BENCH_TO"]], capture_output=True, text=True)
    if out.returncode == 2:
        raise SystemExit(out.stderr)
    with open(path) as f:
        m = json.load(f)
    cycles = {k[:-3]: v / 1000 for k, v in cycles_between(before, stats()).items()}
    idle = cycles.pop("idle")
    served = max(amount(case, m), 1e-9)
    return {"us": sum(cycles.values()) / served, "keys_us": sum(cycles[k] for k in KEYS) / served,
            # Of the clock, which goes on while others have the core; of the thread's CPU, less the turns in vain.
            "cpu_us": (worker_cpu(m) * 1e6 - idle) / served, "parts": {k: v / served for k, v in cycles.items()}, "rate": served / m["seconds"],
            "client_us": m["client_us_each"], "frames": (m["frames_in"] + m["frames_out"]) / served,
            "resent": m["resent"], "gaps": m["gaps"], "wrong": wrong_with(case, m)}


def measure(case, options):
    window(case, 1)  # warms up
    windows = [window(case, options.seconds) for _ in range(options.rounds)]
    for w in windows:
        if w["wrong"]:
            say("  %s: %s" % (case.name, w["wrong"]))
    good = [w for w in windows if not w["wrong"]]
    return {"title": case.title, "unit": case.unit, "cipher": case.cipher, "windows": windows, "clients": case.clients,
            "seconds": options.seconds, "at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
            **({k: statistics.median(w[k] for w in good) for k in ("us", "cpu_us", "keys_us", "rate", "client_us", "frames")} if good else {})}


def line(name, r):
    if "us" not in r:
        return "%-12s no good window" % name
    us = [w["us"] for w in r["windows"] if not w["wrong"]]
    each = "Gbit" if r["unit"] == "Gbit" else "handshake"
    text = "%-12s %8.1f us of the clock, %.1f of CPU for each %s (%.1f to %.1f): keys and curves %.1f, the rest %.1f; %.4g/s, client %.1f us" % (
        name, r["us"], r["cpu_us"], each, min(us), max(us), r["keys_us"], r["us"] - r["keys_us"], r["rate"], r["client_us"])
    return text + ("; %.2f Gbit/s in a worker's CPU second" % (1e6 / r["cpu_us"]) if each == "Gbit" else "")


def main(argv):
    p = argparse.ArgumentParser()
    p.add_argument("--case", default=",".join(NAMES))
    p.add_argument("--seconds", type=int, default=3)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--nice", type=int, default=0)
    p.add_argument("--out", default=OUT)
    o = p.parse_args(argv)
    known = {c.name: c for c in CASES if c.name in NAMES}
    unknown = set(o.case.split(",")) - set(known)
    if unknown:
        p.error("no such case: %s; there are %s" % (", ".join(sorted(unknown)), ", ".join(NAMES)))
    if o.nice:
        prefer([os.getpid(), int(os.environ["BENCH_APPLIANCE"])], o.nice)
    results = load(o.out)
    found = results.setdefault("memif", {"cases": {}})
    found["machine"] = machine()
    results.setdefault("machine", found["machine"])  # nothing else was measured yet
    results.setdefault("versions", {})
    found["commit"] = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    for name in o.case.split(","):
        found["cases"][name] = measure(known[name], o)
        print(line(name, found["cases"][name]), flush=True)
        parts = {}
        for w in found["cases"][name]["windows"]:
            for k, v in w["parts"].items():
                parts.setdefault(k, []).append(v)
        print("   " + "  ".join("%s %.2f" % (k, statistics.median(v)) for k, v in parts.items() if statistics.median(v) >= 0.05),
              flush=True)
    with open(o.out + ".new", "w") as f:
        json.dump(results, f, indent=1)
    os.replace(o.out + ".new", o.out)
    subprocess.run([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "report.py"), o.out], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
