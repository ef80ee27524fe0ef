"""Make names that are visibly invented: syllables, a family name that says demo, and a number."""

from random import Random

HEADS = (
    "A",
    "Be",
    "Ca",
    "Do",
    "E",
    "Fi",
    "Ga",
    "Ilo",
    "Ju",
    "Ka",
    "Lu",
    "Mi",
    "No",
    "Pe",
    "Ri",
    "Sa",
    "Ti",
    "Ve",
)
MIDDLES = ("", "da", "li", "mo", "na", "ri", "so", "ta")
TAILS = ("bo", "di", "lan", "mir", "na", "ra", "rin", "sha", "va", "zel")
TREES = (
    "Alder",
    "Beech",
    "Cedar",
    "Elm",
    "Fir",
    "Ginkgo",
    "Hazel",
    "Juniper",
    "Larch",
    "Maple",
    "Oak",
    "Rowan",
)


def given_name(random: Random) -> str:
    return random.choice(HEADS) + random.choice(MIDDLES) + random.choice(TAILS)


def family_name(random: Random, number: int) -> str:
    """Such as Demo-Fir 0012; the number makes it unique."""
    return f"Demo-{random.choice(TREES)} {number:04}"


def address(given: str, family: str) -> str:
    """Such as ada.demo-fir-0012@example.org; RFC 2606 keeps example.org from ever receiving mail."""
    return f"{given}.{family.replace(' ', '-')}@example.org".lower()
