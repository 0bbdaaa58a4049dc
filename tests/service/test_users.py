import pytest

from strongreid.errors import InputError
from strongreid.service.users import parse_users

ONE, TWO = "0123456789abcdef", "another token".replace(" ", "-") + "-more"


def test_users_are_told_by_their_whole_token() -> None:
    users = parse_users(f"# who may search\nanna:{ONE}  # since May\n\nben:{TWO}\n", "users.txt")
    assert users.names == ("anna", "ben")
    assert (users.who(ONE), users.who(TWO)) == ("anna", "ben")
    for wrong in ("", ONE[:-1], ONE + " ", ONE.upper(), "anna", "ü" * 30, "\ud800"):
        assert users.who(wrong) is None


def test_a_token_alone_and_tokens_in_one_line_are_read() -> None:
    assert parse_users(ONE, "x").who(ONE) == "user"
    assert parse_users(f"anna:{ONE} ben:{TWO}", "x").who(TWO) == "ben"
    assert parse_users(f"anna:a:{ONE}", "x").who(f"a:{ONE}") == "anna"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no token"),
        ("# nothing", "holds no token"),
        ("anna:short", "must have at least 16"),
        (f":{ONE}", "name has 1 to 100"),
        (f"anna:{ONE}\nanna:{TWO}", "two tokens"),
        (f"anna:{ONE}\nben:{ONE}", "same token"),
        (f"{'a' * 101}:{ONE}", "name has 1 to 100"),
    ],
)
def test_what_is_no_list_of_users_is_refused_without_saying_a_token(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        parse_users(text, "users.txt")
    assert ONE not in str(refused.value)
    assert "short" not in str(refused.value)
