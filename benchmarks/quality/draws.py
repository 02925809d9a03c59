"""The trainer's draws (tensor/Randomness.java, train/Batches.java), which are functions of (seed, step, purpose)."""
import torch

MASK = (1 << 64) - 1


def mix64(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def derive(seed, step, purpose):
    """The trainer's Randomness.derive."""
    h = 0xCBF29CE484222325
    for b in f"{seed}/{step}/{purpose}".encode():
        h = (h ^ b) * 0x100000001B3 & MASK
    return mix64(h) & MASK >> 1


def normal(seed, step, purpose, shape):
    """The trainer's Randomness.normal."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(derive(seed, step, purpose)))


class SplittableRandom:
    """Java's (Steele et al. 2014), as the trainer's Randomness.generator seeds it."""

    def __init__(self, seed, step, purpose):
        self.state = derive(seed, step, purpose)

    def next(self):
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        return self.state

    def integer(self, bound):
        mask = bound - 1
        while True:
            z = self.next()
            z = (z ^ z >> 33) * 0x62A9D9ED799705F5 & MASK
            r = ((z ^ z >> 28) * 0xCB24D0A5C88C35B3 & MASK) >> 32
            if bound & mask == 0:
                return r & mask
            u = r >> 1
            if u + mask - u % bound < 1 << 31:
                return u % bound

    def double(self):
        return (mix64(self.next()) >> 11) * 2.0**-53


def samples(seed, step, batch, size):
    """The trainer's Batches.samples: epochs, each a permutation of the data, cut into batches."""
    chosen = []
    for position in range(step * batch, (step + 1) * batch):
        random, order = SplittableRandom(seed, position // size, "epoch"), list(range(size))
        for i in range(size):
            j = random.integer(i + 1)
            order[i], order[j] = order[j], i
        chosen.append(order[position % size])
    return chosen
