"""Base58 as Solana writes bytes of any length. For keys, hashes and signatures solders is
faster."""

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {character: digit for digit, character in enumerate(ALPHABET)}

MAX_CHARACTERS = 2_048
"""A transaction has 1,683 at most; the time taken grows with the square."""


def encode(data: bytes) -> str:
    """Bytes as base58; each leading zero byte is a leading 1."""
    number = int.from_bytes(data)
    characters: list[str] = []
    while number:
        number, digit = divmod(number, 58)
        characters.append(ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(characters))


def decode(text: str) -> bytes | None:
    """The bytes, None where the text is not base58 or is too long."""
    if len(text) > MAX_CHARACTERS:
        return None
    number = 0
    for character in text:
        digit = _DIGITS.get(character)
        if digit is None:
            return None
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)
