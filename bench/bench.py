#!/usr/bin/env python3
"""bench.py -- the appliance beside what a farm would use in its place, case by case, in one run.

All servers share one pinned core and take turns, round by round (A B C A B C ...): whatever else the machine
does meets them all. Who is not measured is stopped, so that it takes nothing of the core. A ratio is
formed within a round, of rates per CPU second that the server's processes received; what counts is the
median of the rounds' ratios, and rounds go on until the middle half of them lies within SPREAD of that
median, or it is said that it did not. The relay's CPU counts as the appliance's, always.

    bench/bench.py run [--quick] [--case NAME,..] [--server NAME,..] [--seconds S] [--rounds MIN-MAX]
                       [--turns MIN-MAX]
    bench/bench.py cases

`run` makes the servers itself (bench/farm.sh, needs root) and writes bench/results/bench.json, from which
bench/report.py makes bench/results/REPORT.md. Results of cases that are not run again stay.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "results", "bench.json")
SPREAD = 0.10
STEADY, STEADY_LEAST, TURNS_AT_ONCE = 0.05, 3, 4
WARMUP_MS = 500  # of each window: a client just started finds its memory and the server's code cold
OVERLOAD_SECONDS = 10
DRAIN_SECONDS = 8  # a server that was asked for too much finds in its queues who has gone meanwhile
RSA, ECDSA = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"


@dataclass
class Case:
    name: str
    title: str
    mix: str
    cipher: str
    unit: str = "handshakes"  # what is counted: handshakes, replies or Gbit
    options: tuple = ()
    clients: int = 64
    latency: bool = True
    closing: str = "rst"  # the server's last word ends the case; "answered": the client's does, and must be heard
    rsa: bool = False  # a full handshake with an RSA private key: has a bound
    predicted: tuple = ()  # certificate and kind in the line of `handfast --plan`
    overload: bool = False  # also at three times the peak
    sockets: bool = False  # the client's connections are the kernel's, not its own over packet sockets


CASES = [
    Case("rsa-cbc", "full handshake, RSA key exchange, AES128-CBC-SHA", "capture-rsa", "AES128-SHA", rsa=True,
         predicted=("www", "RSA key exchange")),
    Case("rsa-gcm", "full handshake, RSA key exchange, AES128-GCM", "plain", "AES128-GCM-SHA256", rsa=True,
         predicted=("www", "RSA key exchange")),
    Case("ecdhe-rsa", "full handshake, ECDHE on X25519, RSA-2048 signature", "modern", RSA, rsa=True,
         predicted=("www", "ECDHE"), overload=True),
    Case("ecdhe-ecdsa", "full handshake, ECDHE on X25519, ECDSA P-256 signature", "modern", ECDSA, predicted=("ecdsa", "ECDHE")),
    Case("ticket", "resumption by ticket", "resumed", RSA, predicted=("www", "resumed"), overload=True,
         closing="answered"),
    Case("alone", "full handshakes one at a time, ECDHE on X25519, RSA-2048 signature", "modern", RSA, clients=1, latency=False,
         sockets=True),
    Case("id", "resumption by session id", "modern", RSA, options=("--resume", "id"), closing="answered"),
    Case("request", "a request on each new connection, full handshake (ECDHE, ECDSA)", "modern", ECDSA, "replies",
         ("--request", "/")),
    Case("request-ticket", "a request on each new connection, resumed by ticket", "resumed", RSA, "replies",
         ("--request", "/")),
    Case("keep-alive", "requests on kept connections", "modern", ECDSA, "replies",
         ("--request", "/", "--requests", "0"), latency=False),
    Case("bulk-gcm", "1 MB replies on kept connections, AES128-GCM", "bulk", RSA, "Gbit", clients=16, latency=False, sockets=True),
    Case("bulk-cbc", "1 MB replies on kept connections, AES128-CBC-SHA", "bulk", "AES128-SHA", "Gbit", clients=16,
         latency=False, sockets=True),
    Case("idle", "memory of idle connections, after one request each", "modern", ECDSA, "bytes", clients=8000, sockets=True),
]


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def read(path, default=""):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return default


# ---- the machine -------------------------------------------------------------------------------------

def core_ticks(core):
    """user, system, softirq (and irq), steal, idle of a core, in ticks (proc(5), /proc/stat)."""
    for line in read("/proc/stat").splitlines():
        word = line.split()
        if word[0] == "cpu%d" % core:
            v = [int(w) for w in word[1:9]]
            return {"user": v[0] + v[1], "system": v[2], "softirq": v[5] + v[6], "steal": v[7], "idle": v[3] + v[4]}
    raise SystemExit("no core %d" % core)


def split_since(core, before):
    now = core_ticks(core)
    spent = {k: now[k] - before[k] for k in now}
    return {k: v / max(1, sum(spent.values())) for k, v in spent.items()}


def cpu_flags():
    for line in read("/proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return line.split(":")[1].split()
    return []


def machine():
    model = [l.split(":")[1].strip() for l in read("/proc/cpuinfo").splitlines() if l.startswith("model name")]
    wanted = "aes avx2 avx512f avx512ifma vaes sha_ni adx bmi2".split()
    flags = cpu_flags()
    uname = os.uname()
    return {"cpu": model[0] if model else "?", "cores": os.cpu_count(), "flags": [f for f in wanted if f in flags],
            "lacks": [f for f in wanted if f not in flags], "kernel": uname.release,
            "hypervisor": "hypervisor" in flags, "awake": "BENCH_AWAKE" in os.environ,
            "openssl": subprocess.run(["openssl", "version"], capture_output=True, text=True).stdout.strip()}


def rsa_bound(core):
    """RSA-2048 private operations of libcrypto in a second of this core's CPU time."""
    out = subprocess.run(["taskset", "-c", str(core), "openssl", "speed", "-mr", "-seconds", "1", "rsa2048"],
                         capture_output=True, text=True).stdout
    return parse_speed(out)


def parse_speed(text):
    """+F2:2:2048:SIGNATURES A SECOND:VERIFICATIONS A SECOND; before OpenSSL 3 seconds for each"""
    for line in text.splitlines():
        if line.startswith("+F2:"):
            figure = float(line.split(":")[3])
            return figure if figure > 1 else 1 / figure
    return None


def parse_predicted(text):
    """The lines behind `predicted` of a plan: {(certificate, kind): handshakes in a CPU second}."""
    found, inside = {}, False
    for line in text.splitlines():
        inside = inside and line.startswith("  ") or line.startswith("predicted")
        if inside and line.startswith("  "):
            name, _, rest = line.strip().partition(" ")
            for part in rest.split(","):
                kind, _, rate = part.strip().rpartition(" ")
                found[name, kind] = float(rate)
    return found


def predict(case):
    out = subprocess.run(["ip", "netns", "exec", os.environ["FARM_APPL"], "taskset", "-c", os.environ["SERVER_CORE"],
                          os.environ["FARM_BIN"] + "/handfast", "--plan", os.environ["FARM_DIR"] + "/handfast.yaml"],
                         capture_output=True, text=True).stdout
    return parse_predicted(out).get(case.predicted)


# ---- servers -----------------------------------------------------------------------------------------

class Server:
    def __init__(self, line):
        self.name, self.version, addresses, pids, wire = line.rstrip("\n").split("\t")
        self.wire, self.client = wire.split()
        self.pids = [int(p) for p in pids.split()]
        self.address, self.by_key = None, {}
        for word in addresses.split(","):
            key, _, at = word.rpartition("=")
            if key:
                self.by_key[key] = at
            else:
                self.address = at

    def at(self, case):
        return self.by_key.get("ecdsa", self.address) if "ECDSA" in case.cipher else self.address

    def own_tcp(self):
        """Options of a client that takes frames from the kernel and does the rest itself: a resumption costs it less
        than half of what it does with sockets, so that its core is not what is measured."""
        return ["--port", "packet:" + self.wire, "--from", self.client]

    def send(self, sig):
        for pid in self.pids:
            os.kill(pid, sig)


def prefer(pids, nice):
    """Before whatever else the machine does; sessions compete as groups where the kernel has autogroup."""
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            os.setpriority(os.PRIO_PROCESS, int(task), nice)
        try:
            with open("/proc/%d/autogroup" % pid, "w") as f:
                f.write(str(nice))
        except OSError:
            pass


def children(pids):
    out = subprocess.run(["pgrep", "-P", ",".join(pids)], capture_output=True, text=True).stdout.split()
    return [int(p) for p in pids + out]


def only(servers, server):
    """The others stand still."""
    for s in servers:
        s.send(signal.SIGCONT if s is server else signal.SIGSTOP)
    time.sleep(0.1)


# ---- one window --------------------------------------------------------------------------------------

def stats():
    """The appliance's counters: {(module, label...): rows}; worker rows of all workers added up where numbers."""
    out = subprocess.run([os.environ["FARM_BIN"] + "/hfctl", "-s", os.environ["FARM_STATS"], "stats", "--json"],
                         capture_output=True, text=True, timeout=30).stdout
    return json.loads(out)


def rows_of(all_stats, module):
    total = {}
    for s in all_stats:
        if s["module"] == module:
            for k, v in s["rows"].items():
                if isinstance(v, (int, float)):
                    total[k] = total.get(k, 0) + v
    return total


def engines_between(before, after):
    """Operations that each engine of private keys computed: {"rsa_ifma 2048": n}."""
    def counts(all_stats):
        c = {}
        for s in all_stats:
            if s["module"] == "pk_engine":
                label = s["labels"]
                name = "%s %s" % (label["engine"], label.get("bits") or label.get("op"))
                c[name] = c.get(name, 0) + s["rows"]["ops"]
        return c
    was, now = counts(before), counts(after)
    return {k: n - was.get(k, 0) for k, n in now.items() if n > was.get(k, 0)}


def cycles_between(before, after):
    was, now = rows_of(before, "cycles"), rows_of(after, "cycles")
    return {k: now[k] - was.get(k, 0) for k in now}


def in_client(command, **more):
    return subprocess.run(["ip", "netns", "exec", os.environ["FARM_CLIENT"], "taskset", "-c",
                           os.environ["CLIENT_CORE"]] + command, capture_output=True, text=True, **more)


def interrupts_thread(core):
    """The kernel's thread for the interrupts of a core: what it gets of the core, the server measured has caused."""
    out = subprocess.run(["pgrep", "-x", "ksoftirqd/%d" % core], capture_output=True, text=True).stdout.split()
    return [int(p) for p in out]


def hfbench(server, case, args):
    path = os.path.join(os.environ["FARM_DIR"], "window.json")
    command = [os.environ["FARM_BIN"] + "/hfbench", "-q", "--mix", case.mix, "--cipher", case.cipher, "--close", case.closing,
               "--sni", os.environ["FARM_SNI"], "--ca", os.environ["FARM_CA"], "--json", path,
               "--cpu-of", ",".join(map(str, server.pids + interrupts_thread(int(os.environ["SERVER_CORE"])))), *case.options, *args,
               *([] if case.sockets else server.own_tcp()), server.at(case)]
    out = in_client(command, timeout=300)
    if out.returncode == 2:
        raise SystemExit("hfbench: " + out.stderr)
    with open(path) as f:
        return json.load(f)


def irq_elsewhere(split, received):
    """The interrupts of what comes in are a server's own cost, whoever was running. Those that met its processes are in
    their CPU time; of the others, which a server that sleeps between frames has more of, the kernel keeps no account by
    cause: taken to come evenly, they are the core's share of interrupts in the time that the server did not get."""
    return split["softirq"] * max(0, 1 - received)


def amount(case, m):
    if case.unit == "Gbit":
        return m["reply_bytes"] * 8 / 1e9
    return m["replies"] if case.unit == "replies" else m["handshakes"]


def counted(m):
    """The share of what was served that was counted: counters of the appliance also see the warm-up."""
    key = "replies" if m["replies"] else "handshakes"
    return m[key] / max(1, m[key] + m["warmup"][key])


def wrong_with(case, m):
    """Why a window must not count; None: it may."""
    if m["failed"] > 0.005 * max(1, m["handshakes"]):
        return "%d failed: %s" % (m["failed"], ", ".join(
            "%s %s" % (f["phase"], f["cause"]) for f in m["failures"]))
    if m["resume"] != "none" and m["resumed"] < 0.95 * m["handshakes"] - 2 * m["concurrent"]:
        return "only %d of %d resumed" % (m["resumed"], m["handshakes"])
    if not amount(case, m):
        return "nothing came"
    return None


def worker_cpu(m):
    """CPU seconds of the appliance's workers alone, as `--plan` means them."""
    return sum(t["seconds"] for c in m["server_cpu"] if c["pid"] == int(os.environ["BENCH_APPLIANCE"])
               for t in c["tasks"] if t["name"].startswith("worker-"))


def window(server, case, args):
    """One measurement of one server; the appliance's own counters with it."""
    ours = server.name == "handfast"
    server_core, client_core = int(os.environ["SERVER_CORE"]), int(os.environ["CLIENT_CORE"])
    before = stats() if ours else None
    ticks = core_ticks(server_core), core_ticks(client_core)
    m = hfbench(server, case, ["--warmup", str(WARMUP_MS), *args])
    w = {"rate": amount(case, m) / m["seconds"], "seconds": m["seconds"],
         "cpu": sum(c["seconds"] for c in m["server_cpu"]),
         "irq_cpu": sum(c["seconds"] for c in m["server_cpu"] if c["pid"] not in server.pids), "client_us": m["client_us_each"],
         "server_core": split_since(server_core, ticks[0]), "client_core": split_since(client_core, ticks[1]),
         "handshake_ms": m["handshake_ms"], "reply_ms": m["reply_ms"], "missed": m["missed"],
         "handshakes": m["handshakes"], "failed": m["failed"], "wrong": wrong_with(case, m)}
    w["cpu"] += irq_elsewhere(w["server_core"], w["cpu"] / m["seconds"]) * m["seconds"]
    w["per_cpu"] = amount(case, m) / w["cpu"] if w["cpu"] else 0
    if ours:
        after = stats()
        w["engines"] = engines_between(before, after)
        w["cycles"] = {k: v * counted(m) for k, v in cycles_between(before, after).items()}
        w["headroom"] = rows_of(after, "worker")["headroom"] / 1000
        w["worker_cpu"] = worker_cpu(m)
        w["relay_cpu"] = sum(c["seconds"] for c in m["server_cpu"] if c["pid"] == int(os.environ["BENCH_RELAY"]))
    return w


# ---- rounds ------------------------------------------------------------------------------------------

def middle_half(values):
    """Width of the middle half of the values over their median; of few values, of all."""
    v = sorted(values)
    if len(v) < 4:
        return (v[-1] - v[0]) / statistics.median(v)
    q = statistics.quantiles(v, n=4, method="inclusive")
    return (q[2] - q[0]) / statistics.median(v)


def ratios(rounds, peer):
    return [r["handfast"]["per_cpu"] / r[peer]["per_cpu"] for r in rounds
            if good(r, "handfast") and good(r, peer)]


def good(r, name):
    return name in r and not r[name]["wrong"] and r[name]["per_cpu"] > 0


def settled(rounds, peers, spread=SPREAD):
    return all(len(v) >= 3 and middle_half(v) <= spread for v in (ratios(rounds, p) for p in peers))


def run_case(case, servers, options):
    say("case %s: %s" % (case.name, case.title))
    result = {"title": case.title, "unit": case.unit, "mix": case.mix, "cipher": case.cipher, "clients": case.clients,
              "seconds": options.seconds, "warmup_ms": WARMUP_MS, "rounds": [], "latency": {}, "port": os.environ["BENCH_PORT"],
              "forward": os.environ["BENCH_FORWARD"], "sockets": case.sockets,
              "at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())}
    peers = [s.name for s in servers if s.name != "handfast"]
    args = ["-c", str(case.clients), "-d", str(options.seconds)]
    if case.rsa:
        result["rsa_bound"] = rsa_bound(int(os.environ["SERVER_CORE"]))
    least, most = options.rounds
    for n in range(-1, most):  # round -1 warms up
        r = {}
        if case.predicted and n >= 0 and (n == 0 or not options.quick):  # anew each time: the processor's speed comes and goes
            only(servers, None)
            r["predicted"] = predict(case)
        for s in servers:
            only(servers, s)
            r[s.name] = window(s, case, args if n >= 0 else ["-c", str(case.clients), "-d", "1"])
            if r[s.name]["wrong"]:
                say("  %s: %s" % (s.name, r[s.name]["wrong"]))
        if n < 0:
            continue
        result["rounds"].append(r)
        say("  round %d: " % (n + 1) + "  ".join("%s %.4g/s %.4g/CPU s" % (k, w["rate"], w["per_cpu"]) for k, w in r.items() if k != "predicted"))
        if n + 1 >= least and settled(result["rounds"], peers):
            break
    result["settled"] = settled(result["rounds"], peers)
    result["predicted"] = [r.pop("predicted") for r in result["rounds"] if "predicted" in r]
    if case.latency and not options.no_latency:
        latencies(case, servers, options, result)
    return result


def peak(result, name):
    rates = [r[name]["rate"] for r in result["rounds"] if good(r, name)]
    return statistics.median(rates) if rates else 0


def latency(case, server, rate, seconds):
    w = window(server, case, ["-c", "4000", "-r", str(rate), "-d", str(seconds)])
    return {"rate": rate, "got": w["rate"], "headroom": w.get("headroom"),
            "spare": 1 - sum(v for k, v in w["cycles"].items() if k != "idle_ns") / 1e9 / w["seconds"] if "cycles" in w else None,
            "missed": w["missed"], "wrong": w["wrong"],
            "ms": w["handshake_ms"] if case.unit == "handshakes" else w["reply_ms"]}


def steady(turn):
    """The peak was the same before and behind."""
    return not turn["wrong"] and abs(turn["peaks"][1] / turn["peaks"][0] - 1) <= STEADY


def near_peak_turns(case, server, count):
    """Turns of a peak, nine tenths of it, and the peak again, one close behind the other (bench/hfbench/pace.h)."""
    seconds = 1 + 2 * count  # a turn takes 1.7, and what its connections need to end
    m = hfbench(server, case, ["--warmup", str(WARMUP_MS), "-c", str(case.clients), "--near-peak", "90", "-d", str(seconds)])
    wrong = wrong_with(case, m)
    return [{"rate": t["rate"], "peaks": [t["before"], t["after"]], "wrong": wrong,
             "ms": t["handshake_ms" if case.unit == "handshakes" else "reply_ms"]} for t in m["turns"]]


def middle_turn(turns):
    """The one whose p99 is in the middle of those that count: the steady ones, or where these are too few all."""
    count = [t for t in turns if steady(t)]
    count = sorted(count if len(count) >= STEADY_LEAST else turns, key=lambda t: t["ms"]["p99"])
    return dict(count[len(count) // 2], p99_turns=[t["ms"]["p99"] for t in count], turns=len(turns))


def near_peak(case, servers, least, most):
    """Nine tenths of a peak leave no room for a machine whose speed changes: beyond the peak of the moment the queue
    grows for as long as the window lasts, and its length is all that is measured. So the peak is taken right
    before and right behind, and a turn counts where both are the same. A few turns of a server, then of the next, until
    each has enough of those that count; of them the one in the middle stands."""
    turns = {s.name: [] for s in servers}
    for n in range(0, most, TURNS_AT_ONCE):
        for s in servers:
            if sum(map(steady, turns[s.name])) < least:
                only(servers, s)
                turns[s.name] += near_peak_turns(case, s, min(TURNS_AT_ONCE, most - n))
    return {name: middle_turn(t) for name, t in turns.items() if t}


def latencies(case, servers, options, result):
    table = result["latency"]
    for s in servers:
        only(servers, s)
        for share in (50, 300) if case.overload and not options.quick else (50,):
            rate = int(peak(result, s.name) * share / 100)
            if rate < 1:
                continue
            # Far beyond its peak a queue of seconds builds up, which a short window would count as lost.
            seconds = options.seconds if share <= 100 else max(options.seconds, OVERLOAD_SECONDS)
            table.setdefault(s.name, {})[str(share)] = latency(case, s, rate, seconds)
            if share > 100:
                time.sleep(DRAIN_SECONDS)
    for name, v in near_peak(case, servers, *options.turns).items():
        table.setdefault(name, {})["90"] = v
    for s in servers:
        say("  %s: %s" % (s.name, "  ".join("p50 %.2f p99 %.2f ms at %s %%" % (v["ms"]["p50"], v["ms"]["p99"], k)
                                            for k, v in sorted(table.get(s.name, {}).items(), key=lambda i: int(i[0])))))


# ---- memory of idle connections ----------------------------------------------------------------------

def pss(pids):
    """Proportional share of memory, bytes (proc(5), smaps_rollup)."""
    total = 0
    for pid in pids:
        for line in read("/proc/%d/smaps_rollup" % pid).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def slab():
    for line in read("/proc/meminfo").splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024
    return 0


def plan_bytes(text):
    """What the appliance has set aside for one idle connection: `connection  N bytes idle; ...`"""
    for line in text.splitlines():
        word = line.split()
        if word[:1] == ["connection"]:
            return int(word[1])
    return None


def idle_case(case, servers, options):
    """Pss before and while so many connections are held; the appliance's own share is set aside at start."""
    count = options.idle or case.clients
    say("case idle: %d connections" % count)
    result = {"title": case.title, "unit": "bytes", "connections": count, "servers": {},
              "at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())}
    for s in servers:
        only(servers, s)
        own = s.pids if s.name != "handfast" else [int(os.environ["BENCH_APPLIANCE"])]
        hfbench(s, case, ["-n", "200", "-c", "50", "--request", "/"])  # what is made once for all
        before, kernel = pss(own), slab()
        relay = pss([int(os.environ["BENCH_RELAY"])])
        seconds = 4 + count // 500
        command = [os.environ["FARM_BIN"] + "/hfbench", "-q", "--mix", case.mix, "--cipher", case.cipher, "--sni",
                   os.environ["FARM_SNI"], "--request", "/", "--hold", "-c", str(count), "-n", str(count), "-r",
                   str(max(100, count // 4)), "-d", str(seconds), "--timeout", "60000", "--json",
                   os.path.join(os.environ["FARM_DIR"], "hold.json"), s.at(case)]
        client = subprocess.Popen(["ip", "netns", "exec", os.environ["FARM_CLIENT"], "taskset", "-c",
                                   os.environ["CLIENT_CORE"]] + command, stdout=subprocess.DEVNULL)
        time.sleep(seconds - 1.5)
        entry = {"pss": pss(own) - before, "kernel": slab() - kernel}
        if s.name == "handfast":
            entry["relay"] = pss([int(os.environ["BENCH_RELAY"])]) - relay
            entry["reserved"] = rows_of(stats(), "worker")["link_reserved"] * 2048
            entry["set_aside"] = plan_bytes(read(os.path.join(os.environ["FARM_DIR"], "plan")))
        client.wait(timeout=120)
        with open(os.path.join(os.environ["FARM_DIR"], "hold.json")) as f:
            entry["held"] = json.load(f)["held"]
        result["servers"][s.name] = entry
        say("  %s: %s" % (s.name, entry))
    return result


# ---- the run -----------------------------------------------------------------------------------------

def plan_of_appliance():
    text = read(os.path.join(os.environ["FARM_DIR"], "plan"))
    keep = ("processor", "public keys", "records", "connection")
    return [l for l in text.splitlines() if l.startswith(keep)]


def load(path):
    try:
        with open(path) as f:
            return json.load(f)
    except (OSError, ValueError):
        return {"cases": {}}


def measure(options):
    with open(os.environ["BENCH_SERVERS"]) as f:
        servers = [Server(line) for line in f]
    if options.server:
        servers = [s for s in servers if s.name in options.server or s.name == "handfast"]
    if options.nice:
        prefer([os.getpid()] + [p for s in servers for p in s.pids], options.nice)
        web = read(os.path.join(os.environ["FARM_DIR"], "web1", "pid")).split()
        prefer(children(web), max(options.nice - 5, -20))  # it shares the client's core, and is no part of what is measured
    results = load(options.out)
    results.update(machine=machine(), plan=plan_of_appliance(), versions={s.name: s.version for s in servers},
                   command="bench/bench.py " + " ".join(sys.argv[1:]))
    for case in CASES:
        if case.name not in options.case:
            continue
        run = idle_case if case.name == "idle" else run_case
        result = run(case, servers, options)
        result["commit"] = results["versions"].get("handfast")
        results["cases"][case.name] = result
        with open(options.out + ".new", "w") as f:
            json.dump(results, f, indent=1)
        os.replace(options.out + ".new", options.out)
    for s in servers:
        s.send(signal.SIGCONT)  # they are to end in order
    subprocess.run([sys.executable, os.path.join(HERE, "report.py"), options.out], check=True)


def number_range(text):
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("what", choices=["run", "measure", "cases"])
    p.add_argument("--quick", action="store_true", help="one case, two servers, short: under a minute")
    p.add_argument("--case", default=None)
    p.add_argument("--server", default=None)
    p.add_argument("--seconds", type=int, default=None)
    p.add_argument("--rounds", type=number_range, default=None)
    p.add_argument("--turns", type=number_range, default=None, help="steady ones at nine tenths of the peak, and how many at most: 5-20")
    p.add_argument("--idle", type=int, default=None, help="connections of the case idle")
    p.add_argument("--nice", type=int, default=0, help="priority of servers and client on a machine that does other things: -15; of the web server behind them 5 more")
    p.add_argument("--no-latency", action="store_true")
    p.add_argument("--out", default=None)
    o = p.parse_args(argv)
    o.case = o.case.split(",") if o.case else ["ticket"] if o.quick else [c.name for c in CASES]
    o.server = o.server.split(",") if o.server else ["nginx-http"] if o.quick else None
    o.seconds = o.seconds or (2 if o.quick else 4)
    o.turns = o.turns or ((1, 1) if o.quick else (5, 20))
    o.rounds = o.rounds or ((3, 3) if o.quick else (5, 12))
    o.out = os.path.abspath(o.out or (os.path.join(HERE, "..", "build", "bench-quick.json") if o.quick else OUT))
    unknown = set(o.case) - {c.name for c in CASES}
    if unknown:
        p.error("no such case: %s; `bench.py cases` lists them" % ", ".join(sorted(unknown)))
    return o


def main(argv):
    options = parse(argv)
    if options.what == "cases":
        for c in CASES:
            print("%-16s %s" % (c.name, c.title))
        return
    if options.what == "measure":
        measure(options)
        return
    peers = " ".join(n.replace("-", "_") for n in options.server if n != "handfast") if options.server else None
    env = dict(os.environ, **({"BENCH_PEERS": peers} if peers is not None else {}))
    farm = os.path.join(HERE, "farm.sh")
    os.execve(farm, [farm, sys.executable, os.path.abspath(__file__), "measure", *argv[1:]], env)


if __name__ == "__main__":
    main(sys.argv[1:])
