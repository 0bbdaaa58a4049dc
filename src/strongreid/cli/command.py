"""A command: a typed function. Its options come from its signature, their explanations from its docstring."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from jsonargparse import ArgumentParser

from strongreid.recipes.parsing import hide, new_parser, parse, tell_apart


@dataclass(frozen=True)
class Command:
    """One command of the table."""

    run: Callable[..., None]
    purpose: str
    """A line for the list of commands."""
    examples: tuple[str, str]
    """What follows `strongreid` in two commands that work as they stand, with names in capitals to fill in."""
    make_parser: Callable[[], ArgumentParser] | None = None
    """Makes the parser where the signature of `run` cannot say it all."""
    read: Callable[[ArgumentParser, list[str]], Callable[[], None]] | None = None
    """Makes of words what is to be done, where the parser alone cannot make the arguments of `run` of them."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Options that are called otherwise than the arguments of `run` that they give: `--in`, which Python keeps."""
    refuse: Callable[[list[str]], None] | None = None
    """Refuses words that stand alone, where more can be said than the parser knows."""
    set_defaults: Callable[[ArgumentParser, list[str]], None] | None = None
    """Puts defaults that depend on other words into the parser, for `--help`."""
    old_names: Mapping[str, str] = field(default_factory=dict)
    """Options of earlier versions that go on working, and what they are called today."""

    def parser(self) -> ArgumentParser:
        """Return a new parser of this command."""
        return parser_of(self.run) if self.make_parser is None else self.make_parser()

    def prepare(self, words: Sequence[str]) -> Callable[[], None]:
        """Return what `words` ask for, ready to be done; `InputError` for what cannot be."""
        parser, today = self.parser(), [self.renamed(word) for word in words]
        if self.refuse is not None:
            self.refuse(tell_apart(parser, today).alone)
        if self.read is not None:
            return self.read(parser, today)
        values = vars(parser.instantiate(parse(parser, today)))
        return partial(self.run, **{self.arguments.get(name, name): value for name, value in values.items()})

    def help(self, name: str, words: list[str]) -> str:
        """Return the text of `strongreid NAME WORDS --help`, the examples first."""
        parser = self.parser()
        parser.prog = f"strongreid {name}"
        if self.set_defaults is not None:
            self.set_defaults(parser, words)
        examples = "\n".join(f"  strongreid {one}" for one in self.examples)
        return f"Examples:\n{examples}\n\n{parser.format_help().rstrip()}\n"

    def renamed(self, word: str) -> str:
        """Return a word with today's name of the option that it gives."""
        option, equals, value = word.partition("=")
        return f"{self.old_names.get(option, option)}{equals}{value}"


def parser_of(run: Callable[..., None], skip: set[str | int] | None = None, usage: str | None = None) -> ArgumentParser:
    """Return a parser whose options are the arguments of `run` but those in `skip`, explained by its docstring."""
    parser = new_parser(" ".join((run.__doc__ or "").split("Args:")[0].split()), usage)
    parser.add_function_arguments(run, as_positional=True, skip=skip, as_group=False)
    hide(parser)
    return parser
