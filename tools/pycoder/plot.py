#!/usr/bin/python3
"""Draw the loss while training and the held-out loss by position, from training.json.

    plot.py --log models/pycoder/training.json --out docs/images/pycoder.svg
"""
import argparse
import json
import pathlib

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "pycoder", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
from matplotlib import pyplot as plt  # noqa: E402  the backend is chosen before

BIN = 64  # positions; one position alone is 512 tokens, too few for a smooth line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    log = json.loads(options.log.read_text())

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    # Windows of 4096 begin at 80 %; their first steps stand above the axis.
    left.plot([tokens / 1e6 for tokens, _ in log["loss"]], [loss for _, loss in log["loss"]], color="#0969da", linewidth=1)
    left.set(xlabel="million tokens seen", ylabel="training loss, nats a token", ylim=(1.0, 2.6))
    position = log["held_out_by_position"]
    means = [sum(position[at:at + BIN]) / BIN for at in range(0, len(position), BIN)]
    right.plot([at + BIN / 2 for at in range(0, len(position), BIN)], means, color="#bc4c00", linewidth=1)
    right.set(xlabel="position in the window", ylabel="held-out loss, nats a token", ylim=(1.0, 2.6))
    figure.savefig(options.out, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
