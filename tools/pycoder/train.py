#!/usr/bin/python3
"""Train pycoder on one GPU (bf16) or on the CPU.

    train.py --data DIR --out OUT --tokens 800e6

DIR has train.bin and held.bin of corpus.py. OUT gets checkpoint.pt (everything that --resume needs), weights.npz (f16
matrices, f32 norms) and log.json (loss by step, held-out loss by position). Matrices are trained by Muon (momentum,
orthogonalized by Newton-Schulz iterations), the embedding and the norms by AdamW. The learning rate warms up, is level
until --decay and falls linearly to zero; the last part, from --long on, is trained at the full context.
"""
import argparse
import dataclasses
import json
import pathlib
import time

import numpy as np
import torch

from model import Model, Shape


class Windows:
    """Windows of T+1 tokens, each token once an epoch, in an order that the seed and the epoch fix."""

    def __init__(self, path, device):
        # Signed, because indexing of uint16 is not everywhere; ids stay below 2^15.
        self.tokens = torch.from_numpy(np.fromfile(path, dtype=np.uint16).astype(np.int16)).to(device)
        self.epoch, self.starts, self.width = 0, np.zeros(0, np.int64), 0

    def next(self, count, tokens):
        if self.width != tokens or len(self.starts) < count:
            rng = np.random.default_rng([7, self.epoch, tokens])
            first = rng.integers(0, tokens)
            self.starts = rng.permutation(np.arange(first, len(self.tokens) - tokens - 1, tokens))
            self.width, self.epoch = tokens, self.epoch + 1
        taken, self.starts = self.starts[:count], self.starts[count:]
        return self.at(taken, tokens)

    def at(self, starts, tokens):
        device = self.tokens.device
        index = torch.from_numpy(starts).to(device)[:, None] + torch.arange(tokens + 1, device=device)
        window = self.tokens[index].long()
        return window[:, :-1], window[:, 1:]


def orthogonalize(matrices):
    """Newton-Schulz iterations toward the nearest orthogonal matrices; [count, rows, columns], rows ≤ columns."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x


class Muon:
    def __init__(self, parameters, decay=0.1):
        self.parameters, self.decay = parameters, decay
        self.momenta = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self, rate, momentum):
        groups = {}
        for p, m in zip(self.parameters, self.momenta):
            m.mul_(momentum).add_(p.grad)
            update = p.grad.add(m, alpha=momentum)
            tall = update.shape[0] > update.shape[1]
            update = update.T if tall else update
            groups.setdefault(update.shape, []).append((p, update, tall))
            p.grad = None
        for members in groups.values():
            updates = orthogonalize(torch.stack([update for _, update, _ in members]))
            for (p, _, tall), update in zip(members, updates):
                p.mul_(1 - rate * self.decay)
                p.add_((update.T if tall else update).to(p.dtype), alpha=-rate * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def held_out(model, held, tokens, windows):
    """Mean nats at each position, over windows spread evenly over the held-out tokens."""
    starts = np.linspace(0, len(held.tokens) - tokens - 2, windows).astype(np.int64)
    total = torch.zeros(tokens, dtype=torch.float64)
    with torch.no_grad():
        for at in range(0, windows, 8):
            part = starts[at:at + 8]
            ids, targets = held.at(part, tokens)
            total += model(ids, targets).view(len(part), tokens).sum(0).double().cpu()
    return total / windows


def save_weights(model, path):
    arrays = {"embedding": model.embedding, "norm": model.norm}
    for index, layer in enumerate(model.layers):
        arrays |= {f"layers.{index}.{name}": value for name, value in layer.items()}
    np.savez(path, **{name: value.detach().float().cpu().numpy().astype(np.float16 if value.dim() == 2 else np.float32) for name, value in arrays.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--tokens", type=float, default=800e6, help="tokens to see")
    parser.add_argument("--seconds", type=float, default=1e9, help="end the schedule by then, if the tokens take longer")
    parser.add_argument("--batch", type=int, default=131072, help="tokens a step")
    parser.add_argument("--short", type=int, default=1024, help="context of the first part")
    parser.add_argument("--long", type=float, default=0.8, help="part of the schedule after which the context is full")
    parser.add_argument("--decay", type=float, default=0.4, help="part of the schedule after which the rate falls")
    parser.add_argument("--muon", type=float, default=0.02)
    parser.add_argument("--adam", type=float, default=3e-3)
    parser.add_argument("--save-every", type=float, default=120, help="seconds")
    parser.add_argument("--bf16", action="store_true", help="on the CPU as well; twice as fast where it has the instructions")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt")
    for field in dataclasses.fields(Shape):
        if field.type is int:
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shape = Shape(**{f.name: getattr(options, f.name) for f in dataclasses.fields(Shape) if hasattr(options, f.name)})

    began = time.time()
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = Model(shape, torch.bfloat16 if device == "cuda" or options.bf16 else torch.float32).to(device)
    if device == "cuda":
        model.compile()
    matrices = [layer[name] for layer in model.layers for name in shape.matrices()]
    rest = [p for p in model.parameters() if not any(p is m for m in matrices)]
    muon, adam = Muon(matrices), torch.optim.AdamW(rest, lr=options.adam, betas=(0.9, 0.95), weight_decay=0.0)
    train, held = Windows(options.data / "train.bin", device), Windows(options.data / "held.bin", device)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}M parameters, {len(train.tokens) / 1e6:.1f}M tokens, {device}", flush=True)

    step, seen, spent, log = 0, 0, 0.0, []
    if options.resume and (options.out / "checkpoint.pt").exists():
        state = torch.load(options.out / "checkpoint.pt", map_location=device)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        muon.momenta = state["momenta"]
        train.epoch, step, seen, spent, log = state["epoch"], state["step"], state["seen"], state["spent"], state["log"]
    began -= spent

    def save():
        save_weights(model, options.out / "weights.npz")
        state = {"model": model.state_dict(), "adam": adam.state_dict(), "momenta": muon.momenta, "epoch": train.epoch,
                 "step": step, "seen": seen, "spent": time.time() - began, "log": log}
        torch.save(state, options.out / "checkpoint.part")
        (options.out / "checkpoint.part").replace(options.out / "checkpoint.pt")

    saved, shown, recent = time.time(), time.time(), []
    while True:
        part = max(seen / options.tokens, (time.time() - began) / options.seconds)
        if part >= 1:
            break
        tokens = options.short if part < options.long else shape.context
        scale = min(1.0, (step + 1) / 100) * min(1.0, (1 - part) / (1 - options.decay))
        ids, targets = train.next(max(1, options.batch // tokens), tokens)
        loss = model(ids, targets).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        for group in adam.param_groups:
            group["lr"] = options.adam * scale
        adam.step()
        adam.zero_grad(set_to_none=True)
        muon.step(options.muon * scale, min(0.95, 0.85 + step / 3000))
        step += 1
        seen += ids.numel()
        recent.append(loss.detach())
        if step % 20 == 0:
            mean = torch.stack(recent).mean().item()
            recent = []
            log.append((seen, mean))
            if time.time() - shown > 5 or step == 20:
                shown = time.time()
                speed = seen / (shown - began)
                print(f"step {step}  {seen / 1e6:.1f}M tokens  context {tokens}  loss {mean:.4f}  {part:.1%}  {speed:.0f} tokens/s  {shown - began:.0f} s", flush=True)
        if time.time() - saved > options.save_every:
            saved = time.time()
            save()

    save()
    if device == "cuda":
        torch.compiler.set_stance("force_eager")
    position = held_out(model, held, shape.context, 512 if device == "cuda" else 16)
    report = {"shape": dataclasses.asdict(shape), "tokens": seen, "steps": step, "seconds": round(time.time() - began, 1), "device": torch.cuda.get_device_name() if device == "cuda" else "CPU", "torch": torch.__version__,
              "options": {name: value for name, value in vars(options).items() if isinstance(value, (int, float))}, "loss": [(tokens, round(loss, 4)) for tokens, loss in log], "held_out_by_position": [round(value, 4) for value in position.tolist()]}
    (options.out / "log.json").write_text(json.dumps(report))
    print(f"held out: {position.mean():.4f} nats; first 1024 {position[:1024].mean():.4f}, positions 250-350 {position[250:350].mean():.4f}, 2950-3050 {position[2950:3050].mean():.4f}; {time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
