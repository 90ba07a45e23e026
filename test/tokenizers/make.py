"""Two small SentencePiece models, and what the library makes of odd texts: python make.py, with the package sentencepiece."""
import io
import json
import os
import pathlib
import random
import sentencepiece as spm

HERE = pathlib.Path(__file__).parent
WORDS = (HERE / "../../docs/architecture.md").read_text(encoding="utf8").split()
LINES = [" ".join(WORDS[at : at + 12]) for at in range(0, len(WORDS), 12)]

# As nmt_nfkc, of which it has a handful of rules: a space for tabs and line breaks, ligatures, composed letters, wide signs, nothing.
RULES = {"\t": " ", "\n": " ", "\u3000": " ", "ﬁ": "fi", "e\u0301": "é", "\u1100\u1161": "가", "Ａ": "A", "½": "1⁄2", "\u200b": "", "ﷺ": "صلى الله عليه وسلم"}
(HERE / "rules.tsv").write_text("".join(f"{' '.join(f'{ord(c):X}' for c in a)}\t{' '.join(f'{ord(c):X}' for c in b)}\n" for a, b in RULES.items()))

MODELS = {
    "bpe": dict(model_type="bpe", vocab_size=420, byte_fallback=True, split_digits=True, normalization_rule_name="identity",
                remove_extra_whitespaces=False, allow_whitespace_only_pieces=True),
    "unigram": dict(model_type="unigram", vocab_size=220, normalization_rule_tsv="rules.tsv", user_defined_symbols=["<sep>", "the "]),
}

PARTS = list(" \t\n\r\0") + ["  ", "   ", "\u3000", "\u00a0", "\u200b", "\ufeff", "▁", "▁▁", "é", "e\u0301", "e", "\u0301", "ﬁ", "½", "Ａ", "日本", "\u1100\u1161",
                             "🙂", "👨‍👩‍👧", "\ufffd", "aaa", "aaaa", "!!!!", "000", "12345", "don't", "<sep>", "the ", "<s>", "</s>", "<unk>", "<0x41>", "the", "ﷺ"]


def text(random):
    if random.random() < 0.4:
        line = random.choice(LINES)
        return line[random.randrange(20) :][: random.randrange(1, 60)]
    return "".join(random.choice(PARTS) for _ in range(random.randrange(1, 14)))


def main():
    os.chdir(HERE)  # a model says where its rules came from
    chance = random.Random(1)
    texts = ["", " ", "  ", "\n", "a"] + [text(chance) for _ in range(150)]
    expected = {"texts": texts}
    for name, options in MODELS.items():
        model = io.BytesIO()
        spm.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_writer=model, num_threads=1, minloglevel=2, character_coverage=0.999, **options)
        (HERE / f"{name}.model").write_bytes(model.getvalue())
        library = spm.SentencePieceProcessor(model_proto=model.getvalue())
        ids = [library.encode(each) for each in texts]
        drawn = [[chance.randrange(library.vocab_size()) for _ in range(8)] for _ in range(40)]
        expected[name] = {"ids": ids, "decoded": [library.decode(each) for each in ids], "drawn": drawn, "drawnDecoded": [library.decode(each) for each in drawn]}
    (HERE / "expected.json").write_text(json.dumps(expected) + "\n")
    (HERE / "rules.tsv").unlink()


main()
