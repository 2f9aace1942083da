"""A small network on four noisy spirals."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import kiln

p = kiln.params(epochs=5, rate=0.01, every=4, seed=1)
torch.manual_seed(p.seed)
torch.use_deterministic_algorithms(True)


def spirals(rows, seed):
    rng = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 4, (rows,), generator=rng)
    turn = 0.2 + 2.3 * torch.rand(rows, generator=rng)
    angle = torch.pi * (turn + label / 2)
    point = torch.stack([turn * angle.cos(), turn * angle.sin()], 1)
    return TensorDataset(point + 0.06 * torch.randn(rows, 2, generator=rng), label)


train, val = spirals(3000, 7), spirals(1000, 8)
order = torch.Generator().manual_seed(p.seed)
batches = DataLoader(train, batch_size=64, shuffle=True, generator=order)
model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
optimiser = torch.optim.Adam(model.parameters(), lr=p.rate)
schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=p.every, gamma=0.5)

for epoch in kiln.steps(p.epochs, {"model": model, "optimiser": optimiser, "schedule": schedule, "order": order}):
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
    schedule.step()
    model.eval()
    with torch.no_grad():
        x, y = val.tensors
        val_loss = nn.functional.cross_entropy(model(x), y)
    kiln.log(loss=loss, val_loss=val_loss)

torch.save(model.state_dict(), kiln.outputs["model"])
