"""The numbers of the tiny models: value i of a stream is the i-th output of SplitMix64 (Steele, Lea, Flood 2014) from the
state `seed`, and its highest byte, less 128, is the weight's integer q. Every weight q / 2^e is exact in f32, f16 and bf16.
"""
import numpy as np


def splitmix64(seed, n):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def weights(seed, shape, exponent, added):
    q = (splitmix64(seed, int(np.prod(shape))) >> np.uint64(56)).astype(np.float64) - 128
    return (q / 2.0**exponent + added).reshape(shape)


def tokens(seed, n, vocabulary):
    return ((splitmix64(seed, n) >> np.uint64(33)) % np.uint64(vocabulary)).astype(int)
