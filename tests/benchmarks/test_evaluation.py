"""The script that times the scoring of predictions, on a few."""

from click.testing import CliRunner


def test_all_kinds_are_scored(script):
    done = CliRunner().invoke(script("evaluation").main, ["--count", "20"])
    assert done.exit_code == 0, done.output
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines()]
    assert rows == ["20 pictures, predictions there", "---", "detector", "recognizer", "pipeline"]


def test_answers_are_middling(script):
    bench = script("evaluation")
    records = bench.made_up(500)
    truths = ["".join(record.numbers) for record in records]
    texts = [answer["readings"][0]["text"] for answer in bench.answers("recognizer", records)]
    right = sum(a == b for a, b in zip(truths, texts, strict=True) if a)
    assert 0.4 < right / sum(map(bool, truths)) < 0.9
