"""Fine-tunes a tiny model on an exported file, with the trainer that people use: TRL's SFTTrainer.

    python train.py TRAIN.jsonl [TEST.jsonl]

The file is an export in the format `messages` or `prompt-completion`. The model is a GPT-2 of two layers with random
weights, so nothing but packages is fetched and it learns in seconds on a CPU; what it writes afterwards is no language.
What this shows is that the trainer takes the file as it is, knows its shape by its columns, and that the loss on it falls.

Needs: pip install torch transformers trl datasets
"""

import sys

import datasets
import torch
import transformers
from datasets import load_dataset
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, set_seed
from trl import SFTConfig, SFTTrainer

STEPS = 40
END, PAD = "<|end|>", "<|pad|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def texts(rows):
    """Every text of the data, to make a vocabulary of."""
    for row in rows:
        turns = row.get("messages")
        yield from (turn["content"] for turn in turns) if turns else (row["prompt"], row["completion"])


def byte_level_tokenizer(rows):
    """A vocabulary of 2,000 byte sequences, learnt from the data itself."""
    tokenizer = Tokenizer(models.BPE())
    # Line ends stay with what is before them, as in the tokenizers of Llama 3 or Qwen.
    words = pre_tokenizers.Split(Regex(r"[^\S\r\n]?\w+|[^\w\s]+[\r\n]*|\s*[\r\n]+|\s+"), "isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, letters])
    tokenizer.decoder = decoders.ByteLevel()
    special = [END, PAD, "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2_000, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts(rows), trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD)
    fast.chat_template = CHAT_TEMPLATE
    return fast


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    set_seed(1)
    torch.set_num_threads(1)  # it is so small that more threads only wait for each other
    datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    names = ("train", "test")
    data = load_dataset("json", data_files=dict(zip(names, sys.argv[1:])))
    train, test = data["train"], data.get("test")
    print(f"{train.num_rows:,} rows to train on, {test.num_rows if test else 0:,} to test on, columns {train.column_names}")
    tokenizer = byte_level_tokenizer(train)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_layer=2, n_head=4, n_embd=128, n_positions=512,
        bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )
    model = GPT2LMHeadModel(config)
    print(f"a model of {model.num_parameters():,} random weights")
    args = SFTConfig(
        output_dir="fine-tuned", max_steps=STEPS, per_device_train_batch_size=4, learning_rate=2e-3, max_length=512,
        logging_steps=STEPS // 4, save_strategy="no", report_to="none", use_cpu=True, seed=1, disable_tqdm=True,
        bf16=False, dataset_num_proc=None,
    )
    trainer = SFTTrainer(model=model, args=args, train_dataset=train, eval_dataset=test, processing_class=tokenizer)
    before = trainer.evaluate()["eval_loss"] if test else None
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print(f"loss on the training rows: {losses[0]:.2f} at the beginning, {losses[-1]:.2f} after {STEPS} steps")
    fell = losses[-1] < losses[0]
    if test:
        after = trainer.evaluate()["eval_loss"]
        print(f"loss on the test rows: {before:.2f} before, {after:.2f} after")
        fell = fell and after < before
    if not fell:
        sys.exit("the loss did not fall")


if __name__ == "__main__":
    main()
