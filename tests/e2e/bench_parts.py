"""bench_parts.py BIN -- the parts of bench.py and report.py that need no server, against results made up here."""
import argparse
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
import bench  # noqa: E402
import report  # noqa: E402


def w(per_cpu, **more):
    return {"rate": per_cpu, "per_cpu": per_cpu, "wrong": None, "seconds": 1, **more}


def spread_is_of_the_middle_half():
    assert bench.middle_half([1, 1, 1, 1, 9]) == 0  # one stray round does not count
    assert bench.middle_half([1, 2]) == 1 / 1.5
    assert abs(bench.middle_half([1, 2, 3, 4, 5]) - 2 / 3) < 1e-9


def ratios_are_paired():
    rounds = [{"handfast": w(30), "a": w(10)}, {"handfast": w(10), "a": w(10)}, {"handfast": w(50), "a": w(10)}]
    assert bench.ratios(rounds, "a") == [3, 1, 5]
    rounds[1]["a"]["wrong"] = "9 failed"
    assert bench.ratios(rounds, "a") == [3, 5]
    assert not bench.settled(rounds, ["a"])  # two rounds are no three
    assert bench.settled([{"handfast": w(30), "a": w(10)}] * 3, ["a"])


def who_sleeps_pays_for_his_interrupts():
    assert bench.irq_elsewhere({"softirq": 0.4}, 1) == 0
    assert bench.irq_elsewhere({"softirq": 0.4}, 1.1) == 0  # ticks of two clocks
    assert abs(bench.irq_elsewhere({"softirq": 0.4}, 0.5) - 0.2) < 1e-9


def bad_windows_are_told():
    case = bench.CASES[0]
    m = {"failed": 0, "handshakes": 100, "resume": "ticket", "resumed": 20, "replies": 0, "reply_bytes": 0,
         "concurrent": 4, "failures": []}
    assert "20 of 100 resumed" in bench.wrong_with(case, m)
    m.update(resumed=92)
    assert bench.wrong_with(case, m) is None
    m.update(failed=5, failures=[{"phase": "connect", "cause": "refused"}])
    assert bench.wrong_with(case, m) == "5 failed: connect refused"


def unsteady_turns_do_not_count():
    def turn(p99, behind, wrong=None):
        return {"ms": {"p99": p99}, "peaks": [100, behind], "wrong": wrong}
    steady = [turn(3, 96), turn(1, 104), turn(2, 100)]
    t = bench.middle_turn([turn(90, 94), *steady, turn(0.1, 106), turn(80, 100, "9 failed")])
    assert t["ms"]["p99"] == 2 and t["p99_turns"] == [1, 2, 3] and t["turns"] == 6, t
    t = bench.middle_turn([turn(90, 50), *steady[:2]])  # two are too few
    assert t["ms"]["p99"] == 3 and t["p99_turns"] == [1, 3, 90] and t["turns"] == 3, t


def turns_are_taken_until_enough_are_steady():
    """A few of a server, then of the next; who has enough is left alone, and nobody is asked for ever."""
    asked, kept = [], (bench.only, bench.near_peak_turns)
    bench.only = lambda servers, server: None

    def turns(case, server, count):
        asked.append((server.name, count))
        return [{"ms": {"p99": 1}, "peaks": [100, 100 if server.name == "calm" else 50], "wrong": None}] * count
    bench.near_peak_turns = turns
    try:
        found = bench.near_peak(None, [argparse.Namespace(name=n) for n in ("calm", "rough")], 4, 12)
    finally:
        bench.only, bench.near_peak_turns = kept
    assert asked == [("calm", 4), ("rough", 4), ("rough", 4), ("rough", 4)], asked
    assert found["calm"]["turns"] == 4 and found["rough"]["turns"] == 12, found


def speed_is_read():
    assert abs(bench.parse_speed("+DT:x\n+R2:1:2048:1.0\n+F2:2:2048:0.001000:0.000030\n") - 1000) < 1e-6
    assert bench.parse_speed("+F2:2:2048:980.000000:34645.000000\n") == 980
    assert bench.parse_speed("") is None


def amounts():
    m = {"reply_bytes": 125000000, "replies": 7, "handshakes": 9}
    by = {c.unit: bench.amount(c, m) for c in bench.CASES}
    assert by["Gbit"] == 1 and by["replies"] == 7 and by["handshakes"] == 9


def predictions_are_read():
    found = bench.parse_predicted("huge pages  5 of 2 MB\npredicted   handshakes in a CPU second\n"
                                  "  www              RSA key exchange 874, ECDHE 784, resumed 16834\n"
                                  "  ecdsa            ECDHE 3752, resumed 16834\nother 5\n  no 7\n")
    assert found["www", "RSA key exchange"] == 874 and found["ecdsa", "ECDHE"] == 3752 and len(found) == 5, found
    assert {c.predicted for c in bench.CASES} - {()} <= set(found)


def engines_are_differences():
    def at(n):
        return [{"module": "pk_engine", "labels": {"engine": "rsa_ifma", "bits": "2048"}, "rows": {"ops": n}},
                {"module": "pk_engine", "labels": {"engine": "libcrypto", "op": "p256 sign"}, "rows": {"ops": 3}}]
    assert bench.engines_between(at(5), at(9)) == {"rsa_ifma 2048": 4}


def mixes_exist():
    out = subprocess.run([sys.argv[1] + "/hfbench", "--help"], capture_output=True, text=True).stdout
    have = set(re.findall(r"^  ([a-z0-9-]+) +\S", out.split("Mixes:")[1], re.M))
    assert {c.mix for c in bench.CASES} <= have, have
    assert {"capture-rsa", "capture-ecdhe", "modern", "resumed", "browser-2026", "bulk", "storm"} <= have, have


def report_of_made_up_results():
    rounds = [{"handfast": dict(w(30), server_core={"steal": 0}), "a": dict(w(10), server_core={"steal": 0.2})}] * 3
    for r in rounds:
        for x in r.values():
            x.update(handshake_ms={"p50": x["per_cpu"], "p99": 90}, cpu=1, client_us=1, client_core={}, server_core=dict.fromkeys(
                ("user", "system", "softirq", "steal", "idle"), 0.2))
            x["client_core"] = x["server_core"]
        r["handfast"]["engines"] = {"rsa_ifma 2048": 4}
    case = {"title": "t", "unit": "handshakes", "mix": "m", "cipher": "c", "clients": 1, "seconds": 1, "rounds": rounds,
            "latency": {}, "settled": True, "at": "now"}
    results = {"machine": {"cpu": "x", "cores": 2, "hypervisor": False, "kernel": "k", "flags": [], "lacks": ["vaes"],
                           "openssl": "o"}, "versions": {"a": "1"}, "cases": {"ticket": case}}
    text = report.report(results, [])
    assert "| ticket | t | 30.0 | a 10.0 | 3.00 (3.00 to 3.00) | 0 % | 3 | yes |" in text, text
    assert "| a | 10.0 | 3.00 (3.00 to 3.00) | 90.0 | 1.00 (1.00 to 1.00) |" in text, text  # one at a time
    case.update(clients=2, latency={"a": {"300": {"got": 8}}})
    assert "a serves 80 % of its peak" in report.report(results, [])
    assert "rsa_ifma 2048 12" in text and "No batch kernel ran" not in text


def predictions_are_made_anew():
    """Before each round that counts, with everybody stopped; what the report compares is the workers' CPU, not the relay's."""
    told, order = iter([110, 130, 121]), []
    os.environ["BENCH_PORT"], os.environ["BENCH_FORWARD"] = "af_xdp", "http"  # the farm says it
    kept = bench.only, bench.predict, bench.window
    bench.only = lambda servers, server: order.append(server.name if server else "nobody")
    bench.predict = lambda case: order.append("predict") or next(told)
    bench.window = lambda server, case, args: w(50 if server.name == "handfast" else 20, rate=100, cpu=2, worker_cpu=1)
    try:
        servers = [argparse.Namespace(name=n) for n in ("handfast", "a")]
        case = bench.Case("ticket", "t", "m", "c", predicted=("www", "resumed"))
        result = bench.run_case(case, servers, argparse.Namespace(seconds=1, rounds=(3, 3), no_latency=True, quick=False))
    finally:
        bench.only, bench.predict, bench.window = kept
    assert order == ["handfast", "a"] + 3 * ["nobody", "predict", "handfast", "a"], order
    assert result["predicted"] == [110, 130, 121] and result["settled"] and result["port"] == "af_xdp", result
    result["latency"] = {"handfast": {"50": {"headroom": 0.5, "spare": 0.48}}}
    text = report.part_capacity({"cases": {"ticket": result}})
    assert "| ticket | 121 | 100 | +21 % (+10 to +30) | 50 % (48 %) |" in text, text


for name, test in list(globals().items()):
    if callable(test) and getattr(test, "__module__", "") == "__main__" and name != "w":
        try:
            test()
            print("ok " + name.replace("_", " "))
        except Exception as e:  # noqa: BLE001
            print("not ok %s: %r" % (name.replace("_", " "), e))
