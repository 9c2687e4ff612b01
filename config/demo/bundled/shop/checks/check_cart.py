import unittest

from shop.cart import Cart, merge_carts


class CheckCart(unittest.TestCase):
    def test_the_same_article_counts_up(self):
        cart = Cart()
        cart.add("tea")
        cart.add("tea", 2)
        self.assertEqual(cart.quantities, {"tea": 3})

    def test_nothing_is_no_quantity(self):
        with self.assertRaises(ValueError):
            Cart().add("tea", 0)

    def test_a_total_is_in_cents(self):
        cart = Cart({"tea": 2, "cup": 1})
        self.assertEqual(cart.total({"tea": 450, "cup": 1200}), 2100)

    def test_a_visitors_articles_reach_the_customer(self):
        visitor, customer = Cart({"tea": 1}), Cart()
        merge_carts(visitor, customer)
        self.assertEqual(customer.quantities, {"tea": 1})
