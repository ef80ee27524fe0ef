"""Decide which amount of a receipt is the total: labels name candidates, arithmetic confirms or refutes them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, product

from files.extraction.receipts.money import TOTALS, Kind, Money

LABEL_WEIGHT: dict[Kind, float] = {
    "rounded_total": 5.5, "payable": 5.0, "grand_total": 4.5, "total": 4.0, "paid": 3.0, "card": 2.0, "tendered": 1.0,
    "refund": 4.0, "subtotal": 1.0,
}  # fmt: skip
CENT = Decimal("0.011")
"""Two amounts that differ by less are equal: rates are rounded to the cent."""
MAX_ROUNDING = Decimal("0.051")
UNLABELLED = 0.5
"""The weight of an amount without a label that cash less change confirms."""
PAID_BEFORE = frozenset({"deposit", "voucher", "coupon", "point", "points"})
"""Labels of what was paid in another way: it is deducted like a discount, and is none."""
MAX_TAXES, MAX_EXTRAS = 4, 7
MAX_VALUES = 12
MAX_UNLABELLED = 200
"""Bounds of the search for calculations: a receipt has fewer, and a long list of amounts must not take minutes."""
CLOSE = 1.0
"""A second candidate within this score makes the choice doubtful."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The amount that was chosen, and how sure that is. `checks` counts the calculations that agree."""

    money: Money
    confidence: float
    checks: int


class Ledger:
    """The amounts of one receipt by the kind of their label."""

    def __init__(self, money: Iterable[Money], items: Iterable[Decimal]) -> None:
        self.money = list(money)
        self.items = list(items)

    def of(self, *kinds: Kind) -> list[Money]:
        """Return the last amount of each row with a label of these kinds."""
        return [money for money in self.money if money.kind in kinds and money.last]

    def values(self, *kinds: Kind) -> list[Decimal]:
        """Return the distinct values of these kinds, the last of very many."""
        return list(dict.fromkeys(money.value for money in self.of(*kinds)))[-MAX_VALUES:]

    def checks(self, value: Decimal) -> int:
        """Count the independent calculations that lead to a value."""
        return sum(
            (
                2 * self._is_tendered_less_change(value),
                self._is_sum_of_parts(value),
                self._is_sum_of_items(value),
                self._is_net_and_tax(value),
                any(_equal(value, abs(paid)) for paid in self.values("card", "paid")),
                self._is_sum_of_totals(value),
                self._includes_the_tip(value),
            )
        )

    def rounds_to(self, value: Decimal) -> Decimal | None:
        """Return the total after a rounding that is printed, or None if none is."""
        for rounding in self.values("rounding"):
            if rounding and abs(rounding) <= MAX_ROUNDING:
                for sign in (1, -1):
                    rounded = value + sign * rounding
                    if (rounded * 20) % 1 == 0 and any(rounded == money.value for money in self.money):
                        return rounded
        return None

    def before(self, amount: Decimal) -> Money | None:
        """Return the total from which rounding, a deposit or a tip leads to what was paid, or None."""
        parts = self.values("discount", "paid", "tendered", "card", "charge")
        for money in self.of("grand_total", "total"):
            difference = money.value - amount
            if difference and (
                self.rounds_to(money.value) == amount or any(_equal(abs(part), abs(difference)) for part in parts)
            ):
                return money
        return None

    def discount(self, amount: Decimal) -> Money | None:
        """Return the only discount, if a subtotal or the items less it, and a tax at most, come to the amount."""
        found = [money for money in self.of("discount") if money.value and PAID_BEFORE.isdisjoint(money.label.split())]
        if len({abs(money.value) for money in found}) != 1:
            return None
        rest = [base - abs(found[0].value) for base in (*self.values("subtotal"), sum(self.items, Decimal(0)))]
        taxes = (Decimal(0), *self.values("tax"))
        return found[-1] if any(_equal(each + tax, amount) for each in rest for tax in taxes) else None

    def _charges(self) -> list[Decimal]:
        """Return the charges but those that one label offers with several amounts: "18 %: tip 4.47, 20 %: tip 4.97"."""
        by_label: dict[str, set[Decimal]] = {}
        for money in self.of("charge"):
            words = [word for word in money.label.split() if word.isalpha()]
            by_label.setdefault(" ".join(words), set()).add(money.value)
        return [min(values) for values in by_label.values() if len(values) == 1]

    def _includes_the_tip(self, value: Decimal) -> bool:
        """Return whether a total is another total and the only tip; of several tips each is a suggestion."""
        tips = {tip for tip in self._charges() if tip > 0}
        return len(tips) == 1 and any(_equal(total + min(tips), value) for total in self.values(*TOTALS) if total > 0)

    def includes_tip(self, paid: Decimal) -> bool:
        """Return whether what was paid is a total and a charge that follows it, such as a tip."""
        return any(
            _equal(total + charge, paid) for total in self.values(*TOTALS) for charge in self._charges() if charge
        )

    def contradicts(self, value: Decimal) -> bool:
        """Return whether cash and change are printed and their difference is another amount."""
        change = [amount for amount in self.values("change") if amount >= 0]
        cash = [amount for amount in self.values("tendered", "paid") if amount > 0]
        return bool(change and cash) and not self._is_tendered_less_change(value)

    def _is_tendered_less_change(self, value: Decimal) -> bool:
        changes = [abs(amount) for amount in self.values("change")]
        given = [amount for amount in self.values("tendered", "paid", "card") if amount > 0]
        vouchers = [abs(amount) for amount in self.values("discount") if amount]
        given += [one + other for one, other in (*combinations(given, 2), *product(given, vouchers))]
        return any(_equal(cash - change, value) and cash != change for cash in given for change in changes)

    def _is_sum_of_parts(self, value: Decimal) -> bool:
        """Return whether a subtotal (or the items) and some of taxes, charges, discounts and rounding add up."""
        bases = [base for base in (*self.values("subtotal"), sum(self.items, Decimal(0))) if base > 0]
        taxes = [money.value for money in self.of("tax")][:MAX_TAXES]
        extras = [extra for extra in (*taxes, *self._charges(), *self.values("rounding", "discount")) if extra][
            :MAX_EXTRAS
        ]
        for size in range(1, min(4, len(extras)) + 1):
            for chosen in combinations(extras, size):
                for base in bases:
                    plus = base + sum(chosen, Decimal(0))
                    minus = base + sum((-abs(e) if e in self.values("discount") else e for e in chosen), Decimal(0))
                    if _equal(plus, value) or _equal(minus, value):
                        return True
        return False

    def _is_sum_of_items(self, value: Decimal) -> bool:
        return len(self.items) > 0 and _equal(sum(self.items, Decimal(0)), value)

    def is_summand(self, value: Decimal) -> bool:
        """Return whether a total is a part of another: "total at 6 %" beside "total at 0 %" and their sum."""
        others = [other for other in self.values(*TOTALS) if other not in (0, value)]
        return any(value in parts for other in others for parts in self._parts_of(other)) or any(
            other > value and self._includes_the_tip(other) and _equal(other - tip, value)
            for other in others
            for tip in self._charges()
        )

    def _is_sum_of_totals(self, value: Decimal) -> bool:
        return any(True for _ in self._parts_of(value))

    def _parts_of(self, value: Decimal) -> Iterator[tuple[Decimal, ...]]:
        """Yield two or three smaller totals that add up to a value; tax and net alone are another check.

        Goods that went back are negative: then the parts are a total and negative amounts.
        """
        totals = [total for total in self.values(*TOTALS) if 0 < total < value]
        returned = [amount for amount in self.values("subtotal", "tax", *TOTALS) if amount < 0]
        before = [total for total in self.values(*TOTALS) if total > value]
        for size in (2, 3):
            yield from (parts for parts in combinations(totals, size) if _equal(sum(parts, Decimal(0)), value))
            yield from (
                (total, *parts)
                for total in before
                for parts in combinations(returned, size - 1)
                if _equal(total + sum(parts, Decimal(0)), value)
            )

    def _is_net_and_tax(self, value: Decimal) -> bool:
        """Return whether two other printed amounts, the smaller of them a usual tax, add up to the value."""
        amounts = sorted({money.value for money in self.money if Decimal(0) < money.value < value})
        known = set(amounts)
        return any(
            value - tax in known and Decimal("0.015") <= tax / (value - tax) <= Decimal("0.28")
            for tax in self.values("tax")
            if Decimal(0) < tax < value
        )


def choose_total(ledger: Ledger) -> Choice | None:
    """Return the total that was paid or is to be paid, after rounding."""
    scores = _scores(ledger)
    if not scores:
        return None
    ranked = sorted(scores.items(), key=lambda pair: -pair[1][0])
    value, (score, money) = ranked[0]
    checks = ledger.checks(value)
    rivals = [
        rival
        for rival, (points, other) in ranked[1:]
        if (score - points < CLOSE or _says_more(other, money)) and not _explained(ledger, rival, value)
    ]
    return Choice(money, _confidence(ledger, money, checks, rivals=bool(rivals)), checks)


def _scores(ledger: Ledger) -> dict[Decimal, tuple[float, Money]]:
    """Return the best score of each value, with the place that earned it."""
    scores: dict[Decimal, tuple[float, Money]] = {}
    for money in ledger.money:
        weight = _weight(ledger, money)
        if weight == 0:
            continue
        points = weight + _evidence(ledger, money)
        if money.value not in scores or points > scores[money.value][0]:
            scores[money.value] = (points, money)
    return scores


def _weight(ledger: Ledger, money: Money) -> float:
    """Return the weight of an amount's label; none for zero, and for negative amounts but refunds."""
    if money.value == 0 or (money.value < 0 and money.kind not in (*TOTALS, "refund")):
        return 0.0
    if money.kind is None:
        few = len(ledger.money) <= MAX_UNLABELLED
        return UNLABELLED if few and ledger.checks(money.value) > 1 else 0.0
    return LABEL_WEIGHT.get(money.kind, 0.0)


def _evidence(ledger: Ledger, money: Money) -> float:
    """Return what the other amounts of the receipt say for and against one."""
    value = money.value
    rounded = ledger.rounds_to(value)
    return sum((
        2.0 * min(ledger.checks(value), 2),
        -1.5 * (not money.last),
        -4.0 * (rounded is not None and rounded != value),
        3.0 * any(ledger.rounds_to(other) == value for other in ledger.values(*TOTALS)),
        -1.0 * ledger.contradicts(value),
        -4.0 * ledger.is_summand(value),
        3.0 * (money.kind == "paid" and ledger.includes_tip(value)),
    ))  # fmt: skip


def _says_more(other: Money, chosen: Money) -> bool:
    """Return whether another amount is announced as what has to be paid, and the chosen one is not."""
    return other.kind == "payable" and other.last and chosen.kind in ("grand_total", "total", "subtotal")


def _explained(ledger: Ledger, rival: Decimal, value: Decimal) -> bool:
    """Return whether a rival is another part of the same calculation: before rounding, cash given, net amount."""
    if abs(rival - value) <= MAX_ROUNDING and (ledger.rounds_to(rival) == value or ledger.values("rounding")):
        return True
    if ledger.is_summand(rival):
        return True
    kinds = {money.kind for money in ledger.money if money.value == rival}
    return kinds <= {"tendered", "subtotal", "card", "paid"}


def _confidence(ledger: Ledger, money: Money, checks: int, *, rivals: bool) -> float:
    if money.kind not in (*TOTALS, "paid", "refund"):
        base = (0.45, 0.7, 0.88)[min(checks, 2)]
    else:
        base = (0.86, 0.95, 0.98)[min(checks, 2)]
    if rivals:
        base -= 0.3 if checks < 2 else 0.15  # noqa: PLR2004
    if ledger.contradicts(money.value):
        base -= 0.2
    if money.amount.ambiguous:
        base = min(base, 0.5)
    return max(base, 0.1)


def _equal(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) < CENT
