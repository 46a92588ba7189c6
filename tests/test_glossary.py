"""Words are explained once, found however they are written, and those that commands and pages use are among them."""

import inspect
import re

import pytest

from lrgan_jax.__main__ import COMMANDS, main
from lrgan_jax.base.errors import InputError
from lrgan_jax.commands import compare, demo, directions, invert
from lrgan_jax.compare.page import WORDS as OF_COMPARISONS
from lrgan_jax.demo.page import WORDS as OF_DEMOS
from lrgan_jax.glossary import OTHERS, WORDS, explain
from lrgan_jax.pages import kit


def test_other_names_are_of_words_that_there_are():
    assert set(OTHERS.values()) <= set(WORDS) and not set(OTHERS) & set(WORDS)


@pytest.mark.parametrize("asked, word", [("Leak", "leak"), ("w+", "W+"), ("null-space", "null space"), ("ws", "W+")])
def test_a_word_is_found_however_it_is_written(asked, word):
    assert explain(asked) == WORDS[word]


def test_an_unknown_word_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean leak"):
        explain("leek")


def test_the_command_explains_one_or_all(capsys):
    """Words that belong together need no quotes; a wrong one is an error of one line."""
    assert main(["explain", "null", "space"]) == 0
    assert " ".join(capsys.readouterr().out.split()) == f"null space: {WORDS['null space']}"
    assert main(["explain"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert all(f"{word}: {meaning}" in said for word, meaning in WORDS.items())
    assert main(["explain", "leek"]) == 1
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1


@pytest.mark.parametrize("module", [directions, demo, compare, invert])
def test_commands_refer_to_words_that_there_are(module):
    (words,) = re.findall(r"\bhint\((.*)\)", inspect.getsource(module))
    assert {word.strip('"') for word in words.split(", ")} <= set(WORDS)


@pytest.mark.parametrize("words", [OF_DEMOS, OF_COMPARISONS])
def test_pages_explain_their_words(words):
    """Each once, in the order of the page; a word that there is not fails."""
    told = kit.glossary(words)
    assert re.findall("<dt>(.*?)</dt>", told) == list(words)


def test_every_command_can_be_quiet(capsys):
    for name in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert "--quiet" in capsys.readouterr().out
