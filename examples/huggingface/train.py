"""A small transformer that learns to tell the most frequent of four letters, with a `Trainer` and a callback."""

import json
import shutil
from pathlib import Path

import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

import kiln

p = kiln.params(epochs=4, rate=0.003, seed=1)


class Letters(Dataset):
    def __init__(self, rows, seed):
        rng = torch.Generator().manual_seed(seed)
        self.words = torch.randint(1, 5, (rows, 9), generator=rng)
        counts = torch.stack([(self.words == letter).sum(1) for letter in range(1, 5)], 1)
        self.labels = counts.argmax(1)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, row):
        return {"input_ids": self.words[row], "labels": self.labels[row]}


class Kept(TrainerCallback):
    """The Trainer saves after each epoch; that checkpoint is the state."""

    def on_save(self, args, state, control, **_):
        epoch = round(state.epoch)
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        kiln.log(step=epoch, loss=losses[-1])
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        kiln.keep(epoch, save=lambda folder: self.save(checkpoint, folder / "checkpoint"))

    def save(self, checkpoint, folder):
        # Its arguments have the time of day.
        shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("training_args.bin"))
        # How many steps are wanted decides none of them, and the Trainer asks its arguments for it.
        path = folder / "trainer_state.json"
        state = json.loads(path.read_text())
        state.update(max_steps=0, num_train_epochs=0)
        state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"] = False
        path.write_text(json.dumps(state, indent=2, sort_keys=True))


arguments = TrainingArguments(
    "checkpoints",
    num_train_epochs=p.epochs,
    learning_rate=p.rate,
    lr_scheduler_type="constant",
    per_device_train_batch_size=32,
    save_strategy="epoch",
    save_total_limit=1,
    logging_strategy="epoch",
    report_to=[],
    disable_tqdm=True,
    use_cpu=True,
    seed=p.seed,
)
torch.manual_seed(p.seed)
config = BertConfig(vocab_size=5, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, num_labels=4)
trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=Letters(1024, 7), callbacks=[Kept()])
held = []
kiln.resume(load=lambda folder: held.append(str(folder / "checkpoint")))
trainer.train(resume_from_checkpoint=held[0] if held else None)
trainer.model.save_pretrained(kiln.outputs["model"])
