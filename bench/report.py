#!/usr/bin/env python3
"""report.py -- bench/results/REPORT.md and its pictures out of bench.json. Nothing in it is written by hand:
what cannot be told from the results is not told.

    bench/report.py [bench.json]       the report and the pictures are put beside it
"""
import json
import os
import shutil
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import CASES, SPREAD, STEADY, STEADY_LEAST, good, middle_half, peak, ratios  # noqa: E402

READ = """A rate "per CPU s" is what was served, divided by the CPU seconds that all processes of the server received
(hfrelay's are the appliance's) and the kernel's interrupt thread of their core beside them; of interrupts that met
whoever else ran, or nobody, its share by time is added. Ratios are formed within a round and their median counts; "spread" is the width
of the middle half of them over the median, and rounds go on until it is within {spread:.0%} for every peer. Latencies
are those of an open loop, counted from when a connection was meant to start, at half and at nine tenths of each
server's own peak. For the latter, where a machine that has become slower makes a queue without end, the peak is taken
anew right before and again right behind, within two seconds (hfbench --near-peak: a closed loop for half a second, an open loop for one, a
closed loop again; whatever was meant to start has its end before that, and counts). A turn counts where both peaks are the same within
{steady:.0%} (all do, where fewer than {least} are so): the one whose p99 is in the middle stands here, with the p99 of each in
brackets, and of how many turns they are. Where a case says so, each window comes after a warm-up, a part of a second of the same load that is not counted: a
client just started finds its memory cold, and the server its code. The wire is a veth pair in one machine: the appliance reads and writes every frame of 1,500 bytes
through AF_XDP or af_packet (each case says which), the peers use the kernel's TCP, which hands its bulk over in pieces
of up to 64 KB that no cable carries. Interrupt work is done by the core that receives: on a veth alone the sender's
core would pay for it. Packet steering sees to that, or with AF_XDP, which is before it, a thread of the kernel that polls the appliance's interface
on the servers' core and counts as a process of the appliance. It is batch work, so that it does not break in on the worker for every
frame, as no queue of a card that the worker polls would; polled in the same way the peers' wire made nginx (http), the one tried, no faster. The client
({client}) shares the machine, and its core the web server behind all, which with --nice goes first there: nobody's reply waits for the client. In most cases its TCP is its own, over
packet sockets of Linux, with every server alike: it takes their frames as they come, several segments in one where a kernel sends them so,
costs less than half of what the kernel's sockets do where handshakes are many (a resumption), and polls, so that its core looks busier than it is. Each case says whose it was; where the client's
core was full (see the split) rates are a lower bound, rates per CPU s are
not. "For frames" is what of the appliance's CPU time the wire took: the worker's taking and sending of frames, and the kernel's
thread and interrupts beside it; a card of its own asks for less. Connections end by reset, so that the client's ports do not run out; where a handshake ends with the client's
word (ticket, id) not before the server has answered its close_notify."""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in r) + " |" for r in rows]) + "\n"


def figure(v):
    if v is None:
        return "-"
    return "%.0f" % v if abs(v) >= 100 else "%.1f" % v if abs(v) >= 10 else "%.2f" % v


def names_of(case):
    return [n for n in case["rounds"][0]] if case["rounds"] else []


def median(case, name, key):
    values = [r[name][key] for r in case["rounds"] if good(r, name)]
    return statistics.median(values) if values else None


def best_peer(case):
    peers = [n for n in names_of(case) if n != "handfast" and median(case, n, "per_cpu")]
    return max(peers, key=lambda n: median(case, n, "per_cpu")) if peers else None


def ratio_text(values):
    if not values:
        return "-"
    return "%.2f (%.2f to %.2f)" % (statistics.median(values), min(values), max(values))


def order(results):
    return [(c.name, results["cases"][c.name]) for c in CASES if c.name in results["cases"]]


# ---- parts -------------------------------------------------------------------------------------------

def part_machine(results):
    m = results["machine"]
    lines = ["- %s, %d cores%s, Linux %s" % (m["cpu"], m["cores"], ", virtual" if m["hypervisor"] else "", m["kernel"]),
             "- instructions: %s%s" % (" ".join(m["flags"]),
                                       "; not here: " + " ".join(m["lacks"]) if m["lacks"] else ""),
             "- %s; %s" % (m["openssl"], ", ".join("%s %s" % nv for nv in results["versions"].items()))]
    if m.get("awake"):
        lines.append("- no core halts while servers are measured (/dev/cpu_dma_latency): a virtual one comes back when its host has time for it")
    lines += ["- appliance's plan: " + " ".join(l.split()) for l in results.get("plan", [])]
    ran = {}
    for _, case in order(results):
        for r in case.get("rounds", []):
            for engine, n in r.get("handfast", {}).get("engines", {}).items():
                ran[engine] = ran.get(engine, 0) + n
    if ran:
        lines.append("- private-key engines that computed, with operations: " +
                     ", ".join("%s %d" % e for e in sorted(ran.items())))
        if not any(e.startswith(("rsa_", "x25519_", "p256_")) for e in ran):
            lines.append("- **No batch kernel ran: this processor lacks what they need. Every private-key operation was "
                         "libcrypto's on all sides, so these ratios measure the bypass alone.**")
    return "\n".join(lines) + "\n"


def frames_share(case):
    """What of the appliance's CPU time frames took, per cent."""
    shares = [((w["cycles"].get("rx_ns", 0) + w["cycles"].get("tx_ns", 0)) / 1e9 + w["cpu"] - w["worker_cpu"] - w["relay_cpu"]) / w["cpu"]
              for w in (r["handfast"] for r in case["rounds"] if good(r, "handfast")) if "cycles" in w and "worker_cpu" in w]
    return "%.0f %%" % (100 * statistics.median(shares)) if shares else "-"


def near_peak_p99(case):
    """The appliance's p99 at nine tenths of its peak, and the lowest of its peers', ms."""
    p99 = {n: v["90"]["ms"]["p99"] for n, v in case["latency"].items() if "90" in v and not v["90"]["wrong"]}
    ours, lowest = p99.pop("handfast", None), min(p99, key=p99.get, default=None)
    return [figure(ours), "%s %s" % (lowest, figure(p99[lowest])) if lowest else "-"]


def part_summary(results):
    rows = []
    for name, case in order(results):
        if "rounds" not in case:
            continue
        peer = best_peer(case)
        ours, theirs = median(case, "handfast", "per_cpu"), median(case, peer, "per_cpu") if peer else None
        v = ratios(case["rounds"], peer) if peer else []
        rows.append([name, case["title"], figure(ours), "%s %s" % (peer or "-", figure(theirs)), ratio_text(v),
                     "%.0f %%" % (100 * middle_half(v)) if v else "-", len(v),
                     "yes" if case["settled"] else "**no**", frames_share(case), *near_peak_p99(case)])
    return table(["case", "", "appliance, per CPU s", "best peer, per CPU s", "ratio, median (range)", "spread", "rounds",
                  "settled", "for frames", "p99 at 90 % of peak, ms", "lowest peer's"], rows)


def part_case(name, case):
    rows, split = [], []
    peers = names_of(case)
    for n in peers:
        v = ratios(case["rounds"], n) if n != "handfast" else []
        bad = sum(1 for r in case["rounds"] if n in r and r[n]["wrong"])
        steal = max(r[n]["server_core"]["steal"] for r in case["rounds"] if n in r)
        rows.append([n, figure(peak(case, n)), figure(median(case, n, "per_cpu")), ratio_text(v),
                     "%.0f %%" % (100 * middle_half(v)) if v else "-",
                     "%d of %d" % (len(case["rounds"]) - bad, len(case["rounds"])), "%.0f %%" % (100 * steal)])
        last = [r[n] for r in case["rounds"] if good(r, n)]
        if last:
            def mean(core, key):
                return "%.0f" % (100 * statistics.mean(w[core][key] for w in last))
            split.append([n] + ["/".join(mean(c, k) for k in ("user", "system", "softirq", "steal", "idle"))
                                for c in ("server_core", "client_core")] +
                         ["%.0f %%" % (100 * statistics.mean(w["cpu"] / w["seconds"] for w in last)),
                          figure(statistics.mean(w["client_us"] for w in last))])
    text = ["### %s: %s\n" % (name, case["title"]),
            "Mix %s, %s, %d connections at a time, windows of %d s%s; the client's TCP is %s; the appliance's port is %s, "
            "its relay forwards %s; measured %s at %s.\n" % (
                case["mix"], case["cipher"], case["clients"], case["seconds"],
                " after %d ms of warm-up" % case["warmup_ms"] if case.get("warmup_ms") else "", "the kernel's" if case.get("sockets", True) else "its own", case.get("port", "af_packet"),
                {"http": "requests (hfrelay --http)"}.get(case.get("forward"), "streams (hfrelay)"), case["at"],
                case.get("commit")),
            table(["server", case["unit"] + "/s", "per CPU s", "appliance / it", "spread", "good windows", "most stolen"],
                  rows)]
    if not case["settled"]:
        text.append("The ratios did not settle within %.0f %% in %d rounds: take them as a direction only.\n" % (
            100 * SPREAD, len(case["rounds"])))
    bound = case.get("rsa_bound")
    if bound:
        ours = median(case, "handfast", "per_cpu")
        text.append("libcrypto alone computes %.0f RSA-2048 private operations in a CPU second here: %s.\n" % (
            bound, ", ".join("%s is at %.0f %% of that bound" % (n, 100 * median(case, n, "per_cpu") / bound)
                             for n in peers if median(case, n, "per_cpu"))) if ours else "")
    if case["clients"] == 1:
        text.append(part_alone(case, peers))
    over = [(n, case["latency"][n]["300"]) for n in peers if "300" in case["latency"].get(n, {})]
    if over:
        text.append("Asked for three times its peak: %s.\n" % "; ".join(
            "%s serves %.0f %% of its peak" % (n, 100 * v["got"] / peak(case, n)) for n, v in over if peak(case, n)))
    if case["latency"]:
        text.append(table(["ms", "at", "rate/s", "p50", "p95", "p99", "p99.9", "not started"], [
            [n, share + " %", v["rate"]] + [figure(v["ms"][p]) + of_turns(v, p) for p in ("p50", "p95", "p99", "p999")] + ["-" if "turns" in v else v["missed"]]
            for n in peers for share, v in case["latency"].get(n, {}).items() if share != "300"]))
    text.append(table(["% of a core: user/system/softirq/stolen/idle", "server's core", "client's core",
                       "of the core received", "client's us each"], split))
    text.append(part_cycles(case))
    return "\n".join(t for t in text if t)


def of_turns(latency, percentile):
    turns = latency.get("p99_turns") if percentile == "p99" else None
    if not turns:
        return ""
    return " (%s%s)" % (", ".join(figure(t) for t in turns), "; of %d turns" % latency["turns"] if "turns" in latency else "")


def part_alone(case, peers):
    """Percentiles of single handshakes, and the appliance's over each peer's, round by round."""
    rows = []
    for n in peers:
        rounds = [r for r in case["rounds"] if good(r, n) and good(r, "handfast")]
        row = [n]
        for p in "p50", "p99":
            row.append(figure(statistics.median(r[n]["handshake_ms"][p] for r in rounds)) if rounds else "-")
            row.append(ratio_text([r["handfast"]["handshake_ms"][p] / r[n]["handshake_ms"][p] for r in rounds])
                       if n != "handfast" else "-")
        rows.append(row)
    return table(["server", "p50 ms", "appliance / it", "p99 ms", "appliance / it"], rows)


def cycles_each(case):
    """The appliance's time by stage, us for each thing served, over all good windows."""
    total, served = {}, 0
    for r in case["rounds"]:
        if good(r, "handfast") and r["handfast"].get("cycles"):
            served += r["handfast"]["rate"] * r["handfast"]["seconds"]
            for k, v in r["handfast"]["cycles"].items():
                total[k] = total.get(k, 0) + v
    return {k: v / 1000 / served for k, v in total.items()} if served else {}


def part_cycles(case):
    each = {k[:-3]: v for k, v in cycles_each(case).items() if k.endswith("_ns")}
    if not each:
        return ""
    whole = sum(each.values())
    wire = sum(each.get(k, 0) for k in ("rx", "tx"))
    return "Where the worker's time goes, us for each of the %s (`hfctl cycles`):\n\n" % case["unit"] + table(
        ["", *each, "all"], [["us", *map(figure, each.values()), figure(whole)],
                             ["share", *("%.0f %%" % (100 * v / whole) for v in each.values()), ""]]) + \
        "\nWithout taking and sending frames (rx, tx), which a device of its own does cheaper: %s us.\n" % figure(whole - wire)


def part_capacity(results):
    rows = []
    for name, case in order(results):
        told = case.get("predicted") or []
        told = told if isinstance(told, list) else [told] * len(case.get("rounds", []))
        rounds = [(p, r["handfast"]) for p, r in zip(told, case.get("rounds", [])) if good(r, "handfast")]
        if not rounds:
            continue
        measured = [w["rate"] * w["seconds"] / max(w.get("worker_cpu", w["cpu"]), 0.01) for _, w in rounds]
        name += "" if "worker_cpu" in rounds[0][1] else " (an older run: once, against relay and main thread too)"
        off = [100 * (p / m - 1) for (p, _), m in zip(rounds, measured)]
        v = case["latency"].get("handfast", {}).get("50", {})
        rows.append([name, figure(statistics.median(p for p, _ in rounds)), figure(statistics.median(measured)),
                     "%+.0f %% (%+.0f to %+.0f)" % (statistics.median(off), min(off), max(off)),
                     "-" if v.get("headroom") is None or v.get("spare") is None else "%.0f %% (%.0f %%)" % (100 * v["headroom"], 100 * v["spare"])])
    return "" if not rows else "## Capacity\n\n`handfast --plan` predicts a worker's handshakes in a CPU second " \
        "before it serves, here before each round; measured is the worker's\nthread alone, without relay and main thread. " \
        "The gauge `worker.headroom` tells how much of its core it does not need in the last\nsecond; beside it what the " \
        "counters of its work leave of the whole window.\n\n" + table(
            ["case", "predicted", "measured", "off by, median (range)", "headroom (by the counters) at 50 % of peak"], rows)


def part_idle(case):
    n = case["connections"]
    rows = [[name, e["held"], figure((e["set_aside"] if e.get("set_aside") else e["pss"] / n)),
             figure(e["reserved"] / max(1, e["held"])) if "reserved" in e else "-",
             figure(e["relay"] / n) if "relay" in e else "-", figure(e["kernel"] / n)]
            for name, e in case["servers"].items()]
    short = [name for name, e in case["servers"].items() if e["held"] < n]
    note = "" if not short else "\nOf %d connections asked for, those of %s were not all answered by the end: theirs is no figure for %d.\n" % (
        n, ", ".join(short), n)
    return "### idle: %s\n\n" % case["title"] + note + "\n" * bool(note) + table(
        ["server", "held", "bytes of its own, each", "reserved as credit, each", "relay's, each", "kernel's, both ends, each"], rows) + """
The appliance's own is what `--plan` sets aside for a connection, taken at start; while its stream is open, buffers
are reserved beside for what its backend may send. The others' is the growth of their proportional set size. The kernel's is the growth of its slab: client's sockets too, and those to the web server.
"""


def part_memif(results):
    """The worker over shared memory: time for each handshake, never a ratio."""
    found = results.get("memif", {})
    rows = []
    for name, r in found.get("cases", {}).items():
        good = [w for w in r["windows"] if not w["wrong"]]
        if not good:
            rows.append([name, r["title"]] + ["-"] * 8)
            continue
        parts = sorted(((statistics.median(w["parts"][k] for w in good), k) for k in good[0]["parts"]), reverse=True)
        us = [w["us"] for w in good]
        rows.append([name, r["title"], "%s (%s to %s)" % (figure(r["us"]), figure(min(us)), figure(max(us))), figure(r["cpu_us"]),
                     figure(r["keys_us"]), figure(r["us"] - r["keys_us"]),
                     ", ".join("%s %s" % (k, figure(v)) for v, k in parts[:5]), figure(r["rate"]), figure(r["client_us"]),
                     figure(1e6 / r["cpu_us"]) if r["unit"] == "Gbit" else "-"])
    if not rows:
        return ""
    m = found["machine"]
    return "## Without the kernel: memif\n\n`bench/memif.sh`: hfbench over shared memory, with a TCP of its own. Microseconds of the " \
        "worker for each handshake (of\nbulk: for each Gbit), as it counts them itself while it polls: of the clock, which others' use of the core is in, and of\n" \
        "its thread's CPU less the turns that found nothing. The backend has its replies in memory (hfstock), and its time is not in it. No other server has\n" \
        "this wire, so there is no ratio.\nOn %s, %s; commit %s.\n\n" % (m["cpu"], "without " + ", ".join(m["lacks"]) if m["lacks"] else "which lacks nothing",
                                                                      found.get("commit")) + table(
            ["case", "", "us each", "CPU us each", "keys and curves", "all the rest", "most of it", "per s", "client's us each", "Gbit/s in a worker's CPU second"], rows)


# ---- pictures ----------------------------------------------------------------------------------------

def plot(path, script):
    if not shutil.which("gnuplot"):
        return False
    head = 'set terminal pngcairo size 1000,480 font "Sans,10"\nset output "%s"\nset grid ytics\n' % path
    return subprocess.run(["gnuplot"], input=head + script, text=True).returncode == 0


def picture_ratios(results, path):
    peers = sorted({n for _, c in order(results) if "rounds" in c for n in names_of(c) if n != "handfast"})
    rows = []
    for name, case in order(results):
        if "rounds" in case:
            v = [ratios(case["rounds"], p) for p in peers]
            rows.append(" ".join(['"%s"' % name] + ["%.3f" % statistics.median(x) if x else "NaN" for x in v]))
    if not rows:
        return False
    data = "$d << EOD\n" + "\n".join(rows) + "\nEOD\n"
    bars = ", ".join('$d using %d:xtic(1) title "%s"' % (i + 2, p) for i, p in enumerate(peers))
    return plot(path, data + 'set title "Appliance with relay over each peer, per CPU second (1 = the same)"\n'
                'set style data histograms\nset style fill solid 0.8\nset yrange [0:*]\nset xtics rotate by -30\n'
                'set key outside\nset arrow from graph 0, first 1 to graph 1, first 1 nohead dt 2\nplot ' + bars + "\n")


def picture_latency(results, path):
    rows, names = [], []
    for name, case in order(results):
        for n in case.get("latency", {}):
            if n not in names:
                names.append(n)
    for name, case in order(results):
        if case.get("latency"):
            v = [case["latency"].get(n, {}).get("90", {}).get("ms", {}).get("p99") for n in names]
            rows.append(" ".join(['"%s"' % name] + ["%.3f" % x if x else "NaN" for x in v]))
    if not rows:
        return False
    data = "$d << EOD\n" + "\n".join(rows) + "\nEOD\n"
    bars = ", ".join('$d using %d:xtic(1) title "%s"' % (i + 2, p) for i, p in enumerate(names))
    return plot(path, data + 'set title "p99 in ms, open loop at 90 % of each one\'s own peak"\nset logscale y\n'
                'set style data histograms\nset style fill solid 0.8\nset xtics rotate by -30\nset key outside\nplot ' +
                bars + "\n")


# ---- all ---------------------------------------------------------------------------------------------

def report(results, pictures):
    client = "hfbench, TLS of its own, verifies each new certificate and 1 signature in 100"
    parts = ["# What was measured\n", "Made by `bench/report.py` from `bench.json`; not to be edited.\n", "## Where\n",
             part_machine(results), "## How to read it\n", READ.format(spread=SPREAD, steady=STEADY, least=STEADY_LEAST,
                                                                client=client) + "\n",
             "## In short\n", part_summary(results)]
    parts += ["![%s](%s)\n" % (os.path.splitext(p)[0].replace("_", " "), p) for p in pictures]
    parts.append(part_capacity(results))
    parts.append(part_memif(results))
    parts.append("## Case by case\n")
    for name, case in order(results):
        parts.append(part_case(name, case) if "rounds" in case else part_idle(case))
    parts += ["## Again\n", "    make bench          # everything; as root, on two free cores\n"
              "    make bench-quick    # one case, under a minute, into build/\n"
              "    bench/bench.py run --case ticket,id --server nginx-http,haproxy-tcp\n\n"
              "The last run was `%s`.\n" % results.get("command", "?")]
    return "\n".join(parts)


def main(argv):
    path = os.path.abspath(argv[0] if argv else os.path.join(os.path.dirname(os.path.abspath(__file__)), "results", "bench.json"))
    with open(path) as f:
        results = json.load(f)
    folder, stem = os.path.split(path)
    stem = os.path.splitext(stem)[0].replace("-", "_")
    pictures = [p for p, draw in ((stem + "_ratios.png", picture_ratios), (stem + "_latency.png", picture_latency))
                if draw(results, os.path.join(folder, p))]
    out = os.path.join(folder, "REPORT.md" if stem == "bench" else stem + ".md")
    text = report(results, pictures)
    with open(out, "w") as f:
        f.write(text)
    print(out)


if __name__ == "__main__":
    main(sys.argv[1:])
