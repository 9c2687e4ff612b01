"""A cart: how many of each article, and what they cost in cents."""

from dataclasses import dataclass, field


@dataclass
class Cart:
    quantities: dict[str, int] = field(default_factory=dict)

    def add(self, article: str, quantity: int = 1) -> None:
        if quantity < 1:
            raise ValueError(f"a cart takes 1 or more of {article}, not {quantity}")
        self.quantities[article] = self.quantities.get(article, 0) + quantity

    def total(self, prices: dict[str, int]) -> int:
        return sum(prices[article] * quantity for article, quantity in self.quantities.items())


def merge_carts(visitor: Cart, customer: Cart) -> None:
    """What a visitor has gathered goes to the customer who signs in."""
    customer.quantities = dict(visitor.quantities)
