"""A run's numbers, and the names of the programs that they are of."""

import json
import statistics
from pathlib import Path

NAMES = {
    "gateway": "this gateway",
    "unprofiled": "this gateway, without a profile",
    "echo": "bare tonic echo",
    "sdk": "bare SDK call",
    "floor": "signing and plain hyper",
    "naive": "tonic + SDK without features",
    "go": "grpc-go + aws-sdk-go-v2",
    "python": "grpcio + boto3",
    "sigv4": "aws-sigv4-proxy (HTTP)",
    "sigv4-pool": "aws-sigv4-proxy (HTTP), larger pool",
}


OPERATIONS = ("poll", "details", "acknowledge", "success", "failure")
# What growth is measured over.
GROWTH = {"callers": (1, 8, 64, 1024, 8192), "connections": (1, 8, 64, 512), "replicas": (1, 2, 4)}

# Calls per second at which the latencies of all programs are compared.
FIXED_RATE = 7900


class Numbers:
    def __init__(self, file):
        run = json.loads(Path(file).read_text())
        self.machine, self.values = run["machine"], run["numbers"]

    def __contains__(self, key):
        return key in self.values

    def median(self, key):
        return statistics.median(self.values[key])

    def quartiles(self, key):
        values = self.values[key]
        if len(values) < 2:
            return values[0], values[0]
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return low, high

    def show(self, key, form="{:,.1f}", scale=1):
        if key not in self:
            return "—"
        low, high = self.quartiles(key)
        number, low, high = (form.format(value * scale) for value in (self.median(key), low, high))
        return number if low == high else f"{number} ({low}–{high})"

    def cpu(self, name, mode="plain"):
        return self.median(f"cost/{name}/{mode}/cpu")

    def times(self, over, under):
        """The median ratio of one program to the sum of others, each a (name, mode). Ratios are taken within a round."""
        rounds = zip(*(self.values[f"cost/{name}/{mode}/cpu"] for name, mode in [over, *under]))
        return statistics.median(first / sum(others) for first, *others in rounds)
