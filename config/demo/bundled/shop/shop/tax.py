"""Tax of a sale, in cents."""

RATES = {"AT": 20, "DE": 19, "FR": 20}


def tax_included(total: int, country: str) -> int:
    """How much of a total is tax, rounded half up."""
    rate = RATES[country]
    return (total * rate * 2 + 100 + rate) // ((100 + rate) * 2)
