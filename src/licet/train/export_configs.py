"""The configuration files beside an export, and its README: a script or a file per kind of line, in
which the user fills in the base model. The scripts write no cache of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import yaml

from licet.errors import UsageError
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
Person and assistant alternate. The use of a tool is here as a whole, with its results, or not at all. Where a result may not be
used, `{marker}` stands in its place as a tool's message: it is nobody's
words, and must not count in the loss. System prompts and descriptions of tools are here where the policy allows them. {run}.
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
    row.pop("row_checks", None)
data = datasets.Dataset.from_list(rows, on_mixed_types="use_json")  # each call of a tool keeps its own arguments alone
has_gpu = torch.cuda.is_available()
config = {trainer}Config(output_dir=out, report_to=[], save_only_model=True, bf16=has_gpu, use_cpu=not has_gpu{more})
trainer = {trainer}Trainer(model=base, args=config, train_dataset=data)
trainer.train()
trainer.save_model(out)
'''

_UNSLOTH = '''\
"""{trainer} on {file} with Unsloth, as LoRA; with nothing of it cached on the disk.

Usage: python {script} BASE_MODEL OUT{usage}
"""

import json
import sys
from pathlib import Path

from unsloth import FastLanguageModel, PatchDPOTrainer  # before TRL, which it changes

import datasets
from trl import {trainer}Config, {trainer}Trainer

{arguments} = sys.argv[1:]
datasets.disable_caching()
rows = [json.loads(line) for line in (Path(__file__).parent / "{file}").open(encoding="utf-8")]
for row in rows:
    row.pop("ordinal")
    row.pop("row_labels", None)
    row.pop("row_checks", None)
PatchDPOTrainer()
model, tokenizer = FastLanguageModel.from_pretrained(base, max_seq_length=2048, load_in_4bit=True)
model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=16)
{data}
config = {trainer}Config(output_dir=out, report_to=[], save_only_model=True{more})
trainer = {trainer}Trainer(model=model, processing_class=tokenizer, args=config, train_dataset=data)
{answers}trainer.train()
model.save_pretrained(out)
tokenizer.save_pretrained(out)
'''

_UNSLOTH_SFT_USAGE = """ INSTRUCTION_PART RESPONSE_PART

The parts are how the model's template begins a message of each side"""
_UNSLOTH_SFT_DATA = """\
template = tokenizer.apply_chat_template
texts = [template(row["messages"], tools=row.get("tools"), tokenize=False) for row in rows]
data = datasets.Dataset.from_dict({"text": texts})"""
_UNSLOTH_SFT_ANSWERS = """\
from unsloth.chat_templates import train_on_responses_only  # the loss counts answers alone

parts = [part.encode().decode('unicode_escape') for part in (instruction_part, response_part)]
trainer = train_on_responses_only(trainer, instruction_part=parts[0], response_part=parts[1])
"""
_VERL = """\
#!/bin/sh
# SFT on sft.parquet with verl. Usage: sh train_sft.sh BASE_MODEL OUT [GPUS]
set -eu
cd "$(dirname -- "$0")"
exec torchrun --standalone --nproc_per_node="${3:-1}" -m verl.trainer.sft_trainer \\
    data.train_files=sft.parquet data.val_files=null data.messages_key=messages \\
    data.max_length=2048 data.truncation=right model.path="$1" \\
    trainer.default_local_dir="$2" trainer.logger=console
"""


READ_WITH = {
    Format.mds: 'Read it with `streaming.StreamingDataset(local="{file}", batch_size=8)`; it parses the JSON of each value',
    Format.webdataset: 'Read it with `webdataset.WebDataset("{file}/000000.tar").decode()`; a line is `json`',
    Format.lance: 'Read it with `lance.dataset("{file}")`; each column but `ordinal` is JSON text',
}


def config_files(to: Format, lines: Mapping[ExportKind, int]) -> tuple[dict[str, bytes], str]:
    """The configuration files of ``to`` for the kinds that have lines, and a sentence on how to run
    them.
    """
    kinds = [kind for kind in ExportKind if lines.get(kind)]
    if to in READ_WITH:
        return {}, READ_WITH[to].format(file=f"{kinds[0] if kinds else ExportKind.sft}.{to}")
    match to:
        case Format.trl:
            return {f"train_{kind}.py": _script(kind).encode() for kind in kinds}, _run(
                "python train_sft.py BASE_MODEL OUT"
            )
        case Format.unsloth:
            made = {f"train_{kind}.py": _unsloth(kind).encode() for kind in kinds}
            return made, "Run `python train_sft.py BASE_MODEL OUT INSTRUCTION_PART RESPONSE_PART`"
        case Format.axolotl:
            return {f"{kind}.yaml": _axolotl(kind) for kind in kinds}, _run(
                "axolotl train sft.yaml"
            )
        case Format.openai:
            jobs = {f"job_{kind}.json": _job(kind) for kind in kinds}
            return jobs, "Run a job with `job_sft.json`, after its file was uploaded"
        case Format.llama_factory:
            made = {f"{kind}.yaml": _llama_factory(kind) for kind in kinds}
            return {"dataset_info.json": _dataset_table(kinds), **made}, _run(
                "llamafactory-cli train sft.yaml"
            )
        case Format.torchtune:
            made = {f"{kind}.yaml": _torchtune(kind) for kind in kinds}
            return made, (
                "Put the `dataset` of `sft.yaml` into the configuration of a recipe, and "
                "run `tune run RECIPE`"
            )
        case Format.verl:
            return {"train_sft.sh": _VERL.encode()} if kinds else {}, _run(
                "sh train_sft.sh BASE_MODEL OUT"
            )
        case Format.nemo:
            made = {f"{kind}.yaml": _nemo(kind) for kind in kinds}
            return made, (
                "In a checkout of NeMo RL, run `uv run examples/run_sft.py --config HERE/sft.yaml`"
            )
        case _:
            raise UsageError(f"no configuration is known for `{to}`")


def _run(command: str) -> str:
    return f"Run `{command}`"


def _script(kind: ExportKind) -> str:
    trainer = kind.value.upper()
    more = ", assistant_only_loss=True" if kind is ExportKind.sft else ""
    return _SCRIPT.format(
        trainer=trainer, file=f"{kind}.jsonl", script=f"train_{kind}.py", more=more
    )


def _unsloth(kind: ExportKind) -> str:
    data = 'data = datasets.Dataset.from_list(rows, on_mixed_types="use_json")'
    arguments, usage, more, answers = "base, out", "", "", ""
    if kind is ExportKind.sft:
        arguments = "base, out, instruction_part, response_part"
        usage, data, answers = _UNSLOTH_SFT_USAGE, _UNSLOTH_SFT_DATA, _UNSLOTH_SFT_ANSWERS
        more = ', dataset_text_field="text"'
    return _UNSLOTH.format(
        trainer=kind.value.upper(),
        file=f"{kind}.jsonl",
        script=f"train_{kind}.py",
        usage=usage,
        arguments=arguments,
        data=data,
        more=more,
        answers=answers,
    )


def _axolotl(kind: ExportKind) -> bytes:
    data: dict[str, object] = {"path": f"{kind}.jsonl", "ds_type": "json", "split": "train"}
    made: dict[str, object] = {
        "base_model": "BASE_MODEL",
        "output_dir": "./out",
        "dataset_prepared_path": "./prepared",
    }
    mappings = {"role": "role", "content": "content"}
    match kind:
        case ExportKind.sft:
            data |= {
                "type": "chat_template",
                "field_messages": "messages",
                "roles_to_train": ["assistant"],
                "message_property_mappings": mappings,
            }
        case ExportKind.dpo:
            made["rl"] = "dpo"
            data |= {
                "type": "chat_template.default",
                "field_messages": "messages",
                "field_chosen": "chosen",
                "field_rejected": "rejected",
                "message_property_mappings": mappings,
            }
        case ExportKind.kto:
            made |= {"rl": "kto", "remove_unused_columns": False, "chat_template": "chatml"}
            data["type"] = "chatml.ultra"
    made |= {
        "datasets": [data],
        "sequence_len": 2048,
        "micro_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "num_epochs": 1,
        "learning_rate": 2e-5,
        "optimizer": "adamw_torch",
        "lr_scheduler": "cosine",
    }
    return _yaml(made)


def _job(kind: ExportKind) -> bytes:
    method = {ExportKind.sft: "supervised", ExportKind.dpo: "dpo"}[kind]
    job = {"model": "BASE_MODEL", "training_file": f"{kind}.jsonl", "method": {"type": method}}
    return _json(job)


def _dataset_table(kinds: Sequence[ExportKind]) -> bytes:
    """LLaMA-Factory's `dataset_info.json`: each file, its columns, and the tags of roles."""
    tags = {
        "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
        "observation_tag": "tool", "function_tag": "function_call", "system_tag": "system",
    }  # fmt: skip
    made: dict[str, object] = {}
    for kind in kinds:
        columns = {"messages": "messages"}
        described: dict[str, object] = {"file_name": f"{kind}.jsonl", "formatting": "sharegpt"}
        if kind is ExportKind.dpo:
            described["ranking"] = True
            columns |= {"chosen": "chosen", "rejected": "rejected"}
        elif kind is ExportKind.kto:
            columns["kto_tag"] = "label"
        made[f"licet_{kind}"] = described | {"columns": columns, "tags": tags}
    return _json(made)


def _llama_factory(kind: ExportKind) -> bytes:
    return _yaml(
        {
            "model_name_or_path": "BASE_MODEL",
            "stage": kind.value,
            "do_train": True,
            "finetuning_type": "lora",
            "dataset_dir": ".",
            "dataset": f"licet_{kind}",
            "cutoff_len": 2048,
            "overwrite_cache": True,
            "output_dir": "./out",
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 8,
            "num_train_epochs": 1.0,
            "learning_rate": 2e-5,
            "lr_scheduler_type": "cosine",
        }
    )


def _torchtune(kind: ExportKind) -> bytes:
    component = "chat_dataset" if kind is ExportKind.sft else "preference_dataset"
    data: dict[str, object] = {
        "_component_": f"torchtune.datasets.{component}",
        "source": "json",
        "data_files": f"{kind}.jsonl",
        "split": "train",
        "train_on_input": False,
    }
    if kind is ExportKind.sft:
        data |= {"conversation_column": "messages", "conversation_style": "openai"}
    return _yaml({"dataset": data})


def _nemo(kind: ExportKind) -> bytes:
    data: dict[str, object] = {"data_path": f"{kind}.jsonl"}
    if kind is ExportKind.sft:
        data |= {
            "dataset_name": "openai_format",
            "chat_key": "messages",
            "use_preserving_dataset": True,
        }
    else:
        data["dataset_name"] = "PreferenceDataset"
    return _yaml(
        {
            "defaults": f"NEMO_RL/examples/configs/{kind}.yaml",
            "policy": {"model_name": "BASE_MODEL"},
            "data": {"train": data, "validation": None},
        }
    )


def _yaml(content: Mapping[str, object]) -> bytes:
    return yaml.safe_dump(dict(content), sort_keys=False).encode()


def _json(content: Mapping[str, object]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
