"""A small network on four noisy spirals, with a `Trainer` and a callback."""

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

import kiln

p = kiln.params(epochs=4, rate=0.01, seed=1)
lightning.seed_everything(p.seed, verbose=False)


def spirals(rows, seed):
    rng = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 4, (rows,), generator=rng)
    angle = torch.pi * (0.2 + 2.3 * torch.rand(rows, generator=rng) + label / 2)
    point = torch.stack([angle * angle.cos(), angle * angle.sin()], 1) / torch.pi
    return TensorDataset(point + 0.06 * torch.randn(rows, 2, generator=rng), label)


class Shuffled(Sampler):
    """Another order each epoch, which its number decides: Lightning calls `set_epoch`, and a checkpoint has the number."""

    def __init__(self, rows):
        self.rows, self.epoch = rows, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.rows

    def __iter__(self):
        rng = torch.Generator().manual_seed(1000 * p.seed + self.epoch)
        return iter(torch.randperm(self.rows, generator=rng).tolist())


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 4))

    def training_step(self, batch, _):
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        optimiser = torch.optim.Adam(self.parameters(), lr=p.rate)
        return [optimiser], [torch.optim.lr_scheduler.StepLR(optimiser, step_size=3, gamma=0.5)]


class Kept(lightning.Callback):
    def on_train_epoch_end(self, trainer, module):
        epoch = trainer.current_epoch + 1
        kiln.log(step=epoch, loss=trainer.callback_metrics["loss"])
        kiln.keep(epoch, save=lambda folder: trainer.save_checkpoint(folder / "state.ckpt"))


quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
trainer = lightning.Trainer(max_epochs=p.epochs, accelerator="cpu", callbacks=[Kept()], **quiet)
data = spirals(2000, 7)
model, batches = Net(), DataLoader(data, batch_size=64, sampler=Shuffled(len(data)))
# Last: random numbers that are drawn in between would be others than without a stop.
held = []
kiln.resume(load=lambda folder: held.append(folder / "state.ckpt"))
trainer.fit(model, batches, ckpt_path=held[0] if held else None)
torch.save(model.state_dict(), kiln.outputs["model"])
