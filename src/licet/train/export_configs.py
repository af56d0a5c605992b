"""The configuration files beside an export, and its README.

A script or a file per kind of line, ready to run with the libraries installed; the user fills in the base model.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import yaml

from licet.train.exports import ExportKind, Format

README = """\
# {release}, as plain text

**This folder holds in clear what people wrote.** It was made for `{recipient}` from the release `{release}` on {made},
and is registered as their copy: `{export}`. Nothing here is sealed, so no withdrawal reaches it by itself.

- It may be used by `{recipient}` for `{purpose}`, and given to nobody.
- An erasure is recalled from `{recipient}`: delete the rows that `licet export withdrawn {export}` lists, by `ordinal`, or
  the whole folder, and answer with `licet recall ack`. The whole may be recalled too: `licet recall export {export}`.
- What training libraries write down of it is a copy as well: run `licet train purge` where it was used.
- Identifiers and secrets that rules can find were replaced; it is pseudonymised, never anonymous.

| file | lines |
|---|---:|
{files}

{left_out}
Tools: an assistant's calls are kept in `tool_calls`; what a tool gave never counts and is not here, and no description of
a tool is recorded. Run `{run}`.
"""

_SCRIPT = '''\
"""{trainer} on {file}; with nothing of it cached on the disk. Usage: python {script} BASE_MODEL OUT"""

import json
import sys
from pathlib import Path

import datasets
import torch
from trl import {trainer}Config, {trainer}Trainer

base, out = sys.argv[1:]
datasets.disable_caching()
rows = [json.loads(line) for line in (Path(__file__).parent / "{file}").open(encoding="utf-8")]
for row in rows:
    row.pop("ordinal")
    row.pop("row_labels", None)
has_gpu = torch.cuda.is_available()
config = {trainer}Config(output_dir=out, report_to=[], save_only_model=True, bf16=has_gpu, use_cpu=not has_gpu{more})
trainer = {trainer}Trainer(model=base, args=config, train_dataset=datasets.Dataset.from_list(rows))
trainer.train()
trainer.save_model(out)
'''


def ready(to: Format, lines: Mapping[ExportKind, int]) -> tuple[dict[str, bytes], str]:
    """The files with which ``to`` reads what was written, for kinds that have a line; and the command to type."""
    found = [kind for kind in ExportKind if lines.get(kind)]
    match to:
        case Format.trl:
            return {f"train_{kind}.py": _script(kind).encode() for kind in found}, "python train_sft.py BASE_MODEL OUT"
        case Format.axolotl:
            return {f"{kind}.yaml": _axolotl(kind) for kind in found}, "axolotl train sft.yaml"
        case Format.openai:
            jobs = {f"job_{kind}.json": _job(kind) for kind in found}
            return jobs, "a job with `job_sft.json`, after its file was uploaded"


def _script(kind: ExportKind) -> str:
    trainer = kind.value.upper()
    more = ", assistant_only_loss=True" if kind is ExportKind.sft else ""
    return _SCRIPT.format(trainer=trainer, file=f"{kind}.jsonl", script=f"train_{kind}.py", more=more)


def _axolotl(kind: ExportKind) -> bytes:
    data: dict[str, object] = {"path": f"{kind}.jsonl", "ds_type": "json", "split": "train"}
    made: dict[str, object] = {"base_model": "BASE_MODEL", "output_dir": "./out", "dataset_prepared_path": "./prepared"}
    mappings = {"role": "role", "content": "content"}
    match kind:
        case ExportKind.sft:
            data |= {
                "type": "chat_template", "field_messages": "messages", "roles_to_train": ["assistant"],
                "message_property_mappings": mappings,
            }  # fmt: skip
        case ExportKind.dpo:
            made["rl"] = "dpo"
            data |= {
                "type": "chat_template.default", "field_messages": "messages", "field_chosen": "chosen",
                "field_rejected": "rejected", "message_property_mappings": mappings,
            }  # fmt: skip
        case ExportKind.kto:
            made |= {"rl": "kto", "remove_unused_columns": False, "chat_template": "chatml"}
            data["type"] = "chatml.ultra"
    made |= {
        "datasets": [data], "sequence_len": 2048, "micro_batch_size": 1, "gradient_accumulation_steps": 8,
        "num_epochs": 1, "learning_rate": 2e-5, "optimizer": "adamw_torch", "lr_scheduler": "cosine",
    }  # fmt: skip
    return yaml.safe_dump(made, sort_keys=False).encode()


def _job(kind: ExportKind) -> bytes:
    method = {ExportKind.sft: "supervised", ExportKind.dpo: "dpo"}[kind]
    job = {"model": "BASE_MODEL", "training_file": f"{kind}.jsonl", "method": {"type": method}}
    return msgspec.json.format(msgspec.json.encode(job), indent=1) + b"\n"
